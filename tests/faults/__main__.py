"""`make faults`: 30 minutes, 1,000 kills, 20,000 accepted notifications by default. Exit status 1 at a breach."""

import argparse
import asyncio
import secrets
import sys
import tempfile
from pathlib import Path

from tests.faults.checker import check
from tests.faults.report import render
from tests.faults.run import Options, run
from tests.faults.system import FAKETIME


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("--seed", default=secrets.token_hex(4))
    parser.add_argument("--seconds", type=float, default=1800)
    parser.add_argument("--kills", type=int, default=1000, help="go on, up to twice as long, until there are so many")
    parser.add_argument("--accepted", type=int, default=20_000, help="the same for accepted notifications")
    parser.add_argument("--rate", type=float, default=13, help="notifications a second")
    parser.add_argument("--pause", type=float, default=3, help="mean seconds between two faults of the nemesis")
    parser.add_argument("--hits", type=int, default=40, help="mean times that a failpoint is passed before it kills")
    parser.add_argument("--clock", type=float, default=0.04, help="share of lives whose clock is ten minutes off")
    parser.add_argument("--drain", type=float, default=1200, help="seconds that what is pending then may take")
    parser.add_argument("--keep", type=Path, help="a folder for the histories")
    parser.add_argument("--out", type=Path, help="a file for the report")
    given = parser.parse_args()
    options = Options(
        seed=given.seed,
        seconds=given.seconds,
        kills=given.kills,
        accepted=given.accepted,
        rate=given.rate,
        pause=given.pause,
        hits=given.hits,
        clock=given.clock,
        drain=given.drain,
    )
    say(f"seed {options.seed}: `make faults SEED={options.seed}` draws the same faults")
    if options.clock and not FAKETIME.exists():
        say("no clock will be wrong: libfaketime is missing (apt-get install faketime)")
    folder = given.keep or Path(tempfile.mkdtemp(prefix="hark-faults-"))
    folder.mkdir(parents=True, exist_ok=True)
    say(f"histories and logs: {folder}")
    outcome = asyncio.run(run(options, folder))
    violations = check(outcome.histories, options.limits)
    page = render(options, outcome, violations)
    say(page)
    if given.out:
        given.out.write_text(page)
    sys.exit(1 if violations else 0)


if __name__ == "__main__":
    main()
