"""doctor: what it sees of a deployment that is not well, in memory."""

import json
import re
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
import structlog.testing
from command_line import SMS, CommandLine, cases
from typer.testing import CliRunner

from functions.gateway.application import application
from functions.gateway.services import Deployment
from hark_client.cli.app import app
from hark_client.cli.doctor import _states
from hark_client.cli.session import Session
from hark_client.client import Client
from hark_client.models import Provider
from hark_client.testing.hark import Hark
from hark_client.testing.provider import MemoryProvider
from shared.channels.setup import ChannelSetup, SettingProblem, SettingState

CASES, case = cases()
README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def verdicts(cli: CommandLine, *arguments: str, code: int = 0) -> dict[str, str]:
    return {finding["check"]: finding["verdict"] for finding in cli.json("doctor", *arguments, code=code)}


@case("doctor")
def _(cli: CommandLine) -> None:
    assert verdicts(cli).items() >= {"API key": "ok", "channel sms": "ok", "relay": "ok", "operations": "ok"}.items()
    cli.hark.client.channels.pause("sms", reason="maintenance")
    assert verdicts(cli, code=4)["channel sms"] == "wrong"
    assert "maintenance" in cli.run("doctor", code=4).stdout
    cli.hark.client.channels.resume("sms")

    domain = ["--domain", "mail.example.com", "--dkim-selector", "s1"]
    assert {verdicts(cli, *domain)[check] for check in ("SPF", "DKIM", "DMARC")} == {"unknown"}
    cli.texts = {
        "mail.example.com": ["v=spf1 include:example.net -all", "google-site-verification=x"],
        "s1._domainkey.mail.example.com": ["k=rsa; t=s; p=MIGf"],
        "_dmarc.mail.example.com": [],
        "_dmarc.example.com": ["v=DMARC1; p=reject"],
    }
    assert {verdicts(cli, *domain)[check] for check in ("SPF", "DKIM", "DMARC")} == {"ok"}
    cli.texts = {
        "mail.example.com": ["v=spf1 -all", "v=spf1 +all"],
        "s1._domainkey.mail.example.com": ["v=DKIM1; p="],
        **{"_dmarc.mail.example.com": [], "_dmarc.example.com": ["v=DMARC1"]},
    }
    assert {verdicts(cli, *domain, code=4)[check] for check in ("SPF", "DKIM", "DMARC")} == {"wrong"}


def test_the_doctor_sees_what_stands_still(cli: CommandLine) -> None:
    """Time passes, and neither the relay nor the operations run."""
    cli.dead()
    cli.json("dead-letters replay --yes")
    cli.hark.fail_next("sms", "503")
    cli.run("send --message Hello", "--to", SMS)
    pass_by(cli.hark, timedelta(minutes=10))
    found = verdicts(cli, code=4)
    assert [found[check] for check in ("relay", "overdue", "operations")] == ["wrong"] * 3
    assert "it last ran 10 minutes ago" in cli.run("doctor", code=4).stdout


def test_the_doctor_sees_that_the_relay_does_not_run_where_nothing_is_due(cli: CommandLine) -> None:
    pass_by(cli.hark, timedelta(minutes=10))
    found = verdicts(cli, code=4)
    assert (found["relay"], found["overdue"]) == ("wrong", "ok")
    cli.hark.advance("1s")
    assert verdicts(cli)["relay"] == "ok"
    cli.hark._system._relay_runs.at = None
    assert "it has never run" in cli.run("doctor", code=4).stdout
    cli.hark._system._relay_runs.at = cli.hark.now + timedelta(minutes=3)
    assert "its clock is 3 minutes ahead" in cli.run("doctor", code=4).stdout


@pytest.mark.parametrize(("ahead", "said"), [(-12, "12 s behind"), (600, "10 minutes ahead of")])
def test_the_doctor_sees_a_clock_that_is_wrong_and_judges_by_the_gateways(
    cli: CommandLine, ahead: int, said: str
) -> None:
    cli.ahead = timedelta(seconds=ahead)
    found = verdicts(cli, code=4)
    assert (found["clock"], found["relay"], found["overdue"]) == ("wrong", "ok", "ok")
    assert said in cli.run("doctor", code=4).stdout
    cli.ahead = timedelta(seconds=2)
    assert verdicts(cli)["clock"] == "ok"


PROBLEMS = {
    "ok": (),
    "doubtful": (SettingProblem("SMS_PROVIDER", SettingState.SUSPICIOUS, "log sends nothing"),),
    "wrong": (SettingProblem("TWILIO_AUTH_TOKEN", SettingState.MISSING, "what twilio reports back is refused"),),
}


@pytest.mark.parametrize("verdict", PROBLEMS)
def test_the_doctor_sees_which_settings_are_missing(cli: CommandLine, verdict: str) -> None:
    setup = ChannelSetup(("twilio",), (), PROBLEMS[verdict])
    gateway = replace(cli.hark._system._gateway, deployment=Deployment(channels={"sms": setup}))
    cli.hark._system.app = application(gateway)
    cli.hark.transport._gateway = httpx.ASGITransport(cli.hark._system.app)
    assert verdicts(cli, code=4 if verdict == "wrong" else 0)["settings sms"] == verdict
    shown = cli.run("doctor", code=4 if verdict == "wrong" else 0).stdout
    assert all(f"{p.name}: " in shown and p.effect in shown for p in PROBLEMS[verdict])


def test_the_doctor_sees_what_died_and_why(cli: CommandLine) -> None:
    cli.dead()
    assert verdicts(cli)["dead letters"] == "ok", "hours ago"
    cli.hark.fail_next("sms", "401", times=99)
    cli.send()
    cli.hark.advance("30m")
    assert verdicts(cli, code=4)["dead letters"] == "wrong"
    assert "1 within the last hour, the latest over sms: " in cli.run("doctor", code=4).stdout


def test_a_provider_that_is_down_is_named_with_what_it_said(cli: CommandLine) -> None:
    there = next(channel for channel in cli.hark.client.channels.list() if channel.name == "sms")
    since = cli.hark.now - timedelta(minutes=3)
    down = Provider(name="twilio", receipts=True, state="open", since=since, reason="Twilio answered 401")
    up = Provider(name="vonage", receipts=True, state="active", since=None, reason=None)
    (open_,) = _states([there.model_copy(update={"state": "open", "providers": [down]})])
    assert open_.verdict == "wrong"
    assert re.fullmatch(r"it sends nothing: twilio is down since [\d: -]+: Twilio answered 401", open_.about)
    (other,) = _states([there.model_copy(update={"providers": [down, up]})])
    assert (other.verdict, other.about[:14]) == ("wrong", "twilio is down")


def test_what_a_caller_may_not_see_is_unknown(cli: CommandLine) -> None:
    made = cli.json("callers create --name few --scope notifications:send --scope notifications:read")
    with Client(cli.hark.url, made["key"], transport=cli.hark.transport) as client:
        session = Session(lambda: nullcontext(client), now=lambda: cli.hark.now, texts=lambda _: [])
        shown = CliRunner().invoke(app, ["doctor", "--json"], obj=session)
    found = {finding["check"]: finding["verdict"] for finding in json.loads(shown.stdout)}
    for check in ("clock", "relay", "settings", "dead letters"):
        assert found[check] == "unknown", check


def test_the_scopes_that_the_readme_names_are_enough(cli: CommandLine) -> None:
    section = README.partition("For all of it the caller needs")[2].partition("what it may not")[0]
    scopes = [f"--scope={scope}" for scope in re.findall(r"`([\w:-]+)`", section)]
    made = cli.json("callers create --name doctor", *scopes)
    with Client(cli.hark.url, made["key"], transport=cli.hark.transport) as client:
        session = Session(lambda: nullcontext(client), now=lambda: cli.hark.now, texts=lambda _: [])
        shown = CliRunner().invoke(app, ["doctor"], obj=session).stdout
    assert "dead letters" in shown
    assert "may not see" not in shown
    assert "lacks" not in shown


def test_a_key_file_that_others_may_read_is_wrong(
    cli: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "key"
    file.write_text("k")
    monkeypatch.delenv("HARK_API_KEY", raising=False)
    monkeypatch.setenv("HARK_API_KEY_FILE", str(file))
    file.chmod(0o600)
    assert "HARK_API_KEY_FILE" not in verdicts(cli)
    file.chmod(0o640)
    assert verdicts(cli, code=4)["HARK_API_KEY_FILE"] == "wrong"  # pragma: allowlist secret


def test_the_doctor_sees_that_no_receipts_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemoryProvider, "name", "twilio")  # which reports back
    with Hark() as hark, structlog.testing.capture_logs():
        cli = CommandLine(hark)
        assert verdicts(cli)["receipts sms"] == "unknown"
        notification_id = cli.send()
        assert verdicts(cli)["receipts sms"] == "unknown"
        pass_by(hark, timedelta(hours=2))
        assert verdicts(cli, code=4)["receipts sms"] == "wrong"
        hark.receipt(notification_id)
        hark.advance(1)
        assert verdicts(cli)["receipts sms"] == "ok"


def test_the_doctor_sees_that_receipts_come_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemoryProvider, "name", "twilio")
    with Hark() as hark, structlog.testing.capture_logs():
        cli = CommandLine(hark)
        hark.receipt(cli.send())
        sent = [cli.send() for _ in range(5)]
        hark.advance("2h")
        assert verdicts(cli, code=4)["receipts sms"] == "wrong"
        hark.receipt(sent[0])
        assert verdicts(cli)["receipts sms"] == "ok", "four phones may be off"


def pass_by(hark: Hark, time: timedelta) -> None:
    """And nothing runs."""
    hark._system.time.move_to(hark.now + time)


@pytest.mark.parametrize("command", sorted(CASES))
def test_a_command(cli: CommandLine, command: str) -> None:
    CASES[command](cli)
