"""Each command does what it says, against the real gateway in memory."""

import json
import tempfile
from pathlib import Path

import pytest
from command_line import SMS, CommandLine, cases

CASES, case = cases()


@case("send")
def _(cli: CommandLine) -> None:
    sent = cli.json("send", "--to", SMS, "--message", "Build 42 is live", "--tag", "team:x=infra")
    assert [text.text for text in cli.hark.sent()] == ["Build 42 is live"]
    assert cli.hark.client.notifications.get(sent["id"]).tags == {"team:x": "infra"}
    again = cli.run("send --message Again --wait --key order-42", "--to", SMS).stdout
    assert again == cli.run("send --message Again --wait --key order-42", "--to", SMS).stdout
    assert "to.sms: " in cli.run("send --to sms=0171 --message Hello", code=1).stderr
    cli.hark.fail_next("sms", "400")
    cli.run("send --message No --wait", "--to", SMS, code=4)
    forecast = cli.json("send --message Perhaps --dry-run", "--to", SMS)
    assert (forecast["outcome"], len(cli.hark.sent())) == ("accepted", 2)
    cli.run("send --message No --dry-run --to sms=0171", code=1)


@case("batch")
def _(cli: CommandLine) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "people.csv")
        file.write_text(
            "to.sms,to.email,subject,message,template,data.order,data,tag.of,key\n"
            '+14155552671,,,Hello,,,,friday,k-1\n,a@example.com,Hi,"Two\nlines",,,,,k-2\n0171,,,Hello,,,,,\n'
        )
        assert cli.json("batch --dry-run", file) == {
            **{"rows": 3, "accepted_before": 0, "to_send": 3},
            "to": {"to.sms": 2, "to.email": 1},
        }
        assert "--yes" in cli.run("batch", file, code=2).stderr
        assert cli.hark.sent() == []
        shown = cli.run("batch --yes", file, code=4).stdout
        assert "to.sms: " in shown
        result = Path(folder, "people.result.csv")
        corrected = result.read_text().replace("0171", "+14155552672")
        result.write_text(corrected)
        items = cli.json("batch --yes", result)["items"]
        assert [(item["index"], item["status"]) for item in items] == [(0, 202)]
        texts = [(sent.to, sent.text) for sent in cli.hark.sent()]
        assert texts == [("+14155552671", "Hello"), ("a@example.com", "Two\nlines"), ("+14155552672", "Hello")]
        assert len(cli.json("search --tag of:friday")["items"]) == 1
        for wrong in ("colour\nred\n", "key\na\na\n", "message\na,b\n", "template,version\na,b\n", "data\n[]\n"):
            file.write_text(wrong)
            cli.run("batch --yes --result", Path(folder, "new.csv"), file, code=2)


@case("watch")
def _(cli: CommandLine) -> None:
    cli.hark.fail_next("sms", "503")
    notification_id = cli.send()
    assert "retrying" in cli.hark.client.notifications.get(notification_id).deliveries[0].status
    cli.run("watch", notification_id, "--timeout", 0, code=3)
    lines = cli.run("watch", notification_id).stdout.splitlines()
    assert len(lines) == len(set(lines)) > 4
    assert lines[-1].split()[:3] == ["sms", "+14155552671", "sent"]
    assert cli.json("watch", notification_id)["status"] == "sent"
    cli.run("watch", cli.dead(), code=4)
    cli.run("watch nobody", code=1)


@case("list")
def _(cli: CommandLine) -> None:
    began = cli.hark.now.isoformat()
    first, second = cli.send(), cli.send()
    page = cli.json("list --limit 1")
    assert [item["id"] for item in page["items"]] == [second]
    shown = cli.run("list --limit 1 --cursor", page["next_cursor"])
    assert first in shown.stdout
    assert second not in shown.stdout
    caller = next(iter(cli.hark.client.callers.list())).id
    filters = ["--status", "sent", "--caller", caller, "--from", began]
    assert len(cli.json("list", *filters)["items"]) == 2
    assert cli.json("list", *filters[:4], "--to", "2020-01-01T00:00:00Z")["items"] == []
    assert cli.json("list --recipient nobody")["items"] == []


@case("search")
def _(cli: CommandLine) -> None:
    notification_id = cli.send("--tag", "order=42")
    cli.send()
    delivery = cli.hark.client.notifications.get(notification_id).deliveries[0]
    found = ["--channel sms --message-id " + str(delivery.provider_message_id), "--tag order:42"]
    assert [[n["id"] for n in cli.json(f"search {by}")["items"]] for by in found] == [[notification_id]] * 2
    assert len(cli.json("search --channel sms --address", "+14155552671")["items"]) == 2
    assert cli.json("search --template none --version 1")["items"] == []
    cli.run("search --channel sms", code=2)


@case("explain")
def _(cli: CommandLine) -> None:
    notification_id = cli.send()
    codes = [event["code"] for event in cli.json("explain", notification_id)["events"]]
    shown = cli.run("explain", notification_id).stdout
    assert codes
    assert all(code in shown for code in codes)


@case("cancel")
def _(cli: CommandLine) -> None:
    later = cli.send("--send-at", cli.hark.now.replace(year=cli.hark.now.year + 1).isoformat()[:-6] + "Z")
    assert "--yes" in cli.run("cancel", later, code=2).stderr
    assert cli.json("cancel --yes", later)["status"] == "cancelled"
    assert "too_late" in cli.run("cancel --yes", cli.send(), code=4).stdout


@case("tail")
def _(cli: CommandLine) -> None:
    before = cli.send()
    cli.hark.fail_next("sms", "503")
    retried = cli.send()
    lines = cli.run("tail --json --for 60").stdout.splitlines()
    assert [(n["id"], n["status"]) for n in map(json.loads, lines)] == [
        (before, "sent"),
        (retried, "sending"),
        (retried, "sent"),
    ]
    assert before in cli.run("tail --for 0 --status sent").stdout


@case("dead-letters list")
def _(cli: CommandLine) -> None:
    dead = cli.dead()
    assert dead in cli.run("dead-letters list --channel sms").stdout
    assert cli.json("dead-letters list --channel email")["items"] == []


@case("dead-letters plan")
def _(cli: CommandLine) -> None:
    cli.dead()
    planned = cli.json("dead-letters plan --channel sms --status dead --per-second 5")
    assert (planned["count"], planned["per_second"]) == (1, 5)
    assert "would be sent again" in cli.run("dead-letters plan").stdout


@case("dead-letters replay")
def _(cli: CommandLine) -> None:
    dead = cli.dead()
    assert cli.json("dead-letters replay --dry-run")["count"] == 1
    assert "--yes" in cli.run("dead-letters replay", code=2).stderr
    assert cli.hark.sent() == []
    begun = cli.json("dead-letters replay --yes --channel sms")
    cli.hark.advance("1m")
    assert cli.json("operations get", begun["id"])["state"] == "done"
    assert cli.json("watch", dead)["status"] == "sent"
    second = cli.dead()
    cli.run("dead-letters replay --yes", second, "sms")
    assert cli.json("watch", second)["status"] == "sent"
    cli.dead()
    plan = cli.json("dead-letters plan")["plan"]
    assert cli.json("dead-letters replay --yes --plan", plan)["kind"]
    cli.run("dead-letters replay --dry-run --plan", plan, code=2)


@case("dead-letters discard")
def _(cli: CommandLine) -> None:
    dead = cli.dead()
    cli.run("dead-letters discard --yes", dead, "sms")
    assert cli.hark.client.notifications.get(dead).deliveries[0].status == "discarded"
    assert "409" in cli.run("dead-letters discard --yes", dead, "sms", code=1).stderr


@case("channels list")
def _(cli: CommandLine) -> None:
    assert {channel["name"] for channel in cli.json("channels list")["items"]} >= {"email", "sms", "slack"}
    assert "active" in cli.run("channels list").stdout


@case("channels pause")
def _(cli: CommandLine) -> None:
    assert cli.json("channels pause sms --reason x --dry-run")["would_hold"] == {"waiting": 0, "estimated": False}
    assert cli.json("channels pause sms --reason maintenance --yes")["state"] == "paused"
    cli.run("channels pause sms --yes", code=2)
    cli.send()
    assert cli.hark.sent() == []


@case("channels resume")
def _(cli: CommandLine) -> None:
    cli.run("channels pause sms --reason maintenance --yes")
    assert "active" in cli.run("channels resume sms").stdout


def an_operation(cli: CommandLine) -> str:
    cli.dead()
    found: str = cli.json("dead-letters replay --yes")["id"]
    return found


@case("operations list")
def _(cli: CommandLine) -> None:
    operation_id = an_operation(cli)
    assert [o["id"] for o in cli.json("operations list")["items"]] == [operation_id]
    assert operation_id in cli.run("operations list").stdout


@case("operations get")
def _(cli: CommandLine) -> None:
    assert "running" in cli.run("operations get", an_operation(cli)).stdout


@case("operations watch")
def _(cli: CommandLine) -> None:
    operation_id = an_operation(cli)
    cli.run("operations watch --timeout 0", operation_id, code=3)
    assert cli.json("operations watch", operation_id)["state"] == "done"
    cancelled = an_operation(cli)
    cli.run("operations cancel --yes", cancelled)
    cli.run("operations watch", cancelled, code=4)


@case("operations pause")
def _(cli: CommandLine) -> None:
    assert cli.json("operations pause", an_operation(cli))["state"] == "paused"


@case("operations resume")
def _(cli: CommandLine) -> None:
    operation_id = an_operation(cli)
    cli.run("operations pause", operation_id)
    assert cli.json("operations resume", operation_id)["state"] == "running"


@case("operations cancel")
def _(cli: CommandLine) -> None:
    operation_id = an_operation(cli)
    cli.run("operations cancel", operation_id, code=2)
    assert "cancelled" in cli.run("operations cancel --yes", operation_id).stdout


@pytest.mark.parametrize("command", sorted(CASES))
def test_a_command(cli: CommandLine, command: str) -> None:
    CASES[command](cli)
