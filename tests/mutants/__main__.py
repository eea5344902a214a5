"""`make mutants`: changes the core, one small change at a time, and looks whether a fast test fails.

Exit status 1 when less than 97 % of those that change anything are caught, or 90 % of one file's, and for what stands
in equivalents.toml and is no mutant any more. With --sample: when less than 95 % of so many are caught.
"""

import argparse
import hashlib
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence

from tests.mutants.core import CORE, ROOT
from tests.mutants.equivalents import load
from tests.mutants.loop import Fate, RedTests, run
from tests.mutants.mutant import Mutant, mutants

MOST_MISSED, MOST_MISSED_OF_A_FILE, MOST_MISSED_OF_A_SAMPLE = 0.03, 0.10, 0.05

_TAIL = 10_000  # bytes of what pytest says, when a test fails without a mutant


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("files", nargs="*", metavar="file", help=f"of {', '.join(CORE)}")
    parser.add_argument("--sample", type=int, help="so many, the same each time, of all files")
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    if unknown := set(given.files) - set(CORE):
        parser.error(f"not of the core: {', '.join(sorted(unknown))}")
    os.chdir(ROOT)
    tests = {file: names for file, names in CORE.items() if file in (given.files or CORE)}
    equivalents = load()
    found = [mutant for file in tests for mutant in mutants(ROOT, file)]
    stale = {key for key in equivalents if key[0] in tests} - {mutant.key for mutant in found}
    chosen = [mutant for mutant in found if mutant.key not in equivalents]
    if given.sample is not None:
        chosen = sample(chosen, given.sample)
    began = time.monotonic()
    try:
        fates = _quietly(chosen, tests, given.jobs)
    except RedTests as red:
        _say(f"hark: {red}")
        return 1
    _say(f"{len(chosen)} mutants in {time.monotonic() - began:.0f} s")
    missed = MOST_MISSED_OF_A_SAMPLE if given.sample is not None else MOST_MISSED
    good = _table(fates, missed, given.sample is None)
    for key in sorted(stale):
        _say(f"in equivalents.toml, and no mutant any more: {' | '.join(key)}")
    return 0 if good and not stale else 1


def sample(found: Sequence[Mutant], many: int) -> list[Mutant]:
    """Of each file its share, drawn by what each mutant is: an edit of one line changes the draw of no other."""

    def drawn(mutant: Mutant) -> tuple[bytes, str]:
        return hashlib.sha256("\n".join((*mutant.key, mutant.scope)).encode()).digest(), str(mutant.path)

    ordered = sorted(found, key=drawn)
    by_file: dict[str, list[Mutant]] = {}
    for mutant in ordered:
        by_file.setdefault(mutant.file, []).append(mutant)
    chosen = [mutant for of_file in by_file.values() for mutant in of_file[: len(of_file) * many // len(found)]]
    return chosen + [mutant for mutant in ordered if mutant not in chosen][: many - len(chosen)]


def _quietly(chosen: Sequence[Mutant], tests: dict[str, tuple[str, ...]], jobs: int) -> list[Fate]:
    """What pytest and the tests say is nobody's; nor is what they leave in the temporary folder."""
    os.environ["PYTEST_ADDOPTS"] = ""
    out, errors = os.dup(1), os.dup(2)
    with tempfile.TemporaryDirectory(prefix="hark-mutants-") as folder, tempfile.TemporaryFile() as unread:
        tempfile.tempdir = folder
        os.dup2(unread.fileno(), 1)
        os.dup2(unread.fileno(), 2)
        try:

            def told(fate: Fate) -> None:
                if fate.by is None:
                    os.write(out, f"NOT CAUGHT  {fate.mutant}\n".encode())

            return run(chosen, tests, jobs, told)
        except RedTests:
            unread.seek(0)
            os.write(out, unread.read()[-_TAIL:])
            raise
        finally:
            tempfile.tempdir = None
            os.dup2(out, 1)
            os.dup2(errors, 2)


def _table(fates: Sequence[Fate], most_missed: float, each_file: bool) -> bool:
    """Says how many were caught, and whether it is enough."""
    made = Counter(fate.mutant.file for fate in fates)
    caught = Counter(fate.mutant.file for fate in fates if fate.by is not None)
    of_a_file = MOST_MISSED_OF_A_FILE if each_file else 1.0
    rows = [(caught[file], made[file], of_a_file, file) for file in made]
    good = True
    for some, all_, missed, name in [*rows, (caught.total(), made.total(), most_missed, "together")]:
        enough = some >= (1 - missed) * all_
        good &= enough
        _say(f"{some:5} of {all_:5} {some / all_:6.1%}  {name}{'' if enough else '  TOO FEW'}")
    return good


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
