"""What fakes of stores have in common: their calls are counted, and fail when a test says so."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from shared.delivery.errors import StoreUnavailable


class OrderedFaults:
    """`calls` counts them by the method's name. Each gives way to others before and after it does its work, and does
    the work itself in one step, as a server does.
    """

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self._faults: dict[tuple[str, int], bool] = {}
        self._down: set[str] = set()
        self._spoilt: set[str] = set()

    def fail(self, operation: str, nth: int = 1, *, landed: bool = False) -> None:
        """The nth call of `operation` from now raises StoreUnavailable; `landed`: after it did its work."""
        self._faults[operation, self.calls[operation] + nth] = landed

    def down(self, *operations: str) -> None:
        """Each call of just these operations raises StoreUnavailable, until the next `down`."""
        self._down = set(operations)

    def spoil(self, path: str) -> None:
        """The record under this path, as Firestore has it, cannot be read from now on."""
        self._spoilt.add(path)

    @asynccontextmanager
    async def _call(self, operation: str) -> AsyncIterator[None]:
        self.calls[operation] += 1
        landed = self._faults.pop((operation, self.calls[operation]), None)
        await asyncio.sleep(0)
        if operation in self._down or landed is False:
            raise StoreUnavailable(f"{operation}: the fake was told to fail")
        yield
        await asyncio.sleep(0)
        if landed:
            raise StoreUnavailable(f"{operation}: the fake was told to lose its answer")
