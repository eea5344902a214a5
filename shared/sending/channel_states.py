"""Whether a channel sends now: an operator pauses it, and whoever sends or publishes asks here.

A pause is one record. What is pending of a paused channel is left as it is: no push of it is claimed, and the relay
publishes none of it. So a pause of a million deliveries writes to none of them, and neither does its end.

What if the process dies at a pause or a resume: its one write has landed or not, and whoever has no answer asks again.
"""

import asyncio
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from shared.delivery.errors import StoreUnavailable, UnreadableRecord
from shared.delivery.gate import Later
from shared.delivery.model import Delivery, DeliveryStatus, Rule
from shared.runtime.logs import get_logger

log = get_logger(__name__)

LOOK_AGAIN = 2.0  # seconds
OBEYED = 5.0  # seconds after a pause was answered, within which everybody knows of it
AGAIN = timedelta(seconds=30)
"""After which a delivery is looked at again whose claim found the channel paused."""


class Activity(StrEnum):
    ACTIVE = "active"
    PAUSED = "paused"  # until somebody resumes it


@dataclass(frozen=True, slots=True)
class ChannelState:
    """What an operator last said of a channel. since: when; by: the caller's id; reason: in their words

    version: of the record as read; None: there was none
    """

    channel: str
    activity: Activity
    since: datetime
    by: str
    reason: str | None = None
    version: int | None = None


class ChannelStateStore(Protocol):
    """Any method may raise StoreUnavailable; a write may have landed all the same."""

    async def states(self) -> Mapping[str, ChannelState]:
        """By channel, of those of which somebody has said something."""
        ...

    async def put(self, state: ChannelState) -> None:
        """If the record still has its version. Raises AlreadyExists, Conflict, NotFound."""
        ...


class ChannelStates:
    """What is on record of the channels, as one process knows it: it looks again after LOOK_AGAIN, when somebody asks.

    Where it cannot look, it shows and publishes by what it knew; nothing is sent by what it knew OBEYED ago.
    """

    def __init__(self, store: ChannelStateStore, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._known: Mapping[str, ChannelState] = {}
        self._looked_at = self._known_at = -math.inf
        self._writes = 0
        self._looking: asyncio.Task[None] | None = None

    @property
    def known(self) -> Mapping[str, ChannelState]:
        """As of the last look, however long ago that is. Asks nobody."""
        return self._known

    async def states(self) -> Mapping[str, ChannelState]:
        """By channel, as a look found them that began no longer than LOOK_AGAIN ago."""
        oldest = self._clock() - LOOK_AGAIN
        while self._looked_at <= oldest:
            if self._looking is None or self._looking.done():
                self._looking = asyncio.create_task(self._look())
            # Others wait for the same look: one of them that gives up does not end it.
            await asyncio.shield(self._looking)
        return self._known

    async def read(self) -> Mapping[str, ChannelState]:
        """As they are on record now. Raises StoreUnavailable."""
        return await self._store.states()

    async def put(self, state: ChannelState) -> None:
        """What the store says. This process looks again at once."""
        try:
            await self._store.put(state)
        finally:
            self._looked_at, self._writes = -math.inf, self._writes + 1

    async def may_send(self, channel: str) -> bool:
        """Whether it is known not to be paused."""
        asked_at = self._clock()
        states = await self.states()
        return self._known_at >= asked_at - OBEYED and channel not in paused_of(states)

    async def _look(self) -> None:
        began, writes = self._clock(), self._writes
        try:
            self._known, self._known_at = await self._store.states(), began
        except (StoreUnavailable, UnreadableRecord) as error:
            log.warning("whether a channel is paused could not be read", error=str(error))
        if writes == self._writes:  # else it may have been before ours
            self._looked_at = began


def paused_of(states: Mapping[str, ChannelState]) -> Mapping[str, ChannelState]:
    return {name: state for name, state in states.items() if state.activity is Activity.PAUSED}


def resumed_at(states: Mapping[str, ChannelState], channel: str) -> datetime | None:
    """When the channel's last pause ended; None: it has had none, or one stands."""
    state = states.get(channel)
    return None if state is None or state.activity is Activity.PAUSED else state.since


def until_resumed(now: datetime) -> Later:
    """What the gate would say of a delivery whose channel is paused."""
    return Later(now + AGAIN, Rule.CHANNEL_PAUSED)


def as_held(deliveries: Sequence[Delivery], paused: Mapping[str, ChannelState], now: datetime) -> Sequence[Delivery]:
    """As they are to be shown: a pause is on the channel's record, and not on each delivery's."""
    if not paused:
        return deliveries
    return [_held(d, paused[d.channel], now) if d.channel in paused else d for d in deliveries]


def _held(d: Delivery, pause: ChannelState, now: datetime) -> Delivery:
    if not d.pending or d.status is DeliveryStatus.SENDING or (d.next_try_at is not None and d.next_try_at > now):
        return d  # it has ended, goes all the same, or would not go now anyway
    why = f"{d.channel} is paused since {pause.since.isoformat()}"
    return replace(d, status=DeliveryStatus.DEFERRED, reason=Rule.CHANNEL_PAUSED, error=why)
