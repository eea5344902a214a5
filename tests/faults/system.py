"""`python -m emulator` whose functions die: each life of one has a failpoint of its own, drawn from FAULTS_SEED.

One that is drawn for a function is set for its whole life, which is that of gunicorn's master: the worker that it kills
comes back with it. Killing the group draws anew. While there is the file CALM in FAULTS_FOLDER, lives have none; while
there is WRONG_CLOCKS, and only then, some have a clock that is ten minutes off.

Where FAULTS_ASKING is off the providers answer no question (`mute_lab.py`).
"""

import asyncio
import os
import random
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from emulator import __main__ as supervisor
from emulator import stack
from emulator.config import Config
from emulator.process import Program
from emulator.rundir import RunDir
from shared.runtime.failpoints import Failpoint
from tests.faults.histories import History

_GATEWAY = (
    *(Failpoint.VALIDATED, Failpoint.COMMITTED, Failpoint.PUBLISHED, Failpoint.ANSWERED, Failpoint.APPLIED),
    *(Failpoint.MARKED, Failpoint.CANCELLED),
)
_EMAIL = (
    Failpoint.RECEIVED,
    Failpoint.NOT_LET,
    Failpoint.CLAIMED,
    Failpoint.SUPPRESSED,
    Failpoint.ACCEPTED,
    Failpoint.RECORDED,
    Failpoint.ACKED,
)
_OWN = {
    "gateway": _GATEWAY,
    "relay": (Failpoint.MOVED, Failpoint.REPUBLISHED, Failpoint.PUBLISHED_ON_TIME, Failpoint.APPLIED),
    "operations": (Failpoint.BROADCAST, Failpoint.PAGED),
    "dead_letter": (Failpoint.RECEIVED, Failpoint.ACKED),
    "email": _EMAIL,
}
_OTHERS = (*_EMAIL, Failpoint.REQUEST_SENT)  # SendGrid's SDK does not tell when its bytes have left
# They come to their points a few times a minute, if at all; the others many times a second.
_SELDOM = {"relay", "operations", "dead_letter"}
_ALWAYS = {"dead_letter": f",{Failpoint.DEAD_LETTERED}:1"}  # seldom reached: an outcome lost in the last attempt
# Times as many hits. Without the gateway nothing is accepted that the others could be killed with. An event that a dead
# function has not taken a hundred times is put aside for an operator: in half a minute here, where the emulator pauses
# between no two pushes, and in fifteen hours in the cloud.
_MORE_HITS = {"gateway": 3, "events": 15}
CALM, WRONG_CLOCKS = "calm", "wrong-clocks"
ASKING = "FAULTS_ASKING"
_OF_EVENTS = (Failpoint.NOTED, Failpoint.TOLD)
_LAB, _MUTE_LAB = "emulator.lab", "tests.faults.mute_lab"
FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")  # Debian's package faketime


class Life(Mapping[str, str]):
    """A function's environment, drawn anew each time that it is asked for: once a life."""

    def __init__(self, name: str, env: Mapping[str, str], draw: Callable[[str], dict[str, str]]) -> None:
        self._name, self._env, self._draw = name, env, draw

    def items(self):  # type: ignore[no-untyped-def]
        return {**self._env, **self._draw(self._name)}.items()

    def __getitem__(self, name: str) -> str:
        return self._env[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._env)

    def __len__(self) -> int:
        return len(self._env)


class Drawing:
    """How lives are drawn. hits: of a point before it kills, half to twice; clock: share with a wrong one"""

    def __init__(self, seed: str, history: History, folder: Path, hits: int, clock: float) -> None:
        self._seed, self._history, self._hits, self._clock = seed, history, hits, clock
        self._calm, self._wrong = folder / CALM, folder / WRONG_CLOCKS
        self._lives: dict[str, int] = {}

    def __call__(self, name: str) -> dict[str, str]:
        if self._calm.exists() or not self._hits:
            return {}
        life = self._lives[name] = self._lives.get(name, 0) + 1
        rng = random.Random(f"{self._seed} {name} {life}")
        own = _OWN.get(name, _OTHERS)
        if os.environ.get("EVENTS") == "on":
            own = (Failpoint.FANNED_OUT,) if name == "events" else (*own, *(_OF_EVENTS if name != "webhook" else ()))
        point = rng.choice(own)
        mean = self._hits * _MORE_HITS.get(name, 1)
        # Never at the first: a worker that dies with each push gets nowhere, and its deaths would be most of the kills.
        hits = rng.randint(2, 4) if name in _SELDOM else rng.randint(mean // 2, 2 * mean)
        drawn = {"HARK_FAIL_AT": f"{point}:{hits}" + _ALWAYS.get(name, "")}
        if self._wrong.exists() and rng.random() < self._clock and FAKETIME.exists():
            jump = rng.choice((-600, 600))
            drawn |= {"LD_PRELOAD": str(FAKETIME), "FAKETIME": f"{jump:+d}", "DONT_FAKE_MONOTONIC": "1"}
            self._history.append(event="clock", process=name, seconds=jump)
        self._history.append(event="life", process=name, point=point, hits=hits)
        return drawn


def main() -> None:
    folder, environ = Path(os.environ["FAULTS_FOLDER"]), os.environ
    drawing = Drawing(
        environ["FAULTS_SEED"],
        History(folder / "nemesis.jsonl"),
        folder,
        int(environ.get("FAULTS_HITS", "20")),
        float(environ.get("FAULTS_CLOCK", "0")),
    )
    make = stack.functions

    def armed(*args: object, **kwargs: object) -> list[Program]:
        programs: list[Program] = make(*args, **kwargs)  # type: ignore[arg-type]
        return [replace(program, env=Life(program.name, program.env, drawing)) for program in programs]

    stack.functions = armed
    if environ.get(ASKING) == "off":
        make_lab = stack.lab

        def mute(config: Config, run_dir: RunDir) -> Program:
            program = make_lab(config, run_dir)
            return replace(program, argv=tuple(_MUTE_LAB if arg == _LAB else arg for arg in program.argv))

        stack.lab = mute
    sys.exit(asyncio.run(supervisor.main()))


if __name__ == "__main__":
    main()
