"""Every figure of docs/performance/: `python -m bench.run [--short] [--only accept,cold] [--out FILE] [--charts DIR]`.

Ratios in one run on one machine, against the floors in bench/floors/ and bench/usual/ and the peers in bench/peers/. It
starts all it needs, on ports of its own (HARK_PORT_OFFSET). `make bench` does it all.
"""

import argparse
import asyncio
import dataclasses
import json
import os
import platform
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import rpc_costs
from bench.compare import cold, growth, kill, latency, targets, work
from bench.compare.client import ROOT
from bench.compare.figures import Table, chart, markdown, percentile
from bench.compare.sides import Functions, Hark, Peer, Side, celery, dramatiq, raw, usual
from bench.compare.targets import Target
from bench.compare.world import World
from tests.ports import free_offset

PHASES = ("accept", "delivery", "latency", "kill", "cold", "growth", "rpcs")


class Run:
    """The sides of one run, and what is known so far.

    short: to see that it works; its figures are noise
    against: another checkout, whose Hark takes turns with this one and the raw floor alone
    """

    def __init__(self, world: World, short: bool, against: Path | None = None) -> None:
        self.tables: list[Table] = []
        self.targets: list[Target] = []
        self.measured: dict[str, Any] = {}
        self._world = world
        self._short = short
        self._why_no_peers = world.has_peers()
        third = Hark(world, "other", against.resolve()) if against else usual(world)
        self._functions: list[Functions] = [raw(world), Hark(world), third]
        self._peers: list[Peer] = [] if against or self._why_no_peers else [celery(world), dramatiq(world)]
        self._accepted: dict[int, dict[str, work.Rounds]] | None = None
        self._delivered: dict[str, work.Rounds] | None = None
        self._size = work.Size(100, 1) if short else work.Size(600, 5)
        self._started: set[str] = set()

    @property
    def sides(self) -> list[Side]:
        return [*self._functions, *self._peers]

    def accept(self) -> None:
        self._start("accepting")
        self._accepted = work.accepts(self._world, self.sides, self._size)
        self._keep(work.accept_table(self._accepted), self._accepted)

    def delivery(self) -> None:
        self._start("accepting")
        self._start("delivering")
        self._delivered = work.deliveries(self._world, self.sides, self._size)
        self._keep(work.delivery_table(self._delivered), self._delivered)
        self.targets += work.targets(self._accepted, self._delivered)
        if self._accepted:
            both = work.together(self._accepted, self._delivered)
            self._keep(work.together_table(both), both)
        taken = work.memory(self.sides)
        self._keep(work.memory_table(taken), taken)
        self.targets += work.memory_targets(taken)

    def latency(self) -> None:
        self._start("accepting")
        self._start("delivering")
        taken = latency.measure(self._world, self.sides, 20 if self._short else 60, 1 if self._short else 3)
        self._keep(latency.table(taken), taken)

    def kill(self) -> None:
        self._start("accepting")
        self._start("delivering")
        with kill.hark(self._world) as ours:
            theirs = [kill.of_functions(self._world, side) for side in self._functions if side.name != "hark"]
            theirs += [kill.of_peer(self._world, side) for side in self._peers]
            for side in self.sides:
                side.flow()
            count, patience = (400, 20.0) if self._short else (1500, kill.PATIENCE)
            tolls = kill.measure(self._world, [ours, *theirs], count, patience)
        self._keep(
            kill.table(tolls, patience), [[toll.name, toll.killed, toll.accepted, len(toll.waiting)] for toll in tolls]
        )
        self._stop_sides()

    def cold(self) -> None:
        self._stop_sides()
        rounds = 1 if self._short else 5
        taken, starts = cold.measure(self._world, rounds), cold.usual_way(self._world, rounds)
        self._keep(cold.table(taken, starts), {**taken, "usual": starts})
        self.targets += cold.targets(taken)

    def growth(self) -> None:
        self._stop_sides()
        sizes = (100, 200, 2000) if self._short else (1000, 2000, 200_000)
        pairs = growth.measure(self._world, sizes, 50 if self._short else 400, 1 if self._short else 5)
        self._keep(growth.table(pairs), growth.summary(pairs))
        self.targets += growth.targets(pairs)

    def rpcs(self) -> None:
        counted = asyncio.run(rpc_costs.measure(self._world.hosts["firestore"], self._world.hosts["pubsub"]))
        rows = [
            (f"{name}: {who}", method, made["count"], made["sent"], made["received"])
            for name in ("one channel, first try", "three channels")
            for who in ("gateway", "function")
            for method, made in counted[name][who]["rpcs"].items()
        ]
        header = ("notification", "RPC", "number", "bytes sent", "bytes received")
        self._keep(Table("rpcs", "RPCs of a notification", header, rows, 3, "bytes"), counted)

    def finish(self) -> list[Table]:
        """What accept alone can say is only said where delivery did not."""
        if self._accepted and not self._delivered:
            self.targets += work.targets(self._accepted, None)
        return ([targets.verdicts(self.targets)] if self.targets else []) + self.tables

    def notes(self) -> list[str]:
        figures = f"{os.cpu_count()} cores, Python {platform.python_version()}, {datetime.now(UTC):%Y-%m-%d}"
        notes = [f"Measured by `make bench` on {figures}. Ratios are medians of each round's own."]
        if self._why_no_peers:
            notes.append(f"**The peers were not measured**: {self._why_no_peers}.")
        if self._short:
            notes.append("**A short run**: it shows that the measuring works, and its figures are noise.")
        return notes

    def _start(self, what: str) -> None:
        if what not in self._started:
            self._started.add(what)
            for side in self.sides:
                side.start_accepting() if what == "accepting" else side.start_delivering()

    def _stop_sides(self) -> None:
        """For what is sensitive to whatever else runs."""
        if self._started:
            for side in self.sides:
                side.stop()
        self._started.clear()

    def _keep(self, table: Table, measured: Any) -> None:
        self.tables.append(table)
        self.measured[table.name] = measured
        print(markdown(table), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="four minutes, to see that it works")
    parser.add_argument("--only", default=",".join(PHASES), help=f"some of {','.join(PHASES)}")
    parser.add_argument("--out", type=Path, help="a file for the tables, in markdown")
    parser.add_argument("--json", type=Path, help="a file for all rounds")
    parser.add_argument("--charts", type=Path, help="a folder for a bar chart of each table")
    parser.add_argument("--peers", type=Path, default=ROOT / ".venv/bench/bin/python", help="the Python that has them")
    parser.add_argument(
        "--against", type=Path, metavar="DIR", help="another checkout in place of the usual way and peers"
    )
    arguments = parser.parse_args()
    wanted = arguments.only.split(",")
    if unknown := set(wanted) - set(PHASES):
        parser.error(f"--only: there is no {', '.join(sorted(unknown))}")
    # All texts go to one number.
    environ = {"HARK_PORT_OFFSET": str(free_offset()), "SMS_PER_NUMBER_PER_HOUR": "0", **os.environ}
    with World(environ, arguments.peers) as world:
        run = Run(world, arguments.short, arguments.against)
        phases: dict[str, Callable[[], None]] = {name: getattr(run, name) for name in PHASES}
        for name in PHASES:
            if name in wanted:
                began = time.monotonic()
                phases[name]()
                print(f"{name}: {time.monotonic() - began:.0f} s\n", flush=True)
        tables = run.finish()
    _write(arguments, run, tables)


def _write(arguments: argparse.Namespace, run: Run, tables: list[Table]) -> None:
    text = "\n".join(["# Performance\n", *(f"{note}\n" for note in run.notes()), *map(markdown, tables)])
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(text)
    else:
        print(text)
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(run.measured, indent=1, default=_plain) + "\n")
    if arguments.charts:
        arguments.charts.mkdir(parents=True, exist_ok=True)
        for table in tables:
            (arguments.charts / f"{table.name}.svg").write_text(chart(table))


def _plain(value: Any) -> Any:
    if isinstance(value, work.Rounds):
        spread = {f"p{percent}": percentile(value.latencies, percent) for percent in (50, 99) if value.latencies}
        return {"cpu": value.cpu, "beside": value.beside, "rate": value.rate, "latency": spread}
    return dataclasses.asdict(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else str(value)


if __name__ == "__main__":
    main()
