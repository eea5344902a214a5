"""`python -m emulator` on a tiny repository: real emulators, two fake channels, a stub lab."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.ports import free_offset

ROOT = Path(__file__).resolve().parents[2]
FIXED = ("gateway", "dead_letter", "relay", "operations")
CHANNELS = ("pigeon", "drum")
FUNCTION = """
import functions_framework.aio
from starlette.responses import Response

@functions_framework.aio.http
async def {name}(request):
    print("called", request.method, request.url.path, flush=True)
    return Response(status_code=204)
"""
COMMANDS = """
import os
with open("made", "a") as made:
    made.write(os.environ.get("HARK_API_KEY", "none") + "\\n")
print(os.environ.get("HARK_API_KEY", "hark_live_made"))
"""
LAB = """
import argparse, http.server
parser = argparse.ArgumentParser()
for option in ("--host", "--port", "--smtp-port", "--witness", "--receipts-url"):
    parser.add_argument(option)
options = parser.parse_args()
open(options.witness, "a").write("started\\n")
class Healthy(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/healthz" else 404)
        self.end_headers()
http.server.HTTPServer((options.host, int(options.port)), Healthy).serve_forever()
"""


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.02)


class Supervisor:
    """One run of `python -m emulator` in its own tree."""

    def __init__(self, tree: Path) -> None:
        self.offset = free_offset()
        self.base = tree / ".run"
        self.folder = self.base / str(self.offset)
        self.console = tree / "console"
        self.environ: dict[str, str] = {}
        self._tree = tree
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        # The run dir is the default one; in the environment it also marks every process of this stack, see `left`.
        env = os.environ | {"HARK_PORT_OFFSET": str(self.offset), "HARK_RUN_DIR": str(self.base)}
        for variable in ("PUBSUB_EMULATOR_HOST", "FIRESTORE_EMULATOR_HOST", "GOOGLE_CLOUD_PROJECT"):
            env.pop(variable, None)
        env |= self.environ
        with self.console.open("wb") as console:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "emulator"],
                cwd=self._tree,
                env=env,
                stdout=console,
                stderr=console,
                # Under nohup it would be ignored, and a child inherits that.
                preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # noqa: PLW1509
            )

    def start_and_wait(self) -> None:
        self.start()
        until(lambda: self.says("hark: ready") or self.ended)
        assert not self.ended, self.console.read_text()

    def signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def wait(self) -> int:
        assert self._process is not None
        return self._process.wait(timeout=60)

    @property
    def ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def says(self, line: str) -> bool:
        return line in self.console.read_text().splitlines()

    def pids(self) -> dict[str, int]:
        pids: dict[str, int] = json.loads((self.folder / "pids.json").read_text())
        return pids

    def log(self, name: str) -> str:
        return (self.folder / "logs" / f"{name}.log").read_text()

    def url(self, port: int) -> str:
        return f"http://127.0.0.1:{port + self.offset}"

    def left(self) -> list[str]:
        """Command lines of the processes of this stack, known by an environment variable they all inherit."""
        mark = f"HARK_RUN_DIR={self.base}".encode()
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if mark in (process / "environ").read_bytes().split(b"\0"):
                    found.append((process / "cmdline").read_text().replace("\0", " "))
        return found

    def clean_up(self) -> None:
        if not self.ended:
            self.signal(signal.SIGTERM)
            self.wait()
        assert self.left() == []


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tree = tmp_path_factory.mktemp("tree")
    shutil.copytree(ROOT / "emulator", tree / "emulator", ignore=shutil.ignore_patterns("lab", "__pycache__"))
    shutil.copytree(ROOT / "shared", tree / "shared", ignore=shutil.ignore_patterns("__pycache__"))
    (tree / "emulator" / "lab").mkdir()
    (tree / "emulator" / "lab" / "__main__.py").write_text(LAB)
    (tree / "infra").mkdir()
    (tree / "infra" / "channels.yaml").write_text("".join(f"{channel}: {{}}\n" for channel in CHANNELS))
    for name in FIXED + CHANNELS:
        (tree / "functions" / name).mkdir(parents=True)
        (tree / "functions" / name / "main.py").write_text(FUNCTION.format(name=name))
    (tree / "functions" / "gateway" / "__main__.py").write_text(COMMANDS)
    return tree


@pytest.fixture
def own_tree(tree: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tree, tmp_path / "tree", ignore=shutil.ignore_patterns(".run", "console")))


@pytest.fixture
def supervisor(own_tree: Path) -> Iterator[Supervisor]:
    supervisor = Supervisor(own_tree)
    yield supervisor
    supervisor.clean_up()


@pytest.fixture(scope="module")
def stack(tree: Path) -> Iterator[Supervisor]:
    """One that is up, for the tests that leave it so."""
    supervisor = Supervisor(tree)
    supervisor.start_and_wait()
    yield supervisor
    supervisor.clean_up()


def get(url: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()
    except OSError:
        return 0, b""


def subscriptions(stack: Supervisor) -> list[str]:
    status, body = get(stack.url(8085) + "/v1/projects/hark-local/subscriptions")
    names = [item["name"] for item in json.loads(body).get("subscriptions", [])] if status == 200 else []
    return sorted(name.rpartition("/")[2] for name in names)


PROVISIONED = sorted(
    f"notifications-{name}-{kind}" for name in CHANNELS for kind in ("push", "bulk-push", "dead-push", "dead-keep")
)


def test_when_ready_everything_answers_and_the_env_file_says_where(stack: Supervisor) -> None:
    assert (stack.base / "env").read_text().splitlines() == [
        f"HARK_URL={stack.url(8080)}",
        f"HARK_LAB_URL={stack.url(8090)}",
        "HARK_API_KEY=hark_live_made",
        f"PUBSUB_EMULATOR_HOST={stack.url(8085).removeprefix('http://')}",
        f"FIRESTORE_EMULATOR_HOST={stack.url(8086).removeprefix('http://')}",
        "GOOGLE_CLOUD_PROJECT=hark-local",
    ]
    assert (stack.folder / "env").read_text() == (stack.base / "env").read_text()
    assert (stack.base / "env").stat().st_mode & 0o077 == 0, "there is a key in it"
    assert stack.pids().keys() == {"pubsub", "firestore", "lab", *FIXED, *CHANNELS}
    for port in (8080, 8101, 8102, 8103, 8104, 8105):
        assert get(stack.url(port))[0] == 204
    assert get(stack.url(8086))[0] == 200
    assert subscriptions(stack) == PROVISIONED


def test_what_is_published_is_pushed_to_the_function(stack: Supervisor) -> None:
    publish = urllib.request.Request(
        stack.url(8085) + "/v1/projects/hark-local/topics/notifications-pigeon:publish",
        data=json.dumps({"messages": [{"data": "aGk="}]}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(publish, timeout=10):
        until(lambda: "called POST /" in stack.log("pigeon").splitlines())


@pytest.mark.parametrize("function", ["relay", "operations"])
def test_what_is_scheduled_is_called_again_and_again(stack: Supervisor, function: str) -> None:
    before = stack.log(function).count("called POST /")
    until(lambda: stack.log(function).count("called POST /") >= before + 2)


def test_a_killed_function_is_back_at_once_with_a_line_about_it(stack: Supervisor) -> None:
    pid = stack.pids()["drum"]
    os.kill(pid, signal.SIGKILL)
    until(lambda: stack.pids()["drum"] != pid, seconds=10)
    until(lambda: get(stack.url(8104))[0] == 204)
    assert stack.says("hark: drum died (killed by SIGKILL), starting it again.")


def test_a_killed_lab_is_back_and_its_witness_goes_on(stack: Supervisor) -> None:
    pid = stack.pids()["lab"]
    os.kill(pid, signal.SIGKILL)
    until(lambda: (stack.folder / "witness.jsonl").read_text() == "started\nstarted\n")


def test_a_killed_pubsub_emulator_is_back_with_all_subscriptions(stack: Supervisor) -> None:
    os.kill(stack.pids()["pubsub"], signal.SIGKILL)
    until(lambda: any("pubsub died" in line for line in stack.console.read_text().splitlines()))
    until(lambda: subscriptions(stack) == PROVISIONED)


def test_a_killed_firestore_emulator_is_back_with_a_warning_about_its_data(stack: Supervisor) -> None:
    os.kill(stack.pids()["firestore"], signal.SIGKILL)
    until(lambda: "all its data is gone" in stack.console.read_text())
    until(lambda: get(stack.url(8086))[0] == 200)
    made = stack.base.parent / "made"
    until(lambda: made.read_text().splitlines() == ["none", "hark_live_made"])  # the key is good again


def test_a_second_stack_on_the_same_ports_is_refused_and_harms_nothing(stack: Supervisor, own_tree: Path) -> None:
    second = Supervisor(own_tree)
    second.offset = stack.offset
    second.start()
    assert second.wait() == 1
    assert f"port {8080 + stack.offset}, needed for gateway" in second.console.read_text()
    assert "HARK_PORT_OFFSET" in second.console.read_text()
    assert second.left() == []
    assert get(stack.url(8080))[0] == 204


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_it_stops_everything_it_started(supervisor: Supervisor, number: signal.Signals) -> None:
    (supervisor.base).mkdir()
    (supervisor.base / "env").write_text("HARK_URL=stale\n")
    supervisor.start_and_wait()
    assert len(supervisor.left()) >= len(supervisor.pids())
    assert "stale" not in (supervisor.base / "env").read_text()
    supervisor.signal(number)
    assert supervisor.wait() == 0
    assert supervisor.left() == []
    assert not (supervisor.base / "env").exists()


def test_it_stops_everything_when_asked_during_the_start(supervisor: Supervisor) -> None:
    supervisor.start()
    until(lambda: (supervisor.folder / "pids.json").exists() and "relay" in supervisor.pids())
    supervisor.signal(signal.SIGTERM)
    assert supervisor.wait() == 0
    assert not supervisor.says("hark: ready")
    assert supervisor.left() == []


def test_a_second_ctrl_c_does_not_wait(supervisor: Supervisor, own_tree: Path) -> None:
    (own_tree / "emulator" / "lab" / "__main__.py").write_text(
        "import signal\nfor number in (signal.SIGTERM, signal.SIGINT): signal.signal(number, signal.SIG_IGN)\n" + LAB
    )
    supervisor.start_and_wait()
    supervisor.signal(signal.SIGINT)
    until(lambda: supervisor.says("hark: stopping"))
    began = time.monotonic()
    supervisor.signal(signal.SIGINT)
    assert supervisor.wait() == 0
    assert time.monotonic() - began < 4  # and not the 5 s that a deaf process is given
    assert supervisor.left() == []


def test_nothing_outlives_a_killed_supervisor(supervisor: Supervisor) -> None:
    supervisor.start_and_wait()
    supervisor.signal(signal.SIGKILL)
    supervisor.wait()
    until(lambda: supervisor.left() == [])


def test_a_function_that_cannot_start_fails_the_start_with_its_last_words(
    supervisor: Supervisor, own_tree: Path
) -> None:
    (own_tree / "functions" / "drum" / "main.py").write_text("raise SystemExit('no drumsticks')")
    supervisor.start()
    assert supervisor.wait() == 1
    console = supervisor.console.read_text()
    assert "drum ended at start-up (exit status 1)" in console
    assert "no drumsticks" in console
    assert not (supervisor.base / "env").exists()
    assert supervisor.left() == []


def test_given_emulators_are_provisioned_and_left_alone(stack: Supervisor, supervisor: Supervisor) -> None:
    supervisor.environ = {
        "PUBSUB_EMULATOR_HOST": f"127.0.0.1:{8085 + stack.offset}",
        "FIRESTORE_EMULATOR_HOST": f"127.0.0.1:{8086 + stack.offset}",
        "GOOGLE_CLOUD_PROJECT": "another-project",
    }
    supervisor.start_and_wait()
    assert not {"pubsub", "firestore"} & supervisor.pids().keys()
    status, body = get(stack.url(8085) + "/v1/projects/another-project/topics")
    assert status == 200
    assert len(json.loads(body)["topics"]) == 6
    supervisor.signal(signal.SIGTERM)
    assert supervisor.wait() == 0
    assert get(stack.url(8086))[0] == 200
