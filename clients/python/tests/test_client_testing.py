"""Hark in memory: what a user's tests rely on."""

import shutil
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from hark_client import AsyncClient, Client
from hark_client.testing.hark import Hark
from hark_client.testing.virtual_time import duration
from server_packing import pack, rewritten

ROOT = Path(__file__).parents[3]
SMS = {"sms": "+14155552671"}


def statuses(hark: Hark, notification_id: str) -> dict[str, str]:
    return {d.channel: d.status for d in hark.client.notifications.get(notification_id).deliveries}


def test_what_is_sent_has_reached_the_providers_with_the_answer(hark: Hark) -> None:
    notification = hark.client.notifications.send(
        to={"email": "Alice@Example.com", "sms": "+1 415 555 2671"},
        subject="Deploy",
        message="Build 42 is live",
        content={"email": {"html": "<p>It is <b>live</b></p>", "attachments": [_file()]}},
    )
    mail, text = sorted(hark.sent(), key=lambda sent: sent.channel)
    assert (mail.channel, mail.to, mail.subject, mail.files) == ("email", "Alice@example.com", "Deploy", ["a.txt"])
    assert "<b>live</b>" in mail.parts["html"]
    assert (text.channel, text.to, text.text, text.at) == ("sms", "+14155552671", "Build 42 is live", hark.now)
    assert hark.client.notifications.get(notification.id).status == "sent"
    assert statuses(hark, notification.id) == {"email": "sent", "sms": "sent"}


def _file() -> Any:
    return {"name": "a.txt", "type": "text/plain", "data": "RVVSIDQy"}


def test_each_test_has_a_hark_of_its_own(hark: Hark) -> None:
    assert list(hark.client.notifications.list()) == []
    assert hark.sent() == []


def test_what_is_scheduled_goes_at_its_time(hark: Hark) -> None:
    later = hark.now + timedelta(hours=2)
    notification = hark.client.notifications.send(to=SMS, message="The meeting begins", send_at=later)
    hark.advance("1h59m")
    assert hark.sent() == []
    hark.advance("1m")
    (sent,) = hark.sent()
    assert timedelta() <= sent.at - later < timedelta(seconds=1)
    assert statuses(hark, notification.id) == {"sms": "sent"}


def test_what_is_late_expires(hark: Hark) -> None:
    hark.fail_next("sms", "503", times=99)
    notification = hark.client.notifications.send(to=SMS, message="Now", deliver_by=hark.now + timedelta(minutes=1))
    hark.advance("2h")
    assert statuses(hark, notification.id) == {"sms": "expired"}


@pytest.mark.parametrize(
    ("failure", "outcome", "arrived"),
    [
        ("503", "retryable", 1),
        ("429", "throttled", 1),
        ("401", "retryable", 1),
        ("timeout", "unknown", 1),
        ("reset", "unknown", 1),
        ("accept-then-timeout", "unknown", 2),
        ("accept-then-reset", "unknown", 2),
    ],
)
def test_a_failure_is_followed_by_another_try(hark: Hark, failure: Any, outcome: str, arrived: int) -> None:
    hark.fail_next("sms", failure)
    notification = hark.client.notifications.send(to=SMS, message="Hello")
    hark.advance("1m")
    (delivery,) = hark.client.notifications.get(notification.id).deliveries
    assert [attempt.outcome for attempt in delivery.attempts] == [outcome, "accepted"]
    assert len(hark.sent()) == arrived


def test_a_refusal_is_final(hark: Hark) -> None:
    hark.fail_next("sms", "400")
    notification = hark.client.notifications.send(to=SMS, message="Hello")
    assert statuses(hark, notification.id) == {"sms": "failed"}


def test_five_failures_are_a_dead_letter_that_can_be_replayed(hark: Hark) -> None:
    hark.fail_next("sms", "503", times=5)
    notification = hark.client.notifications.send(to=SMS, message="Hello")
    hark.advance("2h")
    assert [(dead.notification_id, dead.attempts) for dead in hark.client.dead_letters.list()] == [(notification.id, 5)]
    hark.client.dead_letters.replay(notification.id, "sms")
    assert statuses(hark, notification.id) == {"sms": "sent"}


def test_a_bulk_replay_is_planned_and_begun(hark: Hark) -> None:
    hark.fail_next("sms", "503", times=10)
    for number in range(2):
        hark.client.notifications.send(to=SMS, message=f"Hello {number}")
    hark.advance("2h")
    plan = hark.client.dead_letters.plan_replay({"channel": "sms"})
    assert plan.count == 2
    operation = hark.client.dead_letters.begin_replay(plan.plan)
    hark.advance("5m")
    assert hark.client.operations.get(operation.id).state == "done"
    assert len(hark.sent()) == 2


def test_an_escalation_goes_on_without_a_receipt(hark: Hark) -> None:
    def send() -> str:
        return hark.client.notifications.send(
            to={"email": "a@example.com", **SMS},
            message="The database is full",
            escalation=[{"channel": "email"}, {"channel": "sms", "after": 300, "unless": "delivered"}],
        ).id

    first, second = send(), send()
    hark.receipt(first, "delivered")
    hark.advance("10m")
    assert statuses(hark, first) == {"email": "delivered", "sms": "cancelled"}
    assert statuses(hark, second) == {"email": "sent", "sms": "sent"}


def test_a_receipt_says_that_it_did_not_arrive(hark: Hark) -> None:
    notification = hark.client.notifications.send(to=SMS, message="Hello")
    hark.receipt(notification.id, "undelivered", reason="30003")
    (delivery,) = hark.client.notifications.get(notification.id).deliveries
    assert (delivery.status, delivery.error) == ("undelivered", "30003")


def test_a_receipt_of_what_was_not_sent_is_a_mistake_of_the_test(hark: Hark) -> None:
    with pytest.raises(LookupError, match="over email"):
        hark.receipt("n-1", "delivered", channel="email")


@pytest.mark.parametrize(("channel", "failure"), [("pigeon", "503"), ("sms", "tiemout")])
def test_a_failure_that_there_is_not_is_a_mistake_of_the_test(hark: Hark, channel: str, failure: Any) -> None:
    with pytest.raises(ValueError, match=r"pigeon|tiemout"):
        hark.fail_next(channel, failure)


def test_a_wrong_setting_in_the_environment_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMAIL_SENDERS", "no sender")
    with pytest.raises(ValueError, match="EMAIL_SENDERS"):
        Hark()


def test_settings_of_channels_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMAIL_SENDERS", "billing=Billing <billing@example.com>")
    with Hark() as hark:
        content: Any = {"email": {"from": "billing"}}
        hark.client.notifications.send(to={"email": "a@example.com"}, message="Hello", content=content)
        assert [sent.parts["from"] for sent in hark.sent()] == ["billing"]


def test_a_paused_channel_holds_back_until_it_is_resumed(hark: Hark) -> None:
    hark.client.channels.pause("sms", reason="a test")
    hark.advance("10s")
    notification = hark.client.notifications.send(to=SMS, message="Hello")
    hark.advance("1h")
    assert hark.sent() == []
    hark.client.channels.resume("sms")
    hark.advance("10m")
    assert statuses(hark, notification.id) == {"sms": "sent"}


def test_a_person_gets_a_broadcast_as_they_want(hark: Hark) -> None:
    client = hark.client
    client.categories.put("offers", class_="marketing", description="Sales")
    for name in ("alice", "bob"):
        client.recipients.put(name, addresses={"email": f"{name}@example.com"})
    client.suppressions.put("email", "bob@example.com", reason="unsubscribed")
    client.lists.put("newsletter")
    assert client.lists.add_members("newsletter", ["alice", "bob"]).added == 2
    assert [member.recipient for member in client.lists.members("newsletter")] == ["alice", "bob"]
    plan = client.broadcasts.plan("newsletter", category="offers", subject="Sale", message="It begins on Friday.")
    assert (plan.recipients, plan.suppressed) == (2, 1)
    operation = client.broadcasts.begin(plan.plan)
    hark.advance("2m")
    assert client.operations.get(operation.id).state == "done"
    assert [sent.to for sent in hark.sent()] == ["alice@example.com"]


def test_a_template_is_published_and_sent(hark: Hark) -> None:
    texts = {"en": {"sms": {"message": "Order {{ order }} is on its way"}}}
    for _ in range(2):
        assert hark.client.templates.publish("shipped", default_locale="en", locales=texts).version == 1
    preview = hark.client.templates.preview("shipped", data={"order": 42})
    assert preview.content["sms"]["message"] == "Order 42 is on its way"
    hark.client.notifications.send(to=SMS, template={"name": "shipped"}, data={"order": 42})
    assert [sent.text for sent in hark.sent()] == ["Order 42 is on its way"]
    hark.client.notifications.send(
        to=SMS, template={"name": "shipped"}, data={"order": 43}, send_at=hark.now + timedelta(hours=1)
    )
    assert hark.client.templates.plan_recall("shipped", version=1).cancelled == 1
    assert hark.client.templates.recall("shipped", version=1).counts == {"cancelled": 1}


def test_waiting_takes_virtual_time_alone(hark: Hark) -> None:
    hark.fail_next("sms", "503", times=3)
    notification = hark.client.notifications.send(to=SMS, message="Hello")
    began, then = time.monotonic(), hark.now
    assert hark.client.notifications.wait(notification.id, timeout=3600).status == "sent"
    assert hark.now - then > timedelta(seconds=30)
    assert time.monotonic() - began < 10


async def test_code_that_awaits_is_tested_alike(hark: Hark) -> None:
    hark.fail_next("sms", "503")
    notification = await hark.async_client.notifications.send(to=SMS, message="Hello")
    ended = await hark.async_client.notifications.wait(notification.id)
    assert ended.status == "sent"
    async with AsyncClient(hark.url, hark.api_key, transport=hark.transport) as own:
        assert (await own.notifications.get(notification.id)).id == notification.id


def test_a_client_of_the_tests_own_has_the_callers_rights(hark: Hark) -> None:
    key = hark.client.callers.create(name="shop", kind="live", scopes=["notifications:send"]).key
    with Client(hark.url, key, transport=hark.transport) as shop:
        shop.notifications.send(to=SMS, message="Hello")
        with pytest.raises(Exception, match="403"):
            list(shop.recipients.list())


def test_every_path_of_the_client_is_answered(hark: Hark) -> None:
    """By the gateway, in a form that the models take."""
    client = hark.client
    night: Any = {"from": "22:00", "to": "07:00"}
    client.recipients.put("alice", addresses=SMS, quiet_hours=[night], time_zone="Europe/Vienna")
    assert client.recipients.get("alice").quiet_hours[0].from_ == "22:00"
    client.categories.put("news", class_="marketing", max_per_day=2)
    assert client.categories.get("news").class_ == "marketing"
    client.lists.put("all", description="Everybody")
    client.lists.add_member("all", "alice")
    client.lists.remove_member("all", "alice")
    assert [found.name for found in client.lists.list()] == ["all"] == [client.lists.get("all").name]
    client.lists.delete("all")
    client.suppressions.put("sms", SMS["sms"], reason="manual", class_="marketing", evidence="a letter")
    assert [found.reason for found in client.suppressions.list(channel="sms")] == ["manual"]
    client.suppressions.delete("sms", SMS["sms"])
    forecast = client.notifications.forecast(recipient="alice", message="Hello", category="news")
    assert forecast.outcome == "accepted"
    notification = client.notifications.send(to=SMS, message="Hello", send_at=hark.now + timedelta(hours=1))
    assert client.notifications.explain(notification.id).status == "scheduled"
    assert [v.verdict for v in client.notifications.cancel(notification.id).verdicts] == ["cancelled"]
    batch = client.batches.send([{"to": SMS, "message": "Hello"}, {"to": {"sms": "?"}, "message": "Hello"}])
    assert [item.status for item in batch.items] == [202, 422]
    assert list(client.duplicates.list(from_=hark.now - timedelta(days=1), to=hark.now)) == []
    assert {channel.name for channel in client.channels.list()} >= {"email", "sms", "slack", "telegram"}
    assert client.channels.pause("sms", reason="a look", dry_run=True).would_hold
    caller = client.callers.create(name="shop", kind="live", scopes=["notifications:send"])
    client.callers.change(caller.id, name="shop", scopes=["notifications:read"], requests_per_minute=None)
    assert client.callers.plan_revocation(caller.id, stop=True).callers == [caller.id]
    assert len(list(client.callers.list())) == 2
    client.callers.revoke_key(caller.id, client.callers.add_key(caller.id).id)
    assert client.callers.revoke(caller.id) is None
    client.templates.publish("t", default_locale="en", locales={"en": {"sms": {"message": "Hello"}}})
    assert client.templates.get_version("t", 1).locales == client.templates.get("t").locales
    assert [found.version for found in client.templates.list()] == [1]
    client.templates.archive("t")
    operation = client.recipients.erase("alice")
    assert client.operations.pause(operation.id).state in {"paused", "done"}
    assert operation.id in [found.id for found in client.operations.list()]
    client.categories.delete("news")
    assert list(client.categories.list()) == []


def test_it_is_ready_in_under_a_second() -> None:
    """In a tenth of it, as a rule: what is imported once a run is not in it."""
    began = time.process_time()
    with Hark():
        assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("said", "seconds"), [("2h", 7200), ("1h30m", 5400), ("1.5s", 1.5), ("500ms", 0.5), (7, 7), ("1d", 86400)]
)
def test_durations_are_written_as_people_do(said: Any, seconds: float) -> None:
    assert duration(said) == timedelta(seconds=seconds)


@pytest.mark.parametrize("said", ["", "2", "h", "2 h", "2h!", "-1h"])
def test_what_is_no_duration_is_refused(said: str) -> None:
    with pytest.raises(ValueError, match="is no duration"):
        duration(said)


def test_what_is_packed_has_no_name_that_could_be_a_users(tmp_path: Path) -> None:
    """As it is installed: the wheel's files, and a project whose own packages are called `shared` and `functions`."""
    installed, project = tmp_path / "installed", tmp_path / "project"
    shutil.copytree(
        ROOT / "clients" / "python" / "hark_client",
        installed / "hark_client",
        ignore=shutil.ignore_patterns("testing", "__pycache__"),
    )
    pack(ROOT, installed)
    project.mkdir()
    for name in ("shared", "functions", "tests"):
        (project / f"{name}.py").write_text("MINE = True\n")
    (project / "test_it.py").write_text(
        "import functions, shared, tests\n\n"
        "def test_it(hark):\n"
        "    hark.client.notifications.send(to={'sms': '+14155552671'}, message='Hello')\n"
        "    assert [sent.text for sent in hark.sent()] == ['Hello']\n"
        "    assert list(hark.client.channels.list())\n"
        "    assert functions.MINE and shared.MINE and tests.MINE\n"
    )
    command = [sys.executable, "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command += ["-p", "hark_client.testing.plugin", "-c", "/dev/null", "--rootdir", str(project), str(project)]
    environment = {
        "PYTHONPATH": f"{installed}:{project}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    ran = subprocess.run(
        command, cwd=project, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_imports_are_rewritten_and_prose_is_not() -> None:
    before = 'from shared.a import b\nimport functions.c  # of shared.a\nX = "functions.email.channel"\n'
    after = (
        "from hark_client._server.shared.a import b\nimport hark_client._server.functions.c  # of shared.a\n"
        'X = "hark_client._server.functions.email.channel"\n'
    )
    assert rewritten(before) == after
    assert rewritten("from sharedness import d") == "from sharedness import d"


def test_a_request_that_is_no_call_of_ours_is_answered_as_the_gateway_does(hark: Hark) -> None:
    with httpx.Client(transport=hark.transport) as http:
        assert http.get(f"{hark.url}/healthz").text == "ok"
        assert http.get(f"{hark.url}/nowhere").status_code in {401, 404}
