"""A process that may die or freeze at each of its awaits, and the world as it sees it."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import ContextVar
from datetime import datetime, timedelta
from typing import Any, TypeVar

from functions.gateway.web.problem_details import Problem
from shared.delivery.errors import HarkError, StoreError
from tests.fakes.clock import START
from tests.simulation.fate import Fate, Fault
from tests.simulation.invariants import Invariant, Violation

T = TypeVar("T")

current: ContextVar[str] = ContextVar("process", default="world")
"""The name of the process whose code is running."""


class Tasks:
    """Those that are not done."""

    def __init__(self) -> None:
        self._left: dict[asyncio.Task[Any], None] = {}

    def __bool__(self) -> bool:
        return bool(self._left)

    def spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(work)
        self._left[task] = None
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        del self._left[task]
        if not task.cancelled():
            task.result()  # what it raises is a fault of the simulation's own, and ends it


class Process:
    """One instance of a function. When it has died none of its tasks goes on: each waits at a fake for ever.

    So there is no effect of its `finally` and `except` either: whatever could have one goes through a fake.
    """

    def __init__(self, name: str, fate: Fate, tell: Callable[..., None], broken: Callable[[Violation], None]) -> None:
        self.name = name
        self.alive = True
        self.tasks = Tasks()
        self.late = Tasks()  # its calls that are on their way without it
        self.calls: Counter[str] = Counter()
        self.death: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._fate = fate
        self._tell = tell
        self._broken = broken
        self._offset = fate.offset()
        self._thaws = 0.0
        self._tokens = 0

    def now(self) -> datetime:
        return START + timedelta(seconds=asyncio.get_running_loop().time() + self._offset)

    def token(self) -> str:
        self._tokens += 1
        return f"{self.name}#{self._tokens}"

    async def ask(self, work: Coroutine[Any, Any, T], seconds: float) -> T | Exception:
        """What its work returns or raises; TimeoutError when it has died by then, or takes longer and goes on."""

        async def run() -> T | Exception:
            current.set(self.name)
            try:
                return await work
            except (HarkError, Problem) as error:
                return error
            except Exception as error:
                self._broken(Violation(Invariant.FAULTLESS, repr(error)))
                return error

        task = self.tasks.spawn(run())
        either: set[asyncio.Future[Any]] = {task, self.death}
        await asyncio.wait(either, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else TimeoutError()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self.step("a pause")

    async def step(self, where: str) -> None:
        """One await of the process."""
        fate, loop = self._fate, asyncio.get_running_loop()
        latency = fate.latency()
        if latency:
            await asyncio.sleep(latency)
        if self.alive and fate.strikes(Fault.CRASH):
            self._tell("DIES", at=where)
            self.alive = False
            self.death.set_result(None)
        if self.alive and loop.time() >= self._thaws and fate.strikes(Fault.FREEZE):
            self._thaws = loop.time() + fate.random.uniform(5, 200)
            self._tell("FREEZES", at=where, seconds=round(self._thaws - loop.time()))
        if self.alive and loop.time() < self._thaws:
            await asyncio.sleep(self._thaws - loop.time())
        if not self.alive:
            await loop.create_future()

    async def call(self, name: str, effect: Callable[[], Awaitable[T]], lost: type[HarkError]) -> T:
        """One call over the network."""
        fate = self._fate
        self.calls[name] += 1
        await self.step(f"before {name}")
        if fate.strikes(Fault.LOST):
            self._tell(f"{name} fails")
            raise lost(name)
        if fate.strikes(Fault.LATE):
            self._tell(f"{name} fails, and comes later")
            self.late.spawn(_later(effect, fate.random.uniform(0, 60)))
            await self.step(f"after {name}")
            raise lost(name)
        refused: StoreError | None = None
        try:
            result = await effect()
        except StoreError as error:
            refused = error
        await self.step(f"after {name}")
        if fate.strikes(Fault.UNHEARD):
            self._tell(f"{name} is done, unheard")
            raise lost(name)
        if refused:
            raise refused
        return result


class Remote:
    """A store or a publisher as one process sees it."""

    def __init__(self, process: Process, inner: object, lost: type[HarkError]) -> None:
        self._process, self._inner, self._lost = process, inner, lost

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method: Callable[..., Awaitable[Any]] = getattr(self._inner, name)

        def call(*args: Any, **kwargs: Any) -> Awaitable[Any]:
            return self._process.call(name, lambda: method(*args, **kwargs), self._lost)

        return call


async def _later(effect: Callable[[], Awaitable[object]], seconds: float) -> None:
    await asyncio.sleep(seconds)
    with contextlib.suppress(StoreError):  # it may be refused, and nobody is there to hear it
        await effect()
