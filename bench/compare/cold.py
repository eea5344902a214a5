"""Cold starts: from a process's start to its first answer, of each function and of a floor with the same libraries."""

import contextlib
import secrets
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.compare.client import ROOT, get
from bench.compare.figures import Table, median, ratio, ratios
from bench.compare.processes import Child
from bench.compare.sides import FRAMEWORK, Functions, Hark, Source, texts, usual
from bench.compare.targets import Target
from bench.compare.world import START_SECONDS, World, free_port
from emulator.config import HOST

PUBSUB = "google.pubsub_v1.services.publisher.transports.grpc_asyncio"
SDKS = {
    "gateway": PUBSUB,
    "relay": PUBSUB,
    "operations": PUBSUB,
    "dead_letter": PUBSUB,
    "email": "sendgrid",
    "sms": "twilio.rest twilio.http.async_http_client",
    "slack": "slack_sdk.web.async_client",
}
"""What each function's work takes of clients' libraries, besides Firestore's."""


@dataclass(frozen=True, slots=True)
class Start:
    seconds: float
    cpu_seconds: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """One that is started again and again. `request`: what its first answer is to."""

    name: str
    side: Functions
    source: Source
    request: str
    imports: str = ""


def candidates(world: World) -> list[tuple[Candidate, Candidate]]:
    """Each function with its floor."""
    hark, floor = Hark(world), Functions(world, "raw", _floor("accept"), _floor("deliver"))
    world.topics(hark.project)
    world.topics(floor.project)
    asked = [side.request(texts(1)[0]) for side in (hark, floor)]
    pairs = [
        (
            Candidate("gateway, first 202", hark, _function("gateway"), asked[0]),
            Candidate("raw, first 202", floor, _floor("accept"), asked[1]),
        )
    ]
    for name, imports in SDKS.items():
        ours = Candidate(name, hark, _function(name), get("/healthz"))
        theirs = Candidate(f"raw for {name}", floor, _floor("deliver"), get("/healthz"), imports)
        pairs.append((ours, theirs))
    return pairs


def measure(world: World, rounds: int) -> dict[str, tuple[list[Start], list[Start]]]:
    """By function: its starts, and the floor's. Both take turns."""
    pairs = candidates(world)
    taken: dict[str, tuple[list[Start], list[Start]]] = {ours.name: ([], []) for ours, _ in pairs}
    for number in range(rounds + 1):
        for ours, floor in pairs:
            starts = start(world, ours), start(world, floor)
            if number:  # the first ones read files from the disk
                for kept, one in zip(taken[ours.name], starts, strict=True):
                    kept.append(one)
    return taken


def usual_way(world: World, rounds: int) -> list[Start]:
    side = usual(world)
    world.topics(side.project)
    asked = Candidate("usual, first 202", side, Source("accept", "bench/usual/accept.py"), side.request(texts(1)[0]))
    return [start(world, asked) for _ in range(rounds)]


def start(world: World, candidate: Candidate) -> Start:
    port = free_port()
    env = {**candidate.side.environment(candidate.source, port), "FLOOR_IMPORTS": candidate.imports}
    log = world.folder / f"cold-{secrets.token_hex(3)}.log"
    began = time.monotonic()
    child = Child(candidate.name, (_framework(world),), env, ROOT, log)
    try:
        status = _first_answer(child, port, candidate.request)
        taken = Start(time.monotonic() - began, child.cpu_seconds())
    finally:
        child.kill()
    if not 200 <= status < 300:
        raise RuntimeError(f"{candidate.name}: the first answer is {status}\n{child.last_words()}")
    return taken


def table(taken: Mapping[str, tuple[Sequence[Start], Sequence[Start]]], usual_starts: Sequence[Start]) -> Table:
    rows: list[Sequence[str | float]] = []
    for name, (ours, floor) in taken.items():
        rows.append((name, *_medians(ours), *_medians(floor), _ratio(ours, floor), _cpu_ratio(ours, floor)))
    floor = next(iter(taken.values()))[1]
    rows.append(
        ("usual, first 202", *_medians(usual_starts), *_medians(floor), *(_r(usual_starts, floor, f) for f in _FIELDS))
    )
    header = ("function", "seconds", "CPU, s", "raw: seconds", "raw: CPU, s", "× raw", "× raw, CPU")
    return Table(
        "cold",
        "Cold start",
        header,
        rows,
        1,
        "seconds from the start to the first answer",
        [
            "The floor imports the client libraries of the function beside it. "
            "The first answer is to `GET /healthz`, where nothing else is said."
        ],
    )


def targets(taken: Mapping[str, tuple[Sequence[Start], Sequence[Start]]]) -> list[Target]:
    return [
        Target(
            f"cold start: {name}",
            ratios([one.seconds for one in ours], [one.seconds for one in floor]),
            1.3 if name.endswith("202") else 1.2,
        )
        for name, (ours, floor) in taken.items()
    ]


_FIELDS = ("seconds", "cpu_seconds")


def _medians(starts: Sequence[Start]) -> tuple[float, float]:
    return median([one.seconds for one in starts]), median([one.cpu_seconds for one in starts])


def _r(ours: Sequence[Start], floor: Sequence[Start], name: str) -> float:
    return ratio([getattr(one, name) for one in ours], [getattr(one, name) for one in floor])


def _ratio(ours: Sequence[Start], floor: Sequence[Start]) -> float:
    return _r(ours, floor, "seconds")


def _cpu_ratio(ours: Sequence[Start], floor: Sequence[Start]) -> float:
    return _r(ours, floor, "cpu_seconds")


def _function(name: str) -> Source:
    return Source(name, f"functions/{name}/main.py")


def _floor(name: str) -> Source:
    return Source(name, f"bench/floors/{name}.py")


def _framework(world: World) -> str:
    """Of an environment without development tools, if there is one: structlog imports two where it finds them."""
    lean = world.peers.parent / "functions-framework" if world.peers else None
    return str(lean) if lean and lean.exists() else FRAMEWORK


def _first_answer(child: Child, port: int, request: str) -> int:
    """Its status. The socket listens before the worker is there, so one request is enough."""
    give_up_at = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up_at and not child.ended():
        with contextlib.suppress(ConnectionError), socket.create_connection((HOST, port), START_SECONDS) as connection:
            connection.sendall(request.encode())
            if head := connection.recv(65536):
                return int(head.split(b" ", 2)[1])
        time.sleep(0.002)
    raise RuntimeError(f"{child.name} did not answer\n{child.last_words()}")
