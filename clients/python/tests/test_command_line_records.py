"""The commands of records that stay: templates, lists, recipients, callers, suppressions."""

import json
import stat
import tempfile
from pathlib import Path

import pytest
import test_command_line
import test_command_line_audit
import test_command_line_doctor
import typer.main
from command_line import SMS, CommandLine, cases, commands_of

from hark_client.cli.app import app
from hark_client.cli.output import cell, plain

CASES, case = cases()
BLOCKS = [{"type": "divider"}]
TEXTS = {
    "default_locale": "en",
    "locales": {"en": {"sms": {"message": "Order {{ order }}"}, "slack": {"message": "No\n", "blocks": BLOCKS}}},
    "schema": {"type": "object", "properties": {"order": {"type": "integer"}}},
}


def publish(cli: CommandLine) -> None:
    cli.hark.client.templates.publish("order", **TEXTS)  # type: ignore[arg-type] # they are what it takes


@case("templates list")
def _(cli: CommandLine) -> None:
    publish(cli)
    assert [t["name"] for t in cli.json("templates list")["items"]] == ["order"]
    assert "order" in cli.run("templates list").stdout


@case("templates pull")
def _(cli: CommandLine) -> None:
    publish(cli)
    with tempfile.TemporaryDirectory() as folder:
        assert cli.run("templates pull --dir", folder).stdout.count("new ") == 4
        order = Path(folder, "order")
        assert (order / "en/sms.message.liquid").read_text() == "Order {{ order }}\n"
        assert json.loads((order / "template.json").read_text()) == {k: TEXTS[k] for k in ("default_locale", "schema")}
        assert "as they were" in cli.run("templates pull order --dir", folder).stdout
        (order / "README.md").write_text("mine")
        (order / "en/email.html.liquid").write_text("gone")
        assert "removed" in cli.run("templates pull order --dir", folder).stdout
        assert (order / "README.md").exists()
        assert cli.json("templates pull --dir", folder)["items"][0]["locales"] == TEXTS["locales"]
        cli.run("templates pull ../x --dir", folder, code=1)


@case("templates push")
def _(cli: CommandLine) -> None:
    with tempfile.TemporaryDirectory() as folder:
        publish(cli)
        cli.run("templates pull --dir", folder)
        assert cli.json("templates push --dry-run --dir", folder) == {"would_publish": []}
        about = Path(folder, "order/template.json")
        about.write_text(json.dumps(dict(reversed(json.loads(about.read_text()).items()))))
        assert cli.json("templates push --dry-run --dir", folder) == {"would_publish": []}, "the same otherwise spelt"
        assert "as they were" in cli.run("templates pull --dir", folder).stdout
        text = Path(folder, "order/en/sms.message.liquid")
        text.write_text("Your order {{ order }}")
        shown = cli.run("templates push --dry-run --dir", folder).stdout
        assert "\n-Order {{ order }}\n+Your order {{ order }}\n" in shown
        assert "--yes" in cli.run("templates push --dir", folder, code=2).stderr
        assert cli.hark.client.templates.get("order").version == 1
        (published,) = cli.json("templates push --yes --dir", folder)["items"]
        assert (published["version"], published["locales"]["en"]["slack"]) == (2, {"message": "No\n", "blocks": BLOCKS})
        assert published["locales"]["en"]["sms"] == {"message": "Your order {{ order }}"}
        text.write_text("{{ order")
        assert "locales.en.sms" in cli.run("templates push order --yes --dir", folder, code=1).stderr
        cli.run("templates push --dir", Path(folder, "nothing"), code=2)
        Path(folder, "order/template.json").write_text("[]")
        cli.run("templates push --dir", folder, code=2)


@case("templates preview")
def _(cli: CommandLine) -> None:
    publish(cli)
    made = cli.json("templates preview order --locale en --data -", stdin='{"order": 42}')
    assert made["content"]["sms"]["message"] == "Order 42"
    assert "Order 42" in cli.run("templates preview order --data -", stdin='{"order": 42}').stdout
    assert "missing: order" in cli.run("templates preview order", code=4).stdout


def fill(cli: CommandLine) -> None:
    for number, name in enumerate(["alice", "bob"]):
        cli.run("recipients put", name, "--address", f"sms=+1415555267{number}")
    cli.run("lists put guests --description", "who comes")
    cli.run("lists add guests alice bob")


@case("broadcast")
def _(cli: CommandLine) -> None:
    fill(cli)
    planned = cli.json("broadcast guests --message Doors --dry-run --per-second 5")
    assert (planned["recipients"], planned["per_second"]) == (2, 5)
    assert "alice" in cli.run("broadcast guests --message Doors --dry-run").stdout
    assert "--yes" in cli.run("broadcast guests --message Doors", code=2).stderr
    cli.run("broadcast --message Doors", code=2)
    assert cli.hark.sent() == []
    begun = cli.json("broadcast --plan", planned["plan"])
    cli.json("broadcast guests --message Open --yes")
    cli.hark.advance("1m")
    assert cli.json("operations get", begun["id"])["state"] == "done"
    assert sorted(sent.text for sent in cli.hark.sent()) == ["Doors", "Doors", "Open", "Open"]


@case("lists list")
def _(cli: CommandLine) -> None:
    fill(cli)
    assert [found["name"] for found in cli.json("lists list")["items"]] == ["guests"]


@case("lists put")
def _(cli: CommandLine) -> None:
    assert "who comes" in cli.run("lists put guests --description", "who comes").stdout


@case("lists members")
def _(cli: CommandLine) -> None:
    fill(cli)
    assert [member["recipient"] for member in cli.json("lists members guests")["items"]] == ["alice", "bob"]


@case("lists add")
def _(cli: CommandLine) -> None:
    fill(cli)
    cli.run("recipients put carol --address sms=+14155552672")
    assert cli.json("lists add guests --file -", stdin="carol\nbob\n")["added"] == 1
    assert "nobody" in cli.run("lists add guests nobody", code=4).stdout
    names = "".join(f"nobody-{n}\n" for n in range(501))
    problems = cli.json("lists add guests --file -", stdin=names, code=4)["problems"]
    assert problems[-1]["field"] == "recipients.500"
    cli.run("lists add guests", code=2)


@case("lists remove")
def _(cli: CommandLine) -> None:
    fill(cli)
    cli.run("lists remove guests bob")
    assert [member.recipient for member in cli.hark.client.lists.members("guests")] == ["alice"]


@case("lists delete")
def _(cli: CommandLine) -> None:
    fill(cli)
    cli.run("lists delete guests", code=2)
    cli.run("lists delete guests --yes")
    assert list(cli.hark.client.lists.list()) == []


@case("recipients list")
def _(cli: CommandLine) -> None:
    fill(cli)
    assert [found["name"] for found in cli.json("recipients list")["items"]] == ["alice", "bob"]


@case("recipients get")
def _(cli: CommandLine) -> None:
    fill(cli)
    assert "+14155552670" in cli.run("recipients get alice").stdout
    assert "404" in cli.run("recipients get nobody", code=1).stderr


@case("recipients put")
def _(cli: CommandLine) -> None:
    options = ["--address", "email=a@example.com", "--locale", "de-AT", "--attribute", "seat=1"]
    hours = '{"quiet_hours": [{"days": ["mon"], "from": "22:00", "to": "07:00"}], "time_zone": "Europe/Vienna"}'
    put = cli.json("recipients put alice --file -", *options, stdin=hours)
    assert (put["addresses"], put["locale"]) == ({"email": "a@example.com"}, "de-AT")
    assert (put["quiet_hours"][0]["from"], put["attributes"]) == ("22:00", {"seat": "1"})
    cli.run("recipients put alice --address nobody", code=2)


@case("recipients delete")
def _(cli: CommandLine) -> None:
    fill(cli)
    cli.run("recipients delete bob", code=2)
    cli.run("recipients delete bob --yes")
    assert [found.name for found in cli.hark.client.recipients.list()] == ["alice"]


@case("recipients erase")
def _(cli: CommandLine) -> None:
    fill(cli)
    cli.run("recipients erase bob", code=2)
    assert cli.json("recipients erase bob --yes")["kind"] == "erasure"


def a_caller(cli: CommandLine) -> str:
    made: str = cli.json("callers create --name billing --scope notifications:send --scope notifications:read")["id"]
    return made


@case("callers list")
def _(cli: CommandLine) -> None:
    caller_id = a_caller(cli)
    assert caller_id in {caller["id"] for caller in cli.json("callers list")["items"]}


@case("callers get")
def _(cli: CommandLine) -> None:
    assert "notifications:read" in cli.run("callers get", a_caller(cli)).stdout


@case("callers create")
def _(cli: CommandLine) -> None:
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder, "key")
        create = "callers create --name billing --scope notifications:send --kind test --key-file"
        made = cli.json(create, kept)
        assert made.keys().isdisjoint({"key"})
        assert kept.read_text().startswith("hark_test_")
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        cli.run(create, kept, code=2)
    shown = cli.run("callers create --name b --scope notifications:send --file -", stdin='{"requests_per_minute": 7}')
    assert "hark_live_" in shown.stdout
    assert [caller.requests_per_minute for caller in cli.hark.client.callers.list() if caller.name == "b"] == [7]


@case("callers revoke")
def _(cli: CommandLine) -> None:
    caller_id = a_caller(cli)
    assert cli.json("callers revoke --dry-run --stop", caller_id)["callers"] == [caller_id]
    cli.run("callers revoke", caller_id, code=2)
    assert cli.hark.client.callers.get(caller_id).revoked_at is None
    cli.run("callers revoke --yes --cascade", caller_id)
    assert cli.hark.client.callers.get(caller_id).revoked_at is not None


@case("callers add-key")
def _(cli: CommandLine) -> None:
    caller_id = a_caller(cli)
    assert cli.json("callers add-key", caller_id)["key"].startswith("hark_live_")
    assert len(cli.hark.client.callers.get(caller_id).keys) == 2


@case("callers revoke-key")
def _(cli: CommandLine) -> None:
    caller_id = a_caller(cli)
    added = cli.json("callers add-key", caller_id)["id"]
    cli.run("callers revoke-key", caller_id, added, code=2)
    cli.run("callers revoke-key --yes", caller_id, added)
    revoked = {key.id for key in cli.hark.client.callers.get(caller_id).keys if key.revoked_at}
    assert revoked == {added}


ADDRESS = "+14155552671"


@case("suppressions list")
def _(cli: CommandLine) -> None:
    cli.run("suppressions put sms", ADDRESS)
    assert len(cli.json("suppressions list --channel sms --address", ADDRESS)["items"]) == 1
    assert "manual" in cli.run("suppressions list").stdout


@case("suppressions put")
def _(cli: CommandLine) -> None:
    put = cli.json("suppressions put sms", ADDRESS, "--reason", "stop", "--class", "all", "--evidence", "a letter")
    assert (put["reason"], put["class"], put["evidence"].endswith("a letter")) == ("stop", "all", True)
    cli.run("send --message Hello --wait", "--to", SMS, code=4)


@case("suppressions delete")
def _(cli: CommandLine) -> None:
    cli.run("suppressions put sms", ADDRESS)
    cli.run("suppressions delete sms", ADDRESS, code=2)
    cli.run("suppressions delete --yes sms", ADDRESS)
    assert list(cli.hark.client.suppressions.list()) == []


@case("suppressions import")
def _(cli: CommandLine) -> None:
    rows = "channel,address,reason\n" + "".join(f"email,a{n}@example.com,hard_bounce\n" for n in range(2_001))
    assert "--yes" in cli.run("suppressions import -", stdin=rows, code=2).stderr
    assert cli.json("suppressions import --dry-run -", stdin=rows)["rows"] == 2_001
    assert cli.json("suppressions import --yes -", stdin=rows)["imported"] == 2_001
    wrong = cli.json("suppressions import --yes -", stdin=rows + "email,nobody,stop\n", code=4)
    assert [problem["row"] for problem in wrong["problems"]] == [2_002]
    cli.run("suppressions import -", stdin="address\n", code=2)


@case("suppressions export")
def _(cli: CommandLine) -> None:
    cli.run("suppressions put sms", ADDRESS)
    header, row = cli.run("suppressions export --channel sms").stdout.splitlines()
    assert header.split(",")[0] == row.split(",")[0].replace("sms", "channel")


@case("duplicates")
def _(cli: CommandLine) -> None:
    cli.hark.fail_next("sms", "accept-then-timeout")
    twice = cli.send()
    cli.hark.advance("10m")
    assert [d["notification_id"] for d in cli.json("duplicates")["items"]] == [twice]
    assert "unknown_outcome" in cli.run("duplicates").stdout
    assert cli.json("duplicates --to 2020-01-01T00:00:00Z --from 2019-01-01T00:00:00Z")["items"] == []


@pytest.mark.parametrize("command", sorted(CASES))
def test_a_command(cli: CommandLine, command: str) -> None:
    CASES[command](cli)


def test_each_command_has_a_case() -> None:
    others = (test_command_line, test_command_line_audit, test_command_line_doctor)
    assert set(CASES).union(*(other.CASES for other in others)) == commands_of(app)


def test_each_command_prints_json() -> None:
    """But for the one that prints CSV."""
    without = set()
    for name in commands_of(app):
        command = typer.main.get_command(app)
        for word in name.split():
            command = command.commands[word]  # type: ignore[attr-defined]
        if "--json" not in {option for parameter in command.params for option in parameter.opts}:
            without.add(name)
    assert without == {"suppressions export"}


def test_nothing_is_done_without_a_yes(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A question that is answered no."""
    fill(cli)
    monkeypatch.setattr("hark_client.cli.asking._someone_is_there", lambda: True)
    for answer, code, left in (("n\n", 4, 1), ("y\n", 0, 0)):
        cli.run("lists delete guests", stdin=answer, code=code)
        assert len(list(cli.hark.client.lists.list())) == left


def test_what_strangers_wrote_commands_no_terminal(cli: CommandLine) -> None:
    cli.run("send --message", "one\ntwo [red]three", "--to", SMS)
    assert "one two [red]three" in cli.run("list").stdout
    publish(cli)
    assert "Order 42" in cli.run("templates preview order --data -", stdin='{"order": 42}').stdout
    assert (cell("a\x1b[2J\nb\x9b").plain, plain("a\x1b[2J\nb\x9b")) == ("a�[2J\nb�", "a�[2J b�")
