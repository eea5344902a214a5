"""What every side stands on: the emulators, the lab, Redis, the load; each started once, on ports of its own."""

import asyncio
import contextlib
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from bench.compare.client import ROOT, Load
from bench.compare.processes import Child
from emulator import caller, config, google, stack
from emulator.config import HOST, Config
from emulator.errors import StartFailed
from emulator.rundir import RunDir

START_SECONDS = 60.0
_TRIES = 5
TOPIC = "notifications-sms"


class DidNotStart(Exception):
    """With the end of the process's output."""


class World:
    """A context manager; everything in it ends with it.

    peers: the Python that has Celery and dramatiq, or None
    """

    def __init__(self, environ: Mapping[str, str], peers: Path | None) -> None:
        self.peers = peers
        self._ended = contextlib.ExitStack()
        self.folder = Path(self._ended.enter_context(tempfile.TemporaryDirectory(prefix="hark-bench-")))
        inherited = {name: value for name, value in environ.items() if not name.endswith("_EMULATOR_HOST")}
        self.config = config.load(ROOT, {**inherited, "HARK_RUN_DIR": str(self.folder)})
        self.children: dict[str, Child] = {}
        self.http = self._ended.enter_context(httpx.Client(timeout=60))
        self.load = self._ended.enter_context(Load())

    def __enter__(self) -> "World":
        try:
            self._start()
        except BaseException:
            self._ended.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.close()

    def _start(self) -> None:
        config.check_ports_free(self.config)
        emulators = asyncio.run(google.find(self.config, print))
        self.hosts = {name: emulator.host for name, emulator in emulators.items()}
        for emulator in emulators.values():
            if emulator.program:
                self.start(emulator.program.name, emulator.program.argv, emulator.program.env, emulator.program.probe)
        run_dir = RunDir(self.config)
        lab = stack.lab(self.config, run_dir)
        self.witness = run_dir.witness
        self.start(lab.name, lab.argv, lab.env, lab.probe)
        # What the lab reports back is work of the gateway's that no other side does: it is not part of an accept.
        self.http.put(f"{self.lab}/receipts", json={"channel": "sms", "mode": "off"}).raise_for_status()

    @property
    def lab(self) -> str:
        return self.config.url("lab")

    def start(self, name: str, argv: Sequence[str], env: Mapping[str, str], probe: str | None = None) -> Child:
        """Returns when it answers at `probe`, a URL. Raises DidNotStart."""
        child = Child(name, argv, env, ROOT, self.folder / f"{name}.log")
        self._ended.callback(child.stop)
        self.children[name] = child
        if probe:
            self.until_answers(child, probe)
        return child

    def until_answers(self, child: Child, url: str) -> None:
        give_up_at = time.monotonic() + START_SECONDS
        while time.monotonic() < give_up_at and not child.ended():
            with contextlib.suppress(httpx.TransportError):
                self.http.get(url)
                return
            time.sleep(0.02)
        raise DidNotStart(f"{child.name}: {child.last_words()}")

    def redis(self, name: str, port: int) -> Child:
        """A Redis as it comes, with snapshots and no append-only file."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        argv = ("redis-server", "--port", str(port), "--bind", HOST, "--dir", str(folder))
        child = self.start(name, argv, self.config.environ)
        until_listening(port)
        return child

    def restart(self, name: str) -> None:
        """Killed, and started again as it was; what it had in memory is gone."""
        child = self.children[name]
        child.kill()
        self.start(name, child.argv, child.env, self.config.url(name))

    def has_peers(self) -> str | None:
        """Why there are none, or None."""
        if shutil.which("redis-server") is None:
            return "redis-server is not installed (apt-get install redis-server)"
        if self.peers is None or not self.peers.exists():
            return f"there is no {self.peers} (make bench makes it)"
        return None

    # Pub/Sub and Firestore, a project for each side.

    def topics(self, project: str) -> None:
        for channel in self.config.channels:
            with contextlib.suppress(httpx.HTTPStatusError):  # it is there
                self._pubsub("PUT", project, f"topics/notifications-{channel.name}", {})

    def keep(self, project: str) -> None:
        """What is published from here on waits to be pulled, and what was there is gone."""
        self.drop(project)
        topic = f"projects/{project}/topics/{TOPIC}"
        self._pubsub("PUT", project, "subscriptions/bench", {"topic": topic, "ackDeadlineSeconds": 600})

    def push(self, project: str, port: int) -> None:
        """What is published from here on is pushed to that port."""
        self.drop(project)
        push = {"pushEndpoint": f"http://{HOST}:{port}/"}
        body = {"topic": f"projects/{project}/topics/{TOPIC}", "ackDeadlineSeconds": 30, "pushConfig": push}
        self._pubsub("PUT", project, "subscriptions/bench", body)

    def drop(self, project: str) -> None:
        with contextlib.suppress(httpx.HTTPStatusError):
            self._pubsub("DELETE", project, "subscriptions/bench")

    def pull(self, project: str, count: int) -> list[dict[str, Any]]:
        """So many messages, each as a push has it: https://cloud.google.com/pubsub/docs/push#receive_push"""
        messages: list[dict[str, Any]] = []
        give_up_at = time.monotonic() + START_SECONDS
        while len(messages) < count and time.monotonic() < give_up_at:
            answer = self._pubsub("POST", project, "subscriptions/bench:pull", {"maxMessages": count - len(messages)})
            rows = answer.get("receivedMessages", [])
            if rows:
                acks = {"ackIds": [row["ackId"] for row in rows]}
                self._pubsub("POST", project, "subscriptions/bench:acknowledge", acks)
            messages += [row["message"] for row in rows]
        if len(messages) < count:
            raise RuntimeError(f"{project}: {len(messages)} of {count} messages came")
        return messages

    def api_key(self, project: str) -> str:
        """Of a new caller without limits. An emulator's first write may take longer than our deadline."""
        for _ in range(_TRIES):
            with contextlib.suppress(StartFailed):
                return asyncio.run(caller.make(self.of_project(project), self.hosts["firestore"], None))
        raise DidNotStart(f"the Firestore emulator takes no write: {self.children['firestore'].last_words()}")

    def of_project(self, project: str) -> Config:
        return replace(self.config, project=project)

    def _pubsub(self, method: str, project: str, path: str, body: Any = None) -> dict[str, Any]:
        answer = self.http.request(method, f"http://{self.hosts['pubsub']}/v1/projects/{project}/{path}", json=body)
        answer.raise_for_status()
        read: dict[str, Any] = answer.json()
        return read


class Sent:
    """What the lab has accepted since it was asked last: the lines of its witness file."""

    def __init__(self, witness: Path) -> None:
        self._file = witness.open()
        self._file.seek(0, 2)

    def new(self) -> Iterator[str]:
        """Whole lines only: the lab may be writing one."""
        while True:
            begin = self._file.tell()
            line = self._file.readline()
            if not line.endswith("\n"):
                self._file.seek(begin)
                return
            yield line

    def wait(self, count: int, seconds: float = 120.0) -> list[str]:
        """So many lines, or those that came within the time."""
        lines: list[str] = []
        give_up_at = time.monotonic() + seconds
        while len(lines) < count and time.monotonic() < give_up_at:
            lines += self.new()
            time.sleep(0.005)
        return lines


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def until_listening(port: int) -> None:
    give_up_at = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up_at:
        with contextlib.suppress(OSError), socket.create_connection((HOST, port)):
            return
        time.sleep(0.01)
    raise DidNotStart(f"nothing listens on port {port}")
