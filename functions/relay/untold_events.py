"""Publishes the events that whoever changed the delivery has not, as it died or Pub/Sub did not answer.

What if the process dies after the publish: they are still on record, and published once more with the same ids.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from shared.delivery.store import SHARDS, Store
from shared.runtime.logs import get_logger
from shared.sending.event_messages import EventPublisher
from shared.sending.telling_store import tell

log = get_logger(__name__)

BATCH = 200
SWEEP_SECONDS = 40.0  # after this a sweep begins no new batch


@dataclass(frozen=True, slots=True)
class UntoldEvents:
    """store: of records, not one that tells; shards: as of the relay"""

    store: Store
    publisher: EventPublisher
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    shards: Sequence[int | None] = field(default_factory=lambda: range(SHARDS))

    async def sweep(self) -> int:
        """Of how many deliveries the events were published. Raises StoreUnavailable."""
        give_up_at = time.monotonic() + SWEEP_SECONDS
        ended = await asyncio.gather(
            *(self._sweep_shard(shard, give_up_at) for shard in self.shards), return_exceptions=True
        )
        for done in ended:
            if isinstance(done, BaseException):
                raise done
        return sum(done for done in ended if isinstance(done, int))

    async def _sweep_shard(self, shard: int | None, give_up_at: float) -> int:
        count = 0
        while time.monotonic() < give_up_at:
            untold = await self.store.untold(shard, self.now(), BATCH)
            if not untold:
                break
            versions = await tell(self.store, self.publisher, untold)
            done = sum(version is not None for version in versions)
            count += done
            if len(untold) < BATCH or not done:
                break
        return count
