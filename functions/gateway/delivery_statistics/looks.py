"""How often one looks: everybody is shown the same look, which is kept, and an instance makes one at a time.

So however many ask, and however often, an instance counts for one.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from enum import IntEnum
from typing import Generic, TypeVar

from shared.delivery.errors import StoreUnavailable

T = TypeVar("T")

KEPT_SECONDS = 10.0  # for each hour that is looked back
FAILED_SECONDS = 5.0
DEADLINE_SECONDS = 15.0  # with the time that it waits for another one; clients and load balancers wait for 20 at least


class Hours(IntEnum):
    ONE = 1
    SIX = 6
    DAY = 24


class Looks(Generic[T]):
    """look: makes one of so many hours"""

    def __init__(self, look: Callable[[Hours], Awaitable[T]], monotonic: Callable[[], float] = time.monotonic) -> None:
        self._look = look
        self._monotonic = monotonic
        self._kept: dict[Hours, asyncio.Task[T]] = {}
        self._until: dict[Hours, float] = {}
        self._one_at_a_time = asyncio.Lock()

    async def latest(self, hours: Hours) -> T:
        """Whoever waits may go away meanwhile: it is made for the others. Raises StoreUnavailable."""
        made = self._kept.get(hours)
        if made is None or (made.done() and self._monotonic() >= self._until[hours]):
            made = self._kept[hours] = asyncio.create_task(self._make(hours))
            made.add_done_callback(_heard)
        return await asyncio.shield(made)

    async def _make(self, hours: Hours) -> T:
        kept = FAILED_SECONDS
        try:
            async with asyncio.timeout(DEADLINE_SECONDS), self._one_at_a_time:
                look = await self._look(hours)
            kept = KEPT_SECONDS * hours
        except TimeoutError:
            raise StoreUnavailable(f"counting took more than {DEADLINE_SECONDS:.0f} s") from None
        finally:
            self._until[hours] = self._monotonic() + kept
        return look


def _heard(made: "asyncio.Task[object]") -> None:
    """Of a failure, also where nobody waits any more."""
    if not made.cancelled():
        made.exception()
