"""Accepting and delivering: CPU, rate and latency of each side, in short rounds that take turns."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from bench.compare.figures import Table, median, percentile, ratio, ratios
from bench.compare.processes import Child
from bench.compare.sides import Disturbed, Side, expect, texts
from bench.compare.targets import Target
from bench.compare.world import World

CONNECTIONS = (1, 16, 64)
USUAL_LOAD = 16  # connections, for what is measured at one load alone
_TRIES = 4
BESIDE = ("firestore", "pubsub", "lab")


@dataclass(slots=True)
class Rounds:
    """Of one side; an entry a round. CPU in milliseconds for each notification."""

    cpu: list[float] = field(default_factory=list)
    beside: list[float] = field(default_factory=list)
    rate: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured: requests of a round, and rounds after the first, which is for warming up."""

    requests: int
    rounds: int


class Meter:
    """The CPU that processes take from its making on."""

    def __init__(self, world: World, side: Side, measured: Child) -> None:
        beside = [world.children[name] for name in BESIDE]
        self._beside = [*beside, *([side.broker] if side.broker else [])]
        self._measured = measured
        self._began = self._now()

    def milliseconds(self, count: int) -> tuple[float, float]:
        """For each of so many: of what is measured, and of what stands beside."""
        own, beside = (1000 * (now - then) / count for now, then in zip(self._now(), self._began, strict=True))
        return own, beside

    def _now(self) -> tuple[float, float]:
        return self._measured.cpu_seconds(), sum(child.cpu_seconds() for child in self._beside)


def accepts(world: World, sides: Sequence[Side], size: Size) -> dict[int, dict[str, Rounds]]:
    """By connections and side."""
    taken: dict[int, dict[str, Rounds]] = {n: {side.name: Rounds() for side in sides} for n in CONNECTIONS}
    for number in range(size.rounds + 1):
        for connections in CONNECTIONS:
            # One connection alone is slow, and its CPU is not what is compared.
            count = size.requests if connections > 1 else size.requests // 3
            for side in sides:
                rounds = taken[connections][side.name] if number else Rounds()
                _undisturbed(partial(_accept, world, side, count, connections, rounds))
    return taken


def _undisturbed(round_of: Callable[[], None]) -> None:
    """A round again when a request of it failed, as one does when the machine has stood still for a deadline."""
    for _ in range(_TRIES - 1):
        try:
            round_of()
        except Disturbed as disturbed:
            print(f"a round is made again: {disturbed}", flush=True)
        else:
            return
    round_of()


def _accept(world: World, side: Side, count: int, connections: int, rounds: Rounds) -> None:
    requests = [side.request(text) for text in texts(count)]
    meter = Meter(world, side, side.accepting)
    result = world.load.run(side.port, requests, connections)
    own, beside = meter.milliseconds(count)
    expect(side.name, result, "202", count)
    rounds.cpu.append(own)
    rounds.beside.append(beside)
    rounds.rate.append(count / result.seconds)
    rounds.latencies += result.latencies


def deliveries(world: World, sides: Sequence[Side], size: Size) -> dict[str, Rounds]:
    taken = {side.name: Rounds() for side in sides}
    for number in range(size.rounds + 1):
        for side in sides:
            rounds = taken[side.name] if number else Rounds()
            _undisturbed(partial(_deliver, world, side, size.requests, rounds))
    return taken


def _deliver(world: World, side: Side, count: int, rounds: Rounds) -> None:
    side.halt()
    _accept(world, side, count, USUAL_LOAD, Rounds())
    held = side.held(count)
    meter = Meter(world, side, side.delivering)
    seconds = side.drive(held, count, USUAL_LOAD)
    own, beside = meter.milliseconds(count)
    rounds.cpu.append(own)
    rounds.beside.append(beside)
    rounds.rate.append(count / seconds)


def accept_table(taken: Mapping[int, Mapping[str, Rounds]]) -> Table:
    floor = taken[USUAL_LOAD]["raw"]
    header = ["side", "CPU, ms", "× raw", "CPU beside, ms"]
    header += [f"{what} at {n}" for n in taken for what in ("a second", "p50, ms", "p99, ms")]
    rows = []
    for name, rounds in taken[USUAL_LOAD].items():
        row: list[str | float] = [name, median(rounds.cpu), ratio(rounds.cpu, floor.cpu), median(rounds.beside)]
        for of_sides in taken.values():
            one = of_sides[name]
            row += [median(one.rate), 1000 * percentile(one.latencies, 50), 1000 * percentile(one.latencies, 99)]
        rows.append(row)
    return Table(
        "accept",
        "Accepting",
        header,
        rows,
        1,
        "milliseconds an accept",
        [
            f"CPU with {USUAL_LOAD} connections. Beside: emulators, lab, Redis; a peer commits nothing to Firestore.",
        ],
    )


def delivery_table(taken: Mapping[str, Rounds]) -> Table:
    floor = taken["raw"]
    rows = [
        (name, median(rounds.cpu), ratio(rounds.cpu, floor.cpu), median(rounds.beside), median(rounds.rate))
        for name, rounds in taken.items()
    ]
    return Table(
        "delivery",
        "Delivering",
        ("side", "CPU, ms", "× raw", "CPU beside, ms", "a second"),
        rows,
        1,
        "milliseconds a delivery",
        [f"Functions: {USUAL_LOAD} pushes at a time. Peers: a worker as it comes, with that many in its queue."],
    )


def together(accepted: Mapping[int, Mapping[str, Rounds]], delivered: Mapping[str, Rounds]) -> dict[str, list[float]]:
    """Milliseconds of CPU for a notification's whole way, by side and round."""
    both = {}
    for name, rounds in delivered.items():
        both[name] = [one + other for one, other in zip(accepted[USUAL_LOAD][name].cpu, rounds.cpu, strict=True)]
    return both


def together_table(both: Mapping[str, Sequence[float]]) -> Table:
    rows = [(name, median(cpu), ratio(cpu, both["raw"])) for name, cpu in both.items()]
    return Table("together", "Accepting and delivering", ("side", "CPU, ms", "× raw"), rows, 1, "milliseconds")


def targets(
    accepted: Mapping[int, Mapping[str, Rounds]] | None, delivered: Mapping[str, Rounds] | None
) -> list[Target]:
    found = []
    if accepted:
        of = accepted[USUAL_LOAD]
        found.append(Target("accept: Hark's CPU to the raw floor's", ratios(of["hark"].cpu, of["raw"].cpu), 1.4))
        if "usual" in of:
            found.append(Target("accept: Hark's CPU to the usual way's", ratios(of["hark"].cpu, of["usual"].cpu), 0.6))
    if delivered:
        cpu = ratios(delivered["hark"].cpu, delivered["raw"].cpu)
        found.append(Target("delivery: Hark's CPU to the raw floor's", cpu, 1.4))
    if accepted and delivered:
        both = together(accepted, delivered)
        for peer, most in (("celery", 0.5), ("dramatiq", 1.0)):
            if peer in both:
                found.append(Target(f"both: Hark's CPU to {peer}'s", ratios(both["hark"], both[peer]), most))
    return found


def memory(sides: Sequence[Side]) -> dict[str, tuple[int, float, float]]:
    """By side and what it does: the number of its processes, their RSS and PSS in MB, after what it has done so far."""
    taken = {}
    for side in sides:
        for what, child in (("accepting", side.accepting), ("delivering", getattr(side, "delivering", None))):
            if child is not None:
                sums = child.memory()
                taken[f"{side.name}, {what}"] = (len(child.pids()), sums["Rss"], sums["Pss"])
    return taken


def memory_targets(taken: Mapping[str, tuple[int, float, float]]) -> list[Target]:
    return [
        Target(f"PSS, {what}", [taken[f"hark, {what}"][2] / taken[f"raw, {what}"][2]], 1.15)
        for what in ("accepting", "delivering")
    ]


def memory_table(taken: Mapping[str, tuple[int, float, float]]) -> Table:
    rows = [(name, *sums) for name, sums in taken.items()]
    header = ("processes", "number", "RSS, MB", "PSS, MB")
    return Table(
        "memory", "Memory", header, rows, 3, "megabytes", ["RSS counts a shared page once a process, PSS once."]
    )
