"""One pytest session that has collected the tests, and forks for each mutant: what is loaded is loaded once.

In the child the mutant's code takes the place of the code that is loaded; then the tests that call it run, the quickest
first, to the first that fails. The parent runs no test, so that no thread or event loop of one is there at a fork.
"""

import contextlib
import functools
import itertools
import json
import os
import resource
import select
import signal
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.mutants.core import ROOT
from tests.mutants.mutant import Mutant, apply, load, watch

_CPU_SECONDS = 5.0  # that any mutant may take, besides ten times what the tests took without it
_IDLE_SECONDS = 5.0  # without a moment of work: it waits for what does not come
_LOOK_SECONDS = 0.1

Calls = Mapping[int, tuple[float, set[tuple[str, str]]]]
"""By test: its seconds of CPU, and what it calls: file and function."""


class RedTests(Exception):
    """A test fails without a mutant."""


@dataclass
class Fate:
    """by: the test that failed, "time" when they did not come to their end, None when all passed."""

    mutant: Mutant
    by: str | None


@dataclass
class _Child:
    mutant: Mutant
    pid: int
    worked: float
    """When it last did not just wait."""

    def waits_in_vain(self) -> bool:
        # By its state and not by the clock: on a busy machine it may long be ready and not run.
        if Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] != "S":
            self.worked = time.monotonic()
        return time.monotonic() - self.worked > _IDLE_SECONDS


@dataclass(eq=False)  # pytest keeps its plugins in sets
class Loop:
    """A plugin of pytest's. chosen: of a file's mutants; tests: of a file, as pytest takes them."""

    chosen: Sequence[Mutant]
    tests: Mapping[str, Sequence[str]]
    jobs: int
    told: Callable[[Fate], None]
    fates: list[Fate] = field(default_factory=list)
    _failed: str | None = None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._failed = report.nodeid

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed:
            raise RedTests("not all tests can be collected")
        with pytest.MonkeyPatch.context() as patch:
            # A function's main.py needs it, and tests/conftest.py has taken it out.
            patch.setenv("GOOGLE_CLOUD_PROJECT", "test")
            for file in self.tests:
                load(file)
        calls = self._calls(session.items)
        waiting = list(reversed(self.chosen))
        running: dict[int, _Child] = {}
        try:
            while waiting or running:
                while waiting and len(running) < self.jobs:
                    mutant = waiting.pop()
                    shown = self._shown(mutant, session.items, calls)
                    seconds = sum(calls[n][0] for n in shown)
                    fd, pid = _fork(functools.partial(self._child, mutant, [session.items[n] for n in shown], seconds))
                    running[fd] = _Child(mutant, pid, time.monotonic())
                self._reap(running)
        finally:
            for child in running.values():
                os.kill(child.pid, signal.SIGKILL)
        return True

    def _reap(self, running: dict[int, _Child]) -> None:
        """Take what has ended, and end what waits for ever."""
        ready, _, _ = select.select(list(running), [], [], _LOOK_SECONDS)
        for fd, child in list(running.items()):
            if fd not in ready:
                if not child.waits_in_vain():
                    continue
                os.kill(child.pid, signal.SIGKILL)
            del running[fd]
            said = _end(fd, child.pid)
            if said.startswith("error"):
                raise RuntimeError(f"{child.mutant}: {said}")
            fate = Fate(child.mutant, json.loads(said) if said else "time")
            self.fates.append(fate)
            self.told(fate)

    def _shown(self, mutant: Mutant, items: Sequence[pytest.Item], calls: Calls) -> list[int]:
        """The tests that this mutant is shown to, the quickest first."""
        files = tuple(self.tests[mutant.file])
        of_file = [n for n, item in enumerate(items) if item.nodeid.startswith(files)]
        if mutant.in_function:
            of_file = [n for n in of_file if (mutant.file, mutant.scope) in calls[n][1]]
        return sorted(of_file, key=lambda n: calls[n][0])

    def _child(self, mutant: Mutant, items: Sequence[pytest.Item], seconds: float) -> object:
        limit = int(_CPU_SECONDS + 10 * seconds) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
        apply(ROOT, mutant)
        for _ in self._run(items):
            if self._failed is not None:
                return self._failed
        return None

    def _run(self, items: Sequence[pytest.Item]) -> Iterator[pytest.Item]:
        for item, following in itertools.zip_longest(items, items[1:]):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            yield item

    def _calls(self, items: Sequence[pytest.Item]) -> Calls:
        """All tests once as the code is, and what of it each of them calls."""
        fd, pid = _fork(lambda: self._watched(items))
        said = _end(fd, pid)
        if not said or said.startswith("error"):
            raise RedTests(said or "the tests did not come to their end")
        found = json.loads(said)
        if isinstance(found, str):
            raise RedTests(f"{found} fails without a mutant")
        return {n: (seconds, {(file, name) for file, name in called}) for n, (seconds, called) in enumerate(found)}

    def _watched(self, items: Sequence[pytest.Item]) -> object:
        found = []
        called: set[tuple[str, str]] = set()
        for file in self.tests:
            watch(ROOT, file, called.add)
        began = time.process_time()
        for _ in self._run(items):
            if self._failed is not None:
                return self._failed
            found.append((time.process_time() - began, sorted(called)))
            called.clear()
            began = time.process_time()
        return found


def _fork(work: Callable[[], object]) -> tuple[int, int]:
    """What reads the result of the work as JSON, and the child that does it."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid:
        os.close(theirs)
        return ours, pid
    try:
        os.close(ours)
        said = json.dumps(work())
    except BaseException:
        said = f"error: {traceback.format_exc()}"
    with contextlib.suppress(BaseException), os.fdopen(theirs, "w") as pipe:
        pipe.write(said)
    os._exit(0)


def _end(fd: int, pid: int) -> str:
    with os.fdopen(fd) as pipe:
        said = pipe.read()
    os.waitpid(pid, 0)
    return said


def run(
    chosen: Sequence[Mutant], tests: Mapping[str, Sequence[str]], jobs: int, told: Callable[[Fate], None]
) -> list[Fate]:
    """What became of each. Raises RedTests."""
    loop = Loop(chosen, tests, jobs, told)
    names = list(dict.fromkeys(name for names in tests.values() for name in names))
    options: list[Any] = ["-q", "-p", "no:xdist", "-o", "timeout=0", "--hypothesis-seed=0"]
    status = pytest.main([*options, f"--rootdir={ROOT}", *names], plugins=[loop])
    if len(loop.fates) != len(chosen):
        raise RedTests(f"pytest ended with {status!r}")
    return loop.fates
