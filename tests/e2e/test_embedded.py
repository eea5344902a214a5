"""The system in one process, where there are no emulators: the same functions, and the same promises while it lives."""

import os
import subprocess
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pytest

from tests import environment
from tests.chromium import chromium, need_chromium
from tests.e2e.stack import ROOT, TO, Stack, running, talking_to, until
from tests.ports import free_offset


@pytest.fixture
def bare(tmp_path: Path) -> Mapping[str, str]:
    """An environment with Python alone: no gcloud, no Java, no Docker."""
    nothing = tmp_path / "bin"
    nothing.mkdir()
    return {"PATH": str(nothing)}


async def test_without_emulators_all_runs_in_one_process(tmp_path: Path, bare: Mapping[str, str]) -> None:
    with running(tmp_path, bare) as system:
        said = (tmp_path / "stack.log").read_text()
        for words in ("gcloud was not found", "gcloud components install", "in one process", "gone when it stops"):
            assert words in said
        assert children(system.process.pid) == []
        async with talking_to(system) as stack:
            await stack.fault("email", "503", rate=1, count=2)
            sent = await stack.send(subject="Deploy")
            notification = await stack.ended(sent["id"])
            assert {d["channel"] for d in notification["deliveries"]} == set(TO)
            attempts = {d["channel"]: [a["outcome"] for a in d["attempts"]] for d in notification["deliveries"]}
            assert attempts["email"] == ["retryable", "retryable", "accepted"]
            assert attempts["sms"] == attempts["slack"] == ["accepted"]
            assert len(await stack.inbox(sent["id"])) == len(TO)
            listed = await stack.http.get(f"{stack.url}/v1/notifications", params={"status": "delivered"})
            assert listed.status_code == 200


async def test_the_lab_leads_to_the_console_and_back(tmp_path: Path, bare: Mapping[str, str]) -> None:
    need_chromium()
    with running(tmp_path, {**bare, "EMBEDDED": "1"}) as system:
        async with talking_to(system) as stack, chromium() as tab:
            assert f"console    {stack.url}/console (its key: HARK_API_KEY in " in (tmp_path / "stack.log").read_text()
            sent = await stack.send(to={"email": "a@example.com"})
            await stack.ended(sent["id"])
            await tab.call("Page.navigate", url=f"{stack.lab}/?notification_id={sent['id']}")
            await tab.click(".ids a")
            await tab.until("document.querySelector('.sign-in input') !== null")
            assert await tab.run("location.href") == f"{stack.url}/console#/notifications/{sent['id']}"
            assert await tab.run("document.querySelector('meta[name=lab]').content") == stack.lab
            assert tab.complaints == []


async def test_what_never_works_is_dead_and_can_be_replayed(tmp_path: Path, bare: Mapping[str, str]) -> None:
    """Five pushes and nobody's: the dead letters' function has it, and an operator."""
    with running(tmp_path, {**bare, "MAX_ATTEMPTS": "2", "EMBEDDED": "1"}) as system:
        async with talking_to(system) as stack:
            sent = await stack.send(to={"email": "retry@fail.test"})
            (delivery,) = (await stack.ended(sent["id"]))["deliveries"]
            assert (delivery["status"], len(delivery["attempts"])) == ("dead", 2)
            dead = (await stack.http.get(f"{stack.url}/v1/dead-letters")).json()["items"]
            assert [item["notification_id"] for item in dead] == [sent["id"]]
            replayed = await stack.http.post(f"{stack.url}/v1/dead-letters/{sent['id']}/email/replay")
            assert replayed.status_code == 202


async def test_what_has_bounced_is_not_written_to_again_and_who_answers_is_heard(
    tmp_path: Path, bare: Mapping[str, str]
) -> None:
    """One that is gone, one that is refused as none, and STOP, by the lab's signed requests."""
    gone, invalid = {"email": "undelivered+gone@fail.test"}, {"sms": "+15005550001"}
    with running(tmp_path, {**bare, "EMBEDDED": "1"}) as system:
        async with talking_to(system) as stack:
            await stack.receipts("email", "complaint")
            for to, first in ((gone, "undelivered"), (invalid, "failed")):
                sent = await stack.send(to=to)
                await until(partial(_has, stack, sent["id"], first))
                again = await stack.send(to=to)
                await until(partial(_has, stack, again["id"], "suppressed"))
                assert await stack.inbox(again["id"]) == []
            mailed = await stack.send(to={"email": "a@example.com"})
            await until(partial(_has, stack, mailed["id"], "delivered"))
            second = await stack.send(to={"email": "a@example.com"})  # transactional: a complaint does not stop it
            await until(partial(_has, stack, second["id"], "delivered"))
            answered = await stack.http.post(f"{stack.lab}/inbound", json={"from": "+14155552671", "text": "STOP"})
            assert answered.json()["answer"] == 204


async def _has(stack: Stack, notification_id: str, status: str) -> bool:
    return bool((await stack.read(notification_id))["deliveries"][0]["status"] == status)


def test_make_demo_arrives_without_emulators(tmp_path: Path, bare: Mapping[str, str]) -> None:
    done = said_by(tmp_path, bare, "emulator.demo")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 of 3 arrived" in done.stdout


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"EMBEDDED": "1", "MTLS": "1"}, "MTLS is set, which in one process cannot be"),
        ({"EMBEDDED": "1", "OTEL": "console"}, "OTEL is set, which in one process cannot be"),
        ({"HARK_FAIL_AT": "claim.written:1"}, "HARK_FAIL_AT is set, which in one process cannot be"),
        ({"EMBEDDED": "0"}, "no emulator for pubsub and firestore: gcloud was not found"),
        ({"EMBEDDED": "yes"}, "EMBEDDED='yes': expected 1"),
        ({"SMS_COUNTRIES": "XX"}, "SMS_COUNTRIES"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(
    tmp_path: Path, bare: Mapping[str, str], settings: Mapping[str, str], words: str
) -> None:
    done = said_by(tmp_path, {**bare, **settings}, "emulator")
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_what_needs_the_emulators_says_how_to_get_them(tmp_path: Path, bare: Mapping[str, str]) -> None:
    done = said_by(tmp_path, {**bare, "MTLS": "1"}, "emulator")
    assert done.returncode == 1
    assert "gcloud components install" in done.stdout
    assert "It needs the emulators" in done.stderr


def said_by(tmp_path: Path, settings: Mapping[str, str], module: str) -> "subprocess.CompletedProcess[str]":
    local = {"HARK_PORT_OFFSET": str(free_offset()), "HARK_RUN_DIR": str(tmp_path), "SMS_COUNTRIES": "*"}
    return subprocess.run(
        [sys.executable, "-m", module],
        cwd=ROOT,
        env={**environment.neutral(os.environ), **local, **settings},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


def children(pid: int) -> list[str]:
    return [child for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()]
