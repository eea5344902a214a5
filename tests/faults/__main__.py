"""`make faults`: rounds of load, faults and a drain, until there are 1,000 kills and 20,000 accepted notifications.

Each round has a system and a Firestore emulator of its own: the emulator's queries look at all that it stores, and with
many thousand notifications the relay's take longer than their deadline. Exit status 1 at a breach, and when the machine
was starved so often in a row that nothing can be said.
"""

import argparse
import asyncio
import secrets
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.faults.checker import check
from tests.faults.nemesis import KEEPING_MESSAGES, WEIGHTS
from tests.faults.report import Tally, render
from tests.faults.run import Options, run
from tests.faults.system import FAKETIME
from tests.faults.verdict import Verdict, explain, judge

MOST_STARVED = 3  # rounds in a row


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("--seed", default=secrets.token_hex(4))
    parser.add_argument("--seconds", type=float, default=1800, help="begin no round after this and these:")
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--accepted", type=int, default=20_000)
    parser.add_argument("--round", type=float, default=100, help="seconds of load and faults in a round")
    parser.add_argument("--rate", type=float, default=15, help="notifications a second")
    parser.add_argument("--pause", type=float, default=2, help="mean seconds between two acts of the nemesis")
    parser.add_argument("--hits", type=int, default=30, help="mean times that a failpoint is passed before it kills")
    parser.add_argument("--clock", type=float, default=0.3, help="share of lives that get a wrong clock in --clocks")
    parser.add_argument("--clocks", type=int, default=8, help="wrong clocks in each such round: they drain slowly")
    parser.add_argument("--few", type=int, default=4, help="each such round has two attempts a delivery: many die")
    parser.add_argument("--events", type=int, default=3, help="each such round has a live endpoint; 1: each does")
    parser.add_argument("--asking", choices=("on", "off"), default="on", help="off: providers answer no question")
    parser.add_argument("--drain", type=float, default=900, help="seconds that what is pending then may take")
    parser.add_argument("--keep", type=Path, help="a folder for the histories of rounds with a breach")
    parser.add_argument("--out", type=Path, help="a file for the report")
    return parser.parse_args()


def main() -> None:
    given = arguments()
    say(f"seed {given.seed}: `make faults SEED={given.seed}` draws the same faults")
    if given.clock and not FAKETIME.exists():
        say("no clock will be wrong: libfaketime is missing (apt-get install faketime)")
    tally, starved, began = Tally(), 0, time.monotonic()
    while (
        time.monotonic() - began < given.seconds
        or tally.kills.total() < given.kills
        or tally.counts["notifications accepted (202)"] < given.accepted
    ):
        number = tally.rounds + tally.starved + 1
        few, has_events = number % given.few == 0, number % given.events == 0
        options = Options(
            seed=f"{given.seed}/{number}",
            seconds=given.round,
            rate=given.rate,
            pause=given.pause,
            hits=given.hits // 4 if few else given.hits,
            clock=0 if number % given.clocks else given.clock,
            again=0.5 if few else 0.1,
            max_attempts=2 if few else 5,
            drain=given.drain,
            asking=given.asking == "on",
            events=has_events,
            acts=KEEPING_MESSAGES if has_events else WEIGHTS,
        )
        verdict = one_round(options, given.keep, tally)
        starved = starved + 1 if verdict is Verdict.STARVED else 0
        if starved == MOST_STARVED:
            break
        if given.out:
            given.out.write_text(render(given.seed, tally))
    say(render(given.seed, tally))
    if tally.violations:
        sys.exit(1)
    sys.exit(f"hark: {Verdict.STARVED}, {starved} times in a row" if starved == MOST_STARVED else 0)


def one_round(options: Options, keep: Path | None, tally: Tally) -> Verdict:
    """One that a starved machine spoils counts for nothing: there will be another."""
    with tempfile.TemporaryDirectory(prefix="hark-faults-") as folder:
        outcome = asyncio.run(run(options, Path(folder)))
        violations = check(outcome.histories, options.limits)
        verdict = judge(options, outcome, violations)
        if verdict is Verdict.STARVED:
            tally.starved += 1
            say(f"round {options.seed}: {verdict}: {explain(outcome, violations)}")
            return verdict
        tally.add(options, outcome, violations)
        if violations:
            kept = (keep or Path(tempfile.mkdtemp(prefix="hark-faults-"))) / options.seed.replace("/", "-")
            shutil.copytree(folder, kept)
            say(f"{len(violations)} breaches; histories and logs: {kept}")
    accepted = tally.counts["notifications accepted (202)"]
    say(f"round {options.seed}: {tally.kills.total():,} kills, {accepted:,} accepted, {len(tally.violations)} breaches")
    return verdict


if __name__ == "__main__":
    main()
