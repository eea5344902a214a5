"""Who is compared. A side accepts over HTTP and delivers to the lab; only how it is started and driven differs.

Hark and the two floors are functions: each under functions-framework, as `make run` has them. The peers are an
application under uvicorn and a worker.
"""

import json
import secrets
import signal
import socket
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

from bench.compare.client import ROOT, post
from bench.compare.load import Result
from bench.compare.processes import Child
from bench.compare.world import Sent, World, free_port
from emulator.config import HOST, function_environment

BODY = {"to": {"sms": "+14155552671"}, "tags": {"team": "infra"}}
FRAMEWORK = str(Path(sys.executable).parent / "functions-framework")


class Side(Protocol):
    """delivering: after `start_delivery`. `broker`: what a side brings with it that is neither, Redis."""

    name: str
    port: int
    accepting: Child
    delivering: Child
    broker: Child | None

    def start_accepting(self) -> None: ...

    def start_delivering(self) -> None: ...

    def request(self, text: str) -> str:
        """A whole request for a notification of that text."""
        ...

    def held(self, count: int) -> Sequence[str]:
        """What the accepted notifications have to be driven with, if they have to. Not measured."""
        ...

    def drive(self, held: Sequence[str], count: int, connections: int) -> float:
        """Have all that was accepted sent; the seconds it took."""
        ...

    def flow(self) -> None:
        """From here on what is accepted is sent by itself."""
        ...

    def halt(self) -> None:
        """The opposite. What is accepted now waits to be driven."""
        ...

    def stop(self) -> None: ...


def body(text: str) -> str:
    return json.dumps(BODY | {"message": text})


def texts(count: int) -> list[str]:
    """Each of them can be told apart in the lab's witness file."""
    run = secrets.token_hex(4)
    return [
        f"Build {run}-{number} is live. The change is in production; watch the error rate." for number in range(count)
    ]


def headers(key: str | None = None) -> dict[str, str]:
    """Every side gets the same: those that have no use for them do not look."""
    return {
        "Authorization": f"Bearer {key or 'none'}",
        "Idempotency-Key": uuid.uuid4().hex,
        "traceparent": f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-00",
    }


@dataclass(frozen=True, slots=True)
class Source:
    """Of one function: what functions-framework is told."""

    target: str
    file: str


class Functions:
    """Hark, and the floors. Each in a project of its own on the same emulators."""

    broker: Child | None = None

    def __init__(self, world: World, name: str, accept: Source, deliver: Source) -> None:
        self.name = name
        self.world = world
        self.project = f"bench-{name}-{secrets.token_hex(3)}"
        self.port, self.delivery_port = free_port(), free_port()
        self._sources = accept, deliver

    @cached_property
    def key(self) -> str | None:
        return None

    def start_accepting(self) -> None:
        self.world.topics(self.project)
        self.accepting = self.start(f"{self.name}-accept", self._sources[0], self.port)

    def start_delivering(self) -> None:
        self.start_worker()
        self.halt()

    def start_worker(self) -> None:
        self.delivering = self.start(f"{self.name}-deliver", self._sources[1], self.delivery_port)

    def start(self, name: str, source: Source, port: int) -> Child:
        env = self.environment(source, port)
        return self.world.start(name, (FRAMEWORK,), env, f"http://{HOST}:{port}/healthz")

    def environment(self, source: Source, port: int) -> dict[str, str]:
        # "sms" has the settings of Twilio: no function minds those of another.
        channel = source.target if source.target in self.world.config.ports else "sms"
        hosts = self.world.hosts
        env = function_environment(self.world.of_project(self.project), channel, hosts["pubsub"], hosts["firestore"])
        return {**env, "FUNCTION_TARGET": source.target, "FUNCTION_SOURCE": source.file, "PORT": str(port)}

    def request(self, text: str) -> str:
        return post("/v1/notifications", body(text), headers(self.key))

    def held(self, count: int) -> Sequence[str]:
        return [self.push_request(message) for message in self.world.pull(self.project, count)]

    def push_request(self, message: Mapping[str, object]) -> str:
        subscription = f"projects/{self.project}/subscriptions/bench"
        return post("/", json.dumps({"message": message, "subscription": subscription, "deliveryAttempt": 1}))

    def drive(self, held: Sequence[str], count: int, connections: int) -> float:
        result = self.world.load.run(self.delivery_port, held, connections)
        expect(self.name, result, "204", count)
        return result.seconds

    def flow(self) -> None:
        self.world.push(self.project, self.delivery_port)

    def halt(self) -> None:
        self.world.keep(self.project)

    def stop(self) -> None:
        for child in (getattr(self, "accepting", None), getattr(self, "delivering", None)):
            if child is not None:
                child.stop()


class Hark(Functions):
    """root: the checkout whose code runs; its requirements are this one's"""

    def __init__(self, world: World, name: str = "hark", root: Path = ROOT) -> None:
        sources = (Source(function, str(root / f"functions/{function}/main.py")) for function in ("gateway", "sms"))
        super().__init__(world, name, *sources)
        self._root = root

    def environment(self, source: Source, port: int) -> dict[str, str]:
        return {**super().environment(source, port), "PYTHONPATH": str(self._root)}

    @cached_property
    def key(self) -> str | None:
        return self.world.api_key(self.project)


class Peer:
    """`worker`: its command, without the Python."""

    def __init__(self, world: World, name: str, worker: Sequence[str]) -> None:
        self.name = name
        self.world = world
        self.port, self.redis_port = free_port(), free_port()
        self._worker = worker
        self._sent = Sent(world.witness)
        self.broker: Child | None = None

    def start_accepting(self) -> None:
        self.start_broker()
        serve = ("-m", "uvicorn", f"bench.peers.{self.name}_app:api", "--host", HOST, "--port", str(self.port))
        argv = (str(self.world.peers), *serve, "--no-access-log", "--log-level", "warning")
        probe = f"http://{HOST}:{self.port}/docs"
        self.accepting = self.world.start(f"{self.name}-accept", argv, self.environment, probe)

    def start_delivering(self) -> None:
        self.forget()
        self.start_worker()
        # Ready when it has sent one.
        self.world.load.run(self.port, [self.request(text) for text in texts(20)], 1)
        expect_sent(self.name, self._sent.wait(20), 20)
        self.halt()

    def start_broker(self) -> None:
        self.broker = self.world.redis(f"{self.name}-redis", self.redis_port)

    def forget(self) -> None:
        """What was accepted with no worker there."""
        with socket.create_connection((HOST, self.redis_port)) as connection:
            connection.sendall(b"FLUSHALL\r\n")
            if connection.recv(64) != b"+OK\r\n":
                raise RuntimeError(f"{self.name}: Redis keeps what it has")

    def start_worker(self) -> None:
        argv = (str(self.world.peers), *self._worker)
        self.delivering = self.world.start(f"{self.name}-deliver", argv, self.environment)

    @property
    def environment(self) -> dict[str, str]:
        """The function's settings of Twilio, and where Redis is."""
        env = function_environment(self.world.config, "sms", "none", "none")
        return {**env, "REDIS_URL": f"redis://{HOST}:{self.redis_port}/0", "PYTHONPATH": str(ROOT)}

    def request(self, text: str) -> str:
        return post("/v1/notifications", body(text), headers())

    def held(self, count: int) -> Sequence[str]:
        list(self._sent.new())
        return ()

    def drive(self, held: Sequence[str], count: int, connections: int) -> float:
        """The worker has as many at once as it has by default."""
        began = time.monotonic()
        self.delivering.signal(signal.SIGCONT)
        expect_sent(self.name, self._sent.wait(count), count)
        seconds = time.monotonic() - began
        time.sleep(0.5)  # until the last ones are acknowledged: one that is stopped before that is sent again
        self.halt()
        return seconds

    def flow(self) -> None:
        self.delivering.signal(signal.SIGCONT)

    def halt(self) -> None:
        self.delivering.signal(signal.SIGSTOP)

    def stop(self) -> None:
        for child in (getattr(self, "accepting", None), getattr(self, "delivering", None), self.broker):
            if child is not None:
                child.stop()


def raw(world: World) -> Functions:
    accept, deliver = (Source(name, f"bench/floors/{name}.py") for name in ("accept", "deliver"))
    return Functions(world, "raw", accept, deliver)


def usual(world: World) -> Functions:
    accept, deliver = (Source(name, f"bench/usual/{name}.py") for name in ("accept", "deliver"))
    return Functions(world, "usual", accept, deliver)


def celery(world: World) -> Peer:
    return Peer(world, "celery", ("-m", "celery", "-A", "bench.peers.celery_app", "worker", "--loglevel", "warning"))


def dramatiq(world: World) -> Peer:
    return Peer(world, "dramatiq", ("-m", "dramatiq", "bench.peers.dramatiq_app"))


class Disturbed(Exception):
    """Not all that was asked was done; a figure of requests that failed is none."""


def expect(name: str, result: Result, status: str, count: int) -> None:
    """Raises Disturbed."""
    if result.statuses != {status: count}:
        raise Disturbed(f"{name}: expected {count} answers of {status}, not {result.statuses}")


def expect_sent(name: str, lines: Sequence[str], count: int) -> None:
    """Raises Disturbed."""
    if len(lines) != count:
        raise Disturbed(f"{name}: {len(lines)} of {count} were sent")
