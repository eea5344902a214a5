"""Comes back to the receipts that came before our own record of their send.

What if the process dies after one is applied, before it is forgotten: applying it twice is applying it once. What if
two relays run at once: the same.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from shared.delivery.store import SHARDS, Store
from shared.people.people_store import PeopleStore
from shared.runtime.logs import get_logger
from shared.sending.messages import Publisher
from shared.sending.receipts import ReceiptStore, Waiting, apply, first_pause

log = get_logger(__name__)

BATCH = 100
SWEEP_SECONDS = 8.0  # after this a sweep looks at no more: what is overdue needs the rest of the minute


@dataclass(frozen=True, slots=True)
class WaitingReceipts:
    """shards: as of the relay."""

    store: Store
    receipts: ReceiptStore
    people: PeopleStore
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    shards: Sequence[int | None] = field(default_factory=lambda: range(SHARDS))
    publisher: Publisher | None = None

    async def sweep(self) -> int:
        """How many were done with. Raises StoreUnavailable."""
        give_up_at = time.monotonic() + SWEEP_SECONDS
        shards = (self._sweep_shard(shard, give_up_at) for shard in self.shards)
        ended = await asyncio.gather(*shards, return_exceptions=True)
        for done in ended:
            if isinstance(done, BaseException):
                raise done
        return sum(done for done in ended if isinstance(done, int))

    async def _sweep_shard(self, shard: int | None, give_up_at: float) -> int:
        done = 0
        while time.monotonic() < give_up_at:
            due = await self.receipts.due(shard, self.now(), BATCH)
            for waiting in due:
                if time.monotonic() < give_up_at:
                    done += await self._look(waiting)
            if len(due) < BATCH:
                break
        return done

    async def _look(self, waiting: Waiting) -> bool:
        """Whether it is done with. Each look moves its due time on, further each time."""
        now = self.now()
        pause = await apply(self.store, self.people, waiting.receipt, now, self.publisher)
        if pause is None or now >= waiting.expire_at:
            if pause is not None:
                log.warning("a receipt of nothing that we know", provider=waiting.receipt.provider)
            await self.receipts.forget(waiting)
            return True
        pause = max(pause, first_pause(waiting.receipt) * 2**waiting.looks)
        await self.receipts.keep(replace(waiting, due_at=now + pause, looks=waiting.looks + 1))
        return False
