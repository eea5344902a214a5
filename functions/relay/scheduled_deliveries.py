"""Publishes what is scheduled before the next call, each to its second.

Nothing is written: a scheduled delivery is due at its time anyway. What if the process dies here, or Pub/Sub is out:
the next sweep finds it overdue. What if two look ahead at once: a second message does no harm, the claim lets one
through.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from shared.delivery.errors import PublishFailed, StoreUnavailable
from shared.delivery.model import Delivery
from shared.delivery.store import SHARDS, Store
from shared.runtime import failpoints
from shared.runtime.failpoints import Failpoint
from shared.runtime.logs import get_logger
from shared.sending.channel_states import ChannelStates, holds_of
from shared.sending.messages import Message, Publisher, hint, message_of

log = get_logger(__name__)

BATCH = 1000  # deliveries read at a time, per shard
_LOADED = 32  # at a time: a record has up to 1 MiB
_SHORTEST_WAIT = 0.05  # seconds: what is due within goes together
_LONGEST_WAIT = 1.0  # between two looks at a clock that may jump


@dataclass(frozen=True, slots=True)
class LookedAhead:
    """waited: seconds after what is scheduled was read, until each had been published in its time"""

    published: int = 0
    waited: float = 0.0


@dataclass(frozen=True, slots=True)
class ScheduledDeliveries:
    """ahead: how far it looks; shards, channel_states: as of the relay."""

    store: Store
    publisher: Publisher
    ahead: timedelta
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    shards: Sequence[int | None] = field(default_factory=lambda: range(SHARDS))
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    channel_states: ChannelStates | None = None

    async def sweep(self) -> LookedAhead:
        """Ends when nothing more is scheduled for the time that it looks ahead to. What fails is left to the next."""
        began = time.monotonic()
        start = self.now()
        end = start + self.ahead
        published, waited = 0, 0.0
        while start < end and time.monotonic() - began < self.ahead.total_seconds():
            waiting, start = await self._scheduled(start, end)
            read_at = time.monotonic()
            while waiting and time.monotonic() - began < self.ahead.total_seconds():
                await self.sleep(min(max(self._left(waiting[0]), _SHORTEST_WAIT), _LONGEST_WAIT))
                due = []
                while waiting and self._left(waiting[0]) <= 0:
                    due.append(waiting.popleft())
                published += await self._publish(due)
            waited += time.monotonic() - read_at
        return LookedAhead(published, round(waited, 3))

    async def _scheduled(self, start: datetime, end: datetime) -> tuple[deque[Delivery], datetime]:
        """The next ones in their order, and from when on there may be more."""
        try:
            shards = await asyncio.gather(*(self.store.scheduled(shard, start, end, BATCH) for shard in self.shards))
        except StoreUnavailable as error:
            log.error("what is scheduled could not be read", error=str(error))
            return deque(), end
        # A full shard may have more behind its last one: all go on from the earliest of these.
        until = min((_time(found[-1]) for found in shards if len(found) == BATCH), default=end)
        if until <= start:  # more at one moment than a batch has: these are overdue in a moment
            until = start + timedelta(seconds=1)
        found = [delivery for shard in shards for delivery in shard if _time(delivery) < until]
        return deque(sorted(found, key=_time)), until

    def _left(self, delivery: Delivery) -> float:
        return (_time(delivery) - self.now()).total_seconds()

    async def _publish(self, due: Sequence[Delivery]) -> int:
        if self.channel_states is not None:
            holds = holds_of(await self.channel_states.states())
            due = [delivery for delivery in due if delivery.channel not in holds]
        if not due:
            return 0
        try:
            await self.publisher.publish(await self._messages(due))
        except PublishFailed as error:
            log.error("not published, the next sweep finds them overdue", count=len(due), error=str(error))
            return 0
        failpoints.reached(Failpoint.PUBLISHED_ON_TIME)
        return len(due)

    async def _messages(self, due: Sequence[Delivery]) -> list[Message]:
        """With what their function needs, as at accept: it then reads nothing, and is done with a second's in time."""
        keys = [(delivery.notification_id, delivery.channel) for delivery in due]
        try:
            chunks = [keys[i : i + _LOADED] for i in range(0, len(keys), _LOADED)]
            found = [pair for many in await asyncio.gather(*map(self.store.load_all, chunks)) for pair in many]
        except StoreUnavailable:
            found = []
        loaded = {(d.notification_id, d.channel): message_of(n, d) for n, d in found if d.scheduled_for is not None}
        return [loaded.get(key, hint(delivery)) for key, delivery in zip(keys, due, strict=True)]


def _time(delivery: Delivery) -> datetime:
    assert delivery.scheduled_for is not None  # noqa: S101 - it was found by it
    return delivery.scheduled_for
