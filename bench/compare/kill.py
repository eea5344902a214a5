"""What each side loses when a process of it is killed with kill -9 under load, and starts again at once.

Lost is what was answered with 202 and had not reached the provider some minutes later.
"""

import contextlib
import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.compare.client import ROOT, post
from bench.compare.figures import Table
from bench.compare.sides import Functions, Peer, body, headers, texts
from bench.compare.world import Sent, World
from emulator import config
from emulator.config import GATEWAY

PAUSE = 0.02  # seconds between two requests on a connection
CONNECTIONS = 8
KILL_AFTER = 1.5  # seconds of load
PATIENCE = 200.0  # the relay asks ever more seldom for what nobody takes: after 5, 15, 35, 75 and 155 s here
_STOP_OR_GO = {True: signal.SIGSTOP, False: signal.SIGCONT}
_OFFSET = 100  # of the stack's ports from the other ones


@dataclass(frozen=True, slots=True)
class Victim:
    """`kill`: by what is killed, how; each leaves it running again. `pause`: the sending, with True, or go on."""

    name: str
    port: int
    request: Callable[[str], str]
    witness: Path
    kill: Mapping[str, Callable[[], None]]
    pause: Callable[[bool], None]


@dataclass(slots=True)
class Toll:
    """Of one kill."""

    name: str
    killed: str
    waiting: set[str]
    sent: Sent
    accepted: int
    refused: int
    arrived: Counter[str]

    def look(self) -> bool:
        """Whether nothing is missing any more."""
        for line in self.sent.new():
            self.arrived[json.loads(line)["text"]] += 1
        self.waiting -= self.arrived.keys()
        return not self.waiting

    @property
    def twice(self) -> int:
        return sum(count > 1 for count in self.arrived.values())


def of_functions(world: World, side: Functions) -> Victim:
    def worker() -> None:
        side.delivering.kill()
        side.start_worker()

    def broker() -> None:
        world.restart("pubsub")
        world.topics(side.project)
        side.flow()

    def pause(held: bool) -> None:
        if held:  # the side before has had the same Pub/Sub killed, and with it the topics of this one
            world.topics(side.project)
            side.flow()
        side.delivering.signal(_STOP_OR_GO[held])

    kills = {"worker": worker, "broker": broker}
    return Victim(side.name, side.port, side.request, world.witness, kills, pause)


def of_peer(world: World, side: Peer) -> Victim:
    def worker() -> None:
        side.delivering.kill()
        side.start_worker()

    def broker() -> None:
        assert side.broker is not None
        side.broker.kill()
        side.start_broker()

    kills = {"worker": worker, "broker": broker}
    return Victim(
        side.name,
        side.port,
        side.request,
        world.witness,
        kills,
        pause=lambda held: side.delivering.signal(_STOP_OR_GO[held]),
    )


@contextlib.contextmanager
def hark(world: World) -> Iterator[Victim]:
    """The whole of `make run`, with its relay, on emulators of its own: its supervisor starts again what dies."""
    offset, run_dir = world.config.offset + _OFFSET, world.folder / "stack"
    environ = {**world.config.environ, "HARK_PORT_OFFSET": str(offset), "HARK_RUN_DIR": str(run_dir), "EMBEDDED": "0"}
    stack = world.start("stack", (sys.executable, "-m", "emulator"), environ)
    planned = config.load(ROOT, environ)
    env_file, folder = planned.stack_dir / "env", planned.stack_dir
    while not env_file.exists():
        if stack.ended():
            raise RuntimeError(stack.last_words())
        time.sleep(0.1)
    key = dict(line.split("=", 1) for line in env_file.read_text().splitlines())["HARK_API_KEY"]

    def signalled(name: str, number: signal.Signals) -> None:
        os.killpg(json.loads((folder / "pids.json").read_text())[name], number)

    def request(text: str) -> str:
        return post("/v1/notifications", body(text), headers(key))

    kills = {
        "worker": lambda: signalled("sms", signal.SIGKILL),
        "broker": lambda: signalled("pubsub", signal.SIGKILL),
    }
    yield Victim(
        name="hark",
        port=planned.ports[GATEWAY],
        request=request,
        witness=folder / "witness.jsonl",
        kill=kills,
        pause=lambda held: signalled("sms", _STOP_OR_GO[held]),
    )
    stack.stop()


def measure(world: World, victims: Sequence[Victim], count: int, patience: float = PATIENCE) -> list[Toll]:
    """One after another is killed, and then all are waited for together."""
    tolls: list[Toll] = []
    for killed in ("worker", "broker"):
        struck = [_strike(world, victim, killed, count) for victim in victims]
        give_up_at = time.monotonic() + patience
        while time.monotonic() < give_up_at and not _all_there(struck):
            time.sleep(0.2)
        tolls += [replace(toll, waiting=set(toll.waiting)) for toll in struck]
    return tolls


def _all_there(tolls: Sequence[Toll]) -> bool:
    """Looks at each, also when one is known to miss some: what comes twice is counted as well."""
    return min(int(toll.look()) for toll in tolls) == 1


def _strike(world: World, victim: Victim, killed: str, count: int) -> Toll:
    said, sent = texts(count), Sent(victim.witness)
    loading = world.load.begin(victim.port, [victim.request(text) for text in said], CONNECTIONS, PAUSE)
    backlog = killed == "broker"  # else it may just have nothing to lose
    if backlog:
        victim.pause(True)
    time.sleep(KILL_AFTER)
    victim.kill[killed]()
    if backlog:
        victim.pause(False)
    result = loading.result()
    accepted = {said[number] for number in result.answered}
    return Toll(victim.name, killed, accepted, sent, len(accepted), count - len(accepted), Counter())


def table(tolls: Sequence[Toll], patience: float) -> Table:
    rows = [
        (
            f"{toll.name}, {toll.killed}",
            toll.accepted,
            toll.refused,
            len(toll.waiting),
            toll.twice,
        )
        for toll in tolls
    ]
    header = ("side, what is killed", "accepted", "no 202", "accepted, not sent", "sent twice")
    return Table(
        "kill",
        "Killed with kill -9",
        header,
        rows,
        3,
        "notifications",
        [
            f"Not sent: within {patience:.0f} s. Broker, with the sending paused: Pub/Sub's emulator, which forgets "
            "all messages (in the cloud Pub/Sub keeps them), or Redis, which forgets what is not in its last snapshot.",
            "A Celery worker's unacknowledged tasks come back after an hour (`visibility_timeout`), a dramatiq "
            "worker's after a minute without its heartbeat.",
        ],
    )
