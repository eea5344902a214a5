"""The relay: this one rule is outbox, crash recovery, lost-message recovery and deferral.

Each overdue delivery has its due time moved on first, and is then published. What if the process dies between
the two: the delivery is due again, later. What if two relays run at once: only one's write of the due time
succeeds, and only that one publishes.

What is due of a channel that is paused is not read: it stays due, and goes when the channel is resumed.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from shared.delivery.errors import PublishFailed
from shared.delivery.model import Delivery, DeliveryStatus
from shared.delivery.retries import Policy
from shared.delivery.state_machine import relayed
from shared.delivery.store import SHARDS, Store
from shared.runtime import failpoints, telemetry
from shared.runtime.failpoints import Failpoint
from shared.runtime.logs import get_logger
from shared.sending.channel_states import ChannelState, ChannelStates, paused_of, resumed_at
from shared.sending.messages import Publisher, hint
from shared.sending.waiting_deliveries import is_waited_for, publish_waiting

log = get_logger(__name__)

BATCH = 300  # deliveries read, written and published at a time, per shard; one BatchWrite takes 500
SWEEP_SECONDS = 50.0  # after this a sweep begins no new batch: the next call is due in ten seconds


@dataclass(slots=True)
class Swept:
    """What one sweep did. `unpublished`: moved on, but Pub/Sub did not take all of their batch."""

    published: int = 0
    dead: int = 0
    expired: int = 0
    unpublished: int = 0


@dataclass(frozen=True, slots=True)
class Relay:
    """shards: what it asks for at once, each by itself; None is all of them (`Store.overdue`)

    channel_states: which channels are paused; channels: all that there are, asked for while one is
    """

    store: Store
    publisher: Publisher
    policy: Policy
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    shards: Sequence[int | None] = field(default_factory=lambda: range(SHARDS))
    channel_states: ChannelStates | None = None
    channels: Callable[[], Sequence[str]] = tuple

    async def sweep(self) -> Swept:
        """Publish all that is overdue, in bounded time. Raises StoreUnavailable."""
        swept = Swept()
        give_up_at = time.monotonic() + SWEEP_SECONDS
        shards = (self._sweep_shard(shard, swept, give_up_at) for shard in self.shards)
        # Every shard to its end: one that cannot be read does not keep the others' deliveries back.
        ended = await asyncio.gather(*shards, return_exceptions=True)
        if swept.published or swept.dead or swept.unpublished:
            log.info("swept", published=swept.published, dead=swept.dead, unpublished=swept.unpublished)
        for error in ended:
            if error is not None:
                raise error
        return swept

    async def _sweep_shard(self, shard: int | None, swept: Swept, give_up_at: float) -> None:
        while time.monotonic() < give_up_at:
            now = self.now()
            states = {} if self.channel_states is None else await self.channel_states.states()
            overdue = await self._overdue(shard, now, states)
            if not overdue:
                return
            moved = [relayed(d, now, self.policy, resumed_at(states, d.channel)) for d in overdue]
            written = await self.store.update_all(moved)
            ours = [
                replace(delivery, version=version)
                for delivery, version in zip(moved, written, strict=True)
                if version is not None
            ]
            failpoints.reached(Failpoint.MOVED)
            await self._publish([d for d in ours if d.pending], swept)
            failpoints.reached(Failpoint.REPUBLISHED)
            for delivery in ours:
                if not delivery.pending:
                    await self._ended(delivery, swept)
            if len(overdue) < BATCH or not ours:
                return

    async def _overdue(
        self, shard: int | None, now: datetime, states: Mapping[str, ChannelState]
    ) -> Sequence[Delivery]:
        paused = paused_of(states)
        if not paused:
            return await self.store.overdue(shard, now, BATCH)
        sending = [channel for channel in self.channels() if channel not in paused]
        return await self.store.overdue(shard, now, BATCH, sending) if sending else []

    async def _ended(self, delivery: Delivery, swept: Swept) -> None:
        ids = {"notification_id": delivery.notification_id, "channel": delivery.channel}
        if delivery.status is DeliveryStatus.DEAD:
            swept.dead += 1
            log.error("dead", reason=delivery.error, **ids)
        else:
            swept.expired += 1
            log.info("not sent", status=delivery.status, rule=delivery.reason, **ids)
        if is_waited_for(delivery):
            await publish_waiting(self.store, self.publisher, delivery)

    async def _publish(self, deliveries: list[Delivery], swept: Swept) -> None:
        messages = [hint(delivery) for delivery in deliveries]
        try:
            await self.publisher.publish(messages)
        except PublishFailed as error:
            swept.unpublished += len(messages)
            log.error("not published, due again soon", count=len(messages), error=str(error))
            # Pub/Sub's outage is no reason to wait longer each time: that is for deliveries that nobody takes.
            soon = self.now() + self.policy.grace
            await self.store.update_all([replace(d, due_at=soon, relays=d.relays - 1) for d in deliveries])
        else:
            swept.published += len(messages)
            for channel, amount in Counter(message.channel for message in messages).items():
                telemetry.count(telemetry.REPUBLISHED, {"channel": channel}, amount)
