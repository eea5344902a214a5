"""One RPC for what several ask for at the same time.

Nothing waits for a batch to fill: what comes while a call is under way goes with the next, so one request alone pays
no delay, and sixteen at a time share a few calls. Most of an RPC's CPU is its own and not that of what it carries.

What if the process dies: each that asked has no answer, as if it had made its call alone.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from contextvars import Context
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

PATIENCE = 0.05  # seconds after which the next call begins beside one that is still under way


@dataclass(frozen=True, slots=True)
class _Asked(Generic[Item, Result]):
    items: Sequence[Item]
    size: int
    keys: frozenset[Hashable]
    answer: asyncio.Future[Sequence[Result]]


class Batches(Generic[Item, Result]):
    """call: makes one RPC; a result for each item, in order. What it raises goes to all whose items it carried.

    most: items in one call; most_bytes: of `size`, in one call
    key: no two items in one call have the same
    """

    def __init__(
        self,
        call: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]],
        *,
        most: int,
        most_bytes: int,
        size: Callable[[Item], int],
        key: Callable[[Item], Hashable] = id,
    ) -> None:
        self._call = call
        self._most = most
        self._most_bytes = most_bytes
        self._size = size
        self._key = key
        self._waiting: deque[_Asked[Item, Result]] = deque()
        self._newest: asyncio.Task[None] | None = None  # while what comes waits for it
        self._calls: set[asyncio.Task[None]] = set()

    async def send(self, items: Sequence[Item]) -> Sequence[Result]:
        """The results for these items, which are made in one call; no more of them than one may have.

        Cancelled, they are not sent if they still wait; if not, they may have been.
        """
        if not items:
            return []
        asked: _Asked[Item, Result] = _Asked(
            items,
            sum(map(self._size, items)),
            frozenset(map(self._key, items)),
            asyncio.get_running_loop().create_future(),
        )
        self._waiting.append(asked)
        if self._newest is None:
            self._begin()
        return await asked.answer

    def _begin(self) -> None:
        chosen = self._choose()
        if not chosen:
            self._newest = None
            return
        # In a context of its own: the call is part of no single one's trace.
        task = self._newest = asyncio.create_task(self._make(chosen), context=Context())
        self._calls.add(task)
        timer = asyncio.get_running_loop().call_later(PATIENCE, self._next, task)
        task.add_done_callback(self._calls.discard)
        task.add_done_callback(lambda _: timer.cancel())
        task.add_done_callback(self._next)

    def _next(self, task: asyncio.Task[None]) -> None:
        if self._newest is task:
            self._begin()

    def _choose(self) -> list[_Asked[Item, Result]]:
        """What fits into one call, first come first; the rest stays in its order."""
        chosen: list[_Asked[Item, Result]] = []
        left: deque[_Asked[Item, Result]] = deque()
        count = size = 0
        keys: frozenset[Hashable] = frozenset()
        full = False
        for asked in self._waiting:
            if asked.answer.done():
                continue  # cancelled
            fits = count + len(asked.items) <= self._most and size + asked.size <= self._most_bytes
            full = full or (bool(chosen) and not fits)
            if full or keys & asked.keys:
                left.append(asked)
                continue
            chosen.append(asked)
            count, size, keys = count + len(asked.items), size + asked.size, keys | asked.keys
        self._waiting = left
        return chosen

    async def _make(self, chosen: Sequence[_Asked[Item, Result]]) -> None:
        try:
            _answer(chosen, await self._call([item for asked in chosen for item in asked.items]))
        except asyncio.CancelledError:  # with its channel
            _cancel(chosen)
            raise
        except Exception as error:
            _fail(chosen, error)


def byte_size(message: Any) -> int:
    """Of a protobuf."""
    return int(message.ByteSize())


def _answer(chosen: Sequence[_Asked[Item, Result]], results: Sequence[Result]) -> None:
    """Raises ValueError when there are more or fewer results than items."""
    if len(results) != sum(len(asked.items) for asked in chosen):
        raise ValueError("a call has a result for each item")
    start = 0
    for asked in chosen:
        if not asked.answer.done():
            asked.answer.set_result(results[start : start + len(asked.items)])
        start += len(asked.items)


def _cancel(chosen: Sequence[_Asked[Item, Result]]) -> None:
    for asked in chosen:
        asked.answer.cancel()


def _fail(chosen: Sequence[_Asked[Item, Result]], error: Exception) -> None:
    for asked in chosen:
        if not asked.answer.done():
            asked.answer.set_exception(error)
