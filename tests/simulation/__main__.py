"""`make simulate`: N histories, or that of SEED with all that happened in it. Exits with 1 at a violation."""

import argparse
import sys
import time

from tests.simulation.history import simulate

_PROGRESS_SECONDS = 10.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("histories", type=int)
    parser.add_argument("--seed", type=int)
    arguments = parser.parse_args()
    seeds = range(arguments.histories) if arguments.seed is None else [arguments.seed]
    began = said = time.monotonic()
    for done, seed in enumerate(seeds):
        history = simulate(seed)
        if history.violation or arguments.seed is not None:
            sys.stdout.writelines(f"{line}\n" for line in history.lines())
        if history.violation:
            sys.stdout.write(f"hark: seed {seed}: {history.violation}\nhark: again: make simulate SEED={seed}\n")
            return 1
        if time.monotonic() - said > _PROGRESS_SECONDS:
            said = time.monotonic()
            sys.stdout.write(f"hark: {done + 1} of {len(seeds)} histories, {said - began:.0f} s\n")
            sys.stdout.flush()
    sys.stdout.write(f"hark: no violation in {len(seeds)} {'history' if len(seeds) == 1 else 'histories'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
