"""The relay: this one rule is outbox, crash recovery, lost-message recovery and deferral.

Each overdue delivery has its due time moved on first, and is then published. What if the process dies between
the two: the delivery is due again, later. What if two relays run at once: only one's write of the due time
succeeds, and only that one publishes.

What is due of a channel that is held, as it is paused or its providers are down, is not read: it stays due. When the
channel is let go it is published the oldest first, no faster than its ramp. Of one whose providers are down a single
delivery is published when a probe is wanted: it may be that nothing new comes that could be one.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from shared.delivery.errors import PublishFailed
from shared.delivery.model import Delivery, DeliveryStatus, Rule
from shared.delivery.retries import Policy
from shared.delivery.state_machine import relayed
from shared.delivery.store import SHARDS, Store
from shared.runtime import failpoints, telemetry
from shared.runtime.failpoints import Failpoint
from shared.runtime.logs import get_logger
from shared.sending.breaker import Ramp
from shared.sending.channel_states import ChannelState, ChannelStates, hold_of, holds_of, resumed_at
from shared.sending.messages import Publisher, hint
from shared.sending.waiting_deliveries import is_waited_for, publish_waiting

log = get_logger(__name__)

BATCH = 300  # deliveries read, written and published at a time, per shard; one BatchWrite takes 500
SWEEP_SECONDS = 57.0  # after this a sweep begins no new batch: the next call is due in three seconds


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

    channel_states: which channels are held; channels: all that there are, asked for while one is
    """

    store: Store
    publisher: Publisher
    policy: Policy
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    shards: Sequence[int | None] = field(default_factory=lambda: range(SHARDS))
    channel_states: ChannelStates | None = None
    channels: Callable[[], Sequence[str]] = tuple
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def sweep(self) -> Swept:
        """Publish all that is overdue, in bounded time. Raises StoreUnavailable."""
        swept = Swept()
        give_up_at = time.monotonic() + SWEEP_SECONDS
        states = await self._states()
        shards = [self._sweep_shard(shard, swept, give_up_at) for shard in self.shards]
        ramped = [self._sweep_ramped(channel, swept, give_up_at) for channel in self._ramped(states)]
        probed = [
            self._publish_probe(state.channel, states, swept) for state in states.values() if self._wants_probe(state)
        ]
        # Each to its end: one that cannot be read does not keep the others' deliveries back.
        ended = await asyncio.gather(*shards, *ramped, *probed, return_exceptions=True)
        if swept.published or swept.dead or swept.unpublished:
            log.info("swept", published=swept.published, dead=swept.dead, unpublished=swept.unpublished)
        for error in ended:
            if error is not None:
                raise error
        return swept

    async def _sweep_shard(self, shard: int | None, swept: Swept, give_up_at: float) -> None:
        while time.monotonic() < give_up_at:
            states = await self._states()
            overdue = await self._overdue(shard, states)
            if not await self._republish(overdue, states, swept) or len(overdue) < BATCH:
                return

    async def _overdue(self, shard: int | None, states: Mapping[str, ChannelState]) -> Sequence[Delivery]:
        apart = {*holds_of(states), *self._ramped(states)}
        if not apart:
            return await self.store.overdue(shard, self.now(), BATCH)
        others = [channel for channel in self.channels() if channel not in apart]
        return await self.store.overdue(shard, self.now(), BATCH, others) if others else []

    async def _sweep_ramped(self, channel: str, swept: Swept, give_up_at: float) -> None:
        """What has waited while the channel was held: each second as much as its ramp allows, of all shards alike."""
        left = 0.0
        while (began := time.monotonic()) < give_up_at:
            states = await self._states()
            ramp = self._ramped(states).get(channel)
            if ramp is None:
                return  # it is held again, or nothing bounds it any more: the next sweep goes on
            left = min(left, 1.0) + ramp.rate(self.now())
            found = await self._oldest(channel, int(left))
            left -= len(found)
            await self._republish(found, states, swept)
            if not found and left >= 1:
                return
            await self.sleep(max(0.0, began + 1.0 - time.monotonic()))

    async def _oldest(self, channel: str, limit: int) -> Sequence[Delivery]:
        """Of all shards alike; as many, but that each shard gives a whole number."""
        if limit < 1:
            return []
        each = min(BATCH, -(-limit // len(self.shards)))
        asked = (self.store.overdue(shard, self.now(), each, [channel]) for shard in self.shards)
        return [delivery for shard in await asyncio.gather(*asked) for delivery in shard]

    async def _publish_probe(self, channel: str, states: Mapping[str, ChannelState], swept: Swept) -> None:
        oldest = await self._oldest(channel, 1)
        first = sorted(oldest, key=lambda delivery: delivery.due_at or delivery.created_at)[:1]
        await self._republish(first, states, swept)

    def _wants_probe(self, state: ChannelState) -> bool:
        hold = hold_of(state)
        if hold is None or hold.rule is not Rule.PROVIDER_DOWN:
            return False
        return any(breaker.wants_probe(self.now()) for breaker in state.breakers.values())

    def _ramped(self, states: Mapping[str, ChannelState]) -> Mapping[str, Ramp]:
        """Of the channels whose deliveries go by a ramp now."""
        now, holds = self.now(), holds_of(states)
        ramps = {name: state.ramp for name, state in states.items() if name not in holds}
        return {name: ramp for name, ramp in ramps.items() if ramp is not None and not ramp.is_over(now)}

    async def _states(self) -> Mapping[str, ChannelState]:
        return {} if self.channel_states is None else await self.channel_states.states()

    async def _republish(self, overdue: Sequence[Delivery], states: Mapping[str, ChannelState], swept: Swept) -> bool:
        """Moves their due times on, and publishes them; those that only this relay has moved. Whether there was one."""
        if not overdue:
            return False
        now = self.now()
        moved = [relayed(d, now, self.policy, resumed_at(states, d.channel)) for d in overdue]
        ours: list[Delivery] = []
        for begin in range(0, len(moved), BATCH):
            some = moved[begin : begin + BATCH]
            written = await self.store.update_all(some)
            ours += [
                replace(d, version=version) for d, version in zip(some, written, strict=True) if version is not None
            ]
        failpoints.reached(Failpoint.MOVED)
        await self._publish([d for d in ours if d.pending], swept)
        failpoints.reached(Failpoint.REPUBLISHED)
        for delivery in ours:
            if not delivery.pending:
                await self._ended(delivery, swept)
        return bool(ours)

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
