"""The system in other shapes: other providers, a channel more, and as `make` runs it."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from shared.channels.registry import ALL, channel_names
from tests.checkout import copy_to
from tests.e2e.stack import ROOT, TO, running, talking_to
from tests.ports import free_offset


async def test_smtp_webhook_and_log_are_chosen_by_settings(tmp_path: Path) -> None:
    env = {"EMAIL_PROVIDER": "smtp", "SLACK_PROVIDER": "webhook", "SMS_PROVIDER": "log"}
    env["SLACK_WEBHOOK_CHANNEL"] = TO["slack"]
    with running(tmp_path, env) as system:
        async with talking_to(system) as stack:
            sent = await stack.send(subject="Grüße", message="Zeile 1\n.Zeile 2\n\nZeile 3")
            notification = await stack.ended(sent["id"])
            inbox = {item["provider"]: item for item in await stack.inbox(sent["id"])}
            assert {d["provider"] for d in notification["deliveries"]} == {"smtp", "slack-webhook", "log"}
            assert inbox["smtp"]["subject"] == "Grüße"
            assert inbox["smtp"]["text"] == inbox["slack-webhook"]["text"] == "Zeile 1\n.Zeile 2\n\nZeile 3"
            log = (stack.folder / "logs" / "sms.log").read_text()
            assert sent["id"] in log
            assert TO["sms"] not in log


PAGER_CHANNEL = """
from shared.channels.registry import ALL, channel_names
from shared.channels.declaration import Channel

PROVIDERS = {"file": "functions.pager.file_provider"}
CHANNEL = Channel(name="pager", address="pager code", max_length=20, normalise=str.upper, providers=PROVIDERS)
"""

PAGER_PROVIDER = """
import os
from pathlib import Path


class FileProvider:
    name = "file"

    async def send(self, outgoing):
        with Path(os.environ["PAGER_FILE"]).open("a") as file:
            file.write(f"{outgoing.address} {outgoing.text}\\n")
        return "1"

    async def aclose(self):
        pass


def provider():
    return FileProvider
"""

PAGER_MAIN = """
import functions_framework.aio

from functions.pager.channel import PROVIDERS
from shared.entrypoint.channel_function import channel_function

_handle = channel_function("pager", PROVIDERS)


@functions_framework.aio.http
async def pager(request):
    return await _handle(request)
"""


@pytest.fixture
def copy_with_a_pager(tmp_path: Path) -> Path:
    """A copy of the repository with one folder and one entry more."""
    root = copy_to(tmp_path / "copy")
    folder = root / "functions" / "pager"
    folder.mkdir()
    (folder / "channel.py").write_text(PAGER_CHANNEL)
    (folder / "file_provider.py").write_text(PAGER_PROVIDER)
    (folder / "main.py").write_text(PAGER_MAIN)
    with (root / "infra" / "channels.yaml").open("a") as channels:
        channels.write("pager:\n  example: ab12\n  local:\n    PAGER_PROVIDER: file\n")
    return root


async def test_a_channel_is_added_by_one_folder_and_one_entry(tmp_path: Path, copy_with_a_pager: Path) -> None:
    pages = tmp_path / "pages"
    with running(tmp_path, {"PAGER_FILE": str(pages)}, root=copy_with_a_pager) as system:
        async with talking_to(system) as stack:
            listed = (await stack.http.get(f"{stack.url}/v1/channels")).json()["items"]
            [entry] = [entry for entry in listed if entry["name"] == "pager"]
            assert (entry["address"], entry["max_length"], entry["measure"]) == ("pager code", 20, "characters")
            assert list(entry["content"]["properties"]) == ["message"]
            assert [(p["name"], p["receipts"], p["state"]) for p in entry["providers"]] == [("file", False, "active")]
            sent = await stack.send(to={"pager": "ab12"}, message="disk full")
            assert (await stack.ended(sent["id"]))["status"] == "sent"
            assert pages.read_text() == "AB12 disk full\n"
            too_long = {"to": {"pager": "ab12"}, "message": "x" * 21}
            answer = await stack.http.post(f"{stack.url}/v1/notifications", json=too_long)
            assert answer.status_code == 422
            assert "pager" in answer.text
            assert "20" in answer.text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_make_demo_sends_to_every_channel_and_make_run_stops_all_it_started(
    tmp_path: Path, number: signal.Signals
) -> None:
    offset = free_offset()
    env = os.environ | {"HARK_PORT_OFFSET": str(offset), "HARK_RUN_DIR": str(tmp_path)}
    env["SMS_COUNTRIES"] = "*"  # an operator's example is of any country
    command = ["make", "run"]
    with subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True, start_new_session=True) as run:
        assert run.stdout is not None
        try:
            assert any(line == "hark: ready\n" for line in run.stdout)
            started = _descendants(run.pid)
            assert len(started) > 8
            demo = subprocess.run(
                ["make", "demo"], cwd=ROOT, env=env, capture_output=True, text=True, timeout=90, check=False
            )
            assert demo.returncode == 0, demo.stdout + demo.stderr
            every = len(channel_names(ALL))
            assert f"{every} of {every} arrived" in demo.stdout
        finally:
            # As a terminal does: Ctrl-C goes to the whole foreground group. SIGTERM goes to make alone.
            if number is signal.SIGINT:
                os.killpg(run.pid, number)
            else:
                run.send_signal(number)
            run.stdout.read()
    assert not [pid for pid in started if _alive(pid)]
    assert not (tmp_path / "env").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_make_demo_stops_what_it_started_when_it_is_interrupted(tmp_path: Path, number: signal.Signals) -> None:
    env = os.environ | {"HARK_PORT_OFFSET": str(free_offset()), "HARK_RUN_DIR": str(tmp_path)}
    with subprocess.Popen(["make", "demo"], cwd=ROOT, env=env, stdout=subprocess.PIPE, start_new_session=True) as demo:
        give_up_at = time.monotonic() + 60
        while len(started := _descendants(demo.pid)) < 5:
            assert time.monotonic() < give_up_at
            time.sleep(0.05)
        for _ in range(2):  # as when make passes on what the whole group has had
            os.killpg(demo.pid, number)
            time.sleep(0.05)
        demo.communicate()
    assert demo.returncode != 0
    assert not [pid for pid in started if _alive(pid)]


def _descendants(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except FileNotFoundError:
        return []
    return [int(child) for child in children] + [d for child in children for d in _descendants(int(child))]


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
