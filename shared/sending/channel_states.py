"""Whether a channel sends now: an operator pauses it, its providers' breakers open (`breaker.py`), and whoever sends or
publishes asks here.

Both are on one record. What is pending of a channel that is held is left as it is: no push of it is claimed, and the
relay publishes none of it. So a pause of a million deliveries writes to none of them, and neither does its end.

What if the process dies at a pause or a resume: its one write has landed or not, and whoever has no answer asks again.
"""

import asyncio
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from shared.delivery.errors import AlreadyExists, Conflict, NotFound, StoreUnavailable, UnreadableRecord
from shared.delivery.gate import Later
from shared.delivery.model import Delivery, DeliveryStatus, Rule
from shared.runtime.logs import get_logger
from shared.sending.breaker import Breaker, Ramp, all_open

log = get_logger(__name__)

LOOK_AGAIN = 2.0  # seconds
OBEYED = 5.0  # seconds after a pause was answered, within which everybody knows of it
AGAIN = timedelta(seconds=30)
"""After which a delivery is looked at again whose claim found the channel held."""


class Activity(StrEnum):
    ACTIVE = "active"
    PAUSED = "paused"  # until somebody resumes it


@dataclass(frozen=True, slots=True)
class ChannelState:
    """What an operator last said of a channel, and what its instances have found.

    since: when they said it; by: the caller's id; reason: in their words; None: nobody has said anything
    providers: those that its function may call, the first choice first
    breakers: by provider, of those that were ever open
    ramp: how fast what has waited is published; None: nothing has
    version: of the record as read; None: there was none
    """

    channel: str
    activity: Activity = Activity.ACTIVE
    since: datetime | None = None
    by: str | None = None
    reason: str | None = None
    providers: tuple[str, ...] = ()
    breakers: Mapping[str, Breaker] = field(default_factory=dict)
    ramp: Ramp | None = None
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """Why nothing goes over a channel, and since when. what: that is paused or down, for people"""

    rule: Rule
    since: datetime
    what: str


class ChannelStateStore(Protocol):
    """Any method may raise StoreUnavailable; a write may have landed all the same."""

    async def states(self) -> Mapping[str, ChannelState]:
        """By channel, of those that have a record."""
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

    async def change(
        self, channel: str, changed: Callable[[ChannelState], ChannelState | None]
    ) -> tuple[ChannelState, bool]:
        """The channel's state as it is on record then, and whether that is ours. This process looks again at once.

        changed: from what is on record to what is to be; None: it stays as it is. Called again whenever another is
        faster, for as long as the caller waits. Raises StoreUnavailable, UnreadableRecord.
        """
        while True:
            there = (await self._store.states()).get(channel) or ChannelState(channel)
            wanted = changed(there)
            try:
                if wanted is not None:
                    await self._store.put(wanted)
            except (AlreadyExists, Conflict, NotFound):
                continue
            finally:
                self._forget()
            await self.states()
            return wanted or there, wanted is not None

    async def put(self, state: ChannelState) -> None:
        """What the store says. This process looks again at once."""
        try:
            await self._store.put(state)
        finally:
            self._forget()

    def _forget(self) -> None:
        """What was looked at, and what somebody is looking at now, may be of before."""
        self._looked_at, self._writes = -math.inf, self._writes + 1

    async def may_send(self, channel: str) -> bool:
        """Whether it is known not to be paused."""
        asked_at = self._clock()
        states = await self.states()
        return self._known_at >= asked_at - OBEYED and channel not in paused_of(states)

    def of(self, channel: str) -> ChannelState:
        """As known."""
        return self._known.get(channel) or ChannelState(channel)

    async def _look(self) -> None:
        began, writes = self._clock(), self._writes
        try:
            self._known, self._known_at = await self._store.states(), began
        except (StoreUnavailable, UnreadableRecord) as error:
            log.warning("whether a channel is held could not be read", error=str(error))
        if writes == self._writes:  # else it may have been before ours
            self._looked_at = began


def paused_of(states: Mapping[str, ChannelState]) -> Mapping[str, ChannelState]:
    return {name: state for name, state in states.items() if state.activity is Activity.PAUSED}


def hold_of(state: ChannelState) -> Hold | None:
    """None: it sends. With several providers it is held when all are down."""
    if state.activity is Activity.PAUSED and state.since is not None:
        return Hold(Rule.CHANNEL_PAUSED, state.since, f"{state.channel} is paused")
    breakers = [state.breakers.get(provider) for provider in state.providers]
    if not all_open(breakers):
        return None
    since = max(breaker.since for breaker in breakers if breaker is not None)
    down = "is down" if len(breakers) == 1 else "are down"
    return Hold(Rule.PROVIDER_DOWN, since, f"{', '.join(state.providers)} {down}")


def holds_of(states: Mapping[str, ChannelState]) -> Mapping[str, Hold]:
    """By channel, of those over which nothing goes."""
    return {name: hold for name, state in states.items() if (hold := hold_of(state)) is not None}


def resumed_at(states: Mapping[str, ChannelState], channel: str) -> datetime | None:
    """When the channel was held last; None: it never was, or it is."""
    state = states.get(channel)
    if state is None or hold_of(state) is not None:
        return None
    ends = [breaker.since for breaker in state.breakers.values() if not breaker.is_open]
    return max([*ends, *([] if state.since is None else [state.since])], default=None)


def until_let(now: datetime, rule: Rule) -> Later:
    """What the gate would say of a delivery whose channel is held by this rule."""
    return Later(now + AGAIN, rule)


def as_held(deliveries: Sequence[Delivery], holds: Mapping[str, Hold], now: datetime) -> Sequence[Delivery]:
    """As they are to be shown: what holds them is on the channel's record, and not on each delivery's."""
    if not holds:
        return deliveries
    return [_held(d, holds[d.channel], now) if d.channel in holds else d for d in deliveries]


def _held(d: Delivery, hold: Hold, now: datetime) -> Delivery:
    if not d.pending or d.status is DeliveryStatus.SENDING or (d.next_try_at is not None and d.next_try_at > now):
        return d  # it has ended, goes all the same, or would not go now anyway
    why = f"{hold.what} since {hold.since.isoformat()}"
    return replace(d, status=DeliveryStatus.DEFERRED, reason=hold.rule, error=why)
