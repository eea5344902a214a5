"""`make drill`: what goes wrong in the lab under load, and whether Hark does what is expected of it."""

import argparse
import asyncio
import os
import sys
import tempfile
from pathlib import Path

from emulator.errors import StackError
from tests.drill import prometheus
from tests.drill.report import lines, written
from tests.drill.run import Options, run
from tests.drill.situations import SITUATIONS

_ROOT = Path(__file__).parents[2]
_PICTURE = "drill.svg"


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


def main() -> int:
    """1: something was not as expected."""
    names = [situation.name for situation in SITUATIONS]
    parser = argparse.ArgumentParser(prog="python -m tests.drill")
    parser.add_argument("situations", nargs="*", choices=[*names, []], help=f"of {', '.join(names)}; by default all")
    parser.add_argument(
        "--minute", type=float, default=Options.minute, help="seconds that stand for one: 60 is real time"
    )
    parser.add_argument("--rate", type=float, default=Options.rate, help="notifications a second")
    parser.add_argument("--out", type=Path, default=_ROOT / ".run" / "drill", help="a folder for report and picture")
    given = parser.parse_args()
    chosen = [situation for situation in SITUATIONS if situation.name in (given.situations or names)]
    missing = prometheus.missing()
    if missing:
        say(
            f"which alerts would come is not worked out: there is no {' and no '.join(missing)} "
            "(apt-get install prometheus)"
        )
    options = Options(given.minute, given.rate, watched=not missing)
    try:
        with tempfile.TemporaryDirectory(prefix="hark-drill-") as folder:
            drill = asyncio.run(run(chosen, options, Path(folder), os.environ, say))
    except StackError as error:
        sys.exit(f"hark: {error}")
    report = written(drill, chosen, _PICTURE)
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "README.md").write_text(report)
    (given.out / _PICTURE).write_text(drill.picture())
    say(report)
    say(f"report and picture: {given.out}")
    return 0 if all(line.holds for line in lines(drill, chosen)) else 1


if __name__ == "__main__":
    sys.exit(main())
