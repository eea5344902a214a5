"""How much each caller may use: requests a minute, notifications and segments a day (all by the clock, in UTC).

Each gateway counts by itself and exchanges with the record (one write that adds its count and returns everybody's)
every EXCHANGE_SECONDS, and whenever it has let through a tenth of the limit (at least one) that the others cannot know
of yet. So no request waits for a count, no record is written at each request, and it is approximate: with n gateways a
caller gets at most n tenths more than its limit, and what arrives while an exchange is on its way. Should the records
be out of reach, each gateway holds it to the limit by itself.
"""

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from functions.gateway.access.address_quotas import AddressQuotas
from functions.gateway.access.caller import Caller
from functions.gateway.access.caller_store import CallerStore, Usage
from functions.gateway.web.problem_details import Problem
from shared.delivery.errors import StoreUnavailable
from shared.runtime.logs import get_logger

log = get_logger(__name__)

EXCHANGE_SECONDS = 10.0
IDLE_EXCHANGE_SECONDS = 50.0  # of a caller without limits: for its last use, which is to be at most a minute behind
MOST_CALLERS = 10_000


@dataclass(slots=True)
class Window:
    """What one caller uses within one minute or one day. `known`: everybody's, as of the last exchange; `new`: ours
    since.

    A new minute is a new Window, so that what was begun in the last one (an exchange, a notification that turns out to
    be none) ends in the last one.
    """

    start: datetime
    known: int = 0
    new: int = 0

    @property
    def used(self) -> int:
        return self.known + self.new


@dataclass(frozen=True, slots=True)
class Counted:
    """One notification that counts: for which day, with how many segments."""

    notifications: Window
    segments: Window
    cut_into: int

    def uncount(self) -> None:
        """It is none."""
        self.notifications.new -= 1
        self.segments.new -= self.cut_into


@dataclass(slots=True)
class _Count:
    """Of one caller. `at`: when it was last asked for."""

    at: datetime
    requests: Window = field(init=False)
    notifications: Window = field(init=False)
    segments: Window = field(init=False)
    exchanged: float = float("-inf")
    exchange: "asyncio.Task[None] | None" = None

    def __post_init__(self) -> None:
        self.requests = Window(_minute(self.at))
        self.notifications, self.segments = Window(_day(self.at)), Window(_day(self.at))

    def roll(self, now: datetime) -> None:
        """Begin a new minute, and a new day."""
        if self.requests.start != _minute(now):
            self.requests = Window(_minute(now))
        if self.notifications.start != _day(now):
            self.notifications, self.segments = Window(_day(now)), Window(_day(now))
        self.at = now


class CallerQuotas:
    def __init__(
        self, store: CallerStore, now: Callable[[], datetime], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.addresses = AddressQuotas(store, now)
        self._store = store
        self._now = now
        self._monotonic = monotonic
        self._counts: dict[str, _Count] = {}

    def request(self, caller: Caller) -> None:
        """Count a request. Problem 429 when there were enough in this minute."""
        count = self._count(caller)
        most = caller.requests_per_minute
        if most is not None and count.requests.used >= most:
            self._exchange(caller, count)
            raise _too_many(f"{most} requests a minute", count.at, _minute(count.at) + timedelta(minutes=1))
        count.requests.new += 1
        self._exchange(caller, count)

    def notification(self, caller: Caller, segments: int = 0) -> Counted:
        """Count a notification that is cut into so many segments. Problem 429 when there were enough today."""
        self.notification_left(caller, segments)
        count = self._count(caller)
        count.notifications.new += 1
        count.segments.new += segments
        self._exchange(caller, count)
        return Counted(count.notifications, count.segments, segments)

    async def exchange(self, caller: Caller) -> None:
        """Take in what others have counted, before many are counted in one go. Who has no limits pays nothing."""
        if {caller.notifications_per_day, caller.segments_per_day} == {None}:
            return
        count = self._count(caller)
        if count.exchange is not None:
            await count.exchange
        await self._begin(caller, count)

    def notification_left(self, caller: Caller, segments: int = 0) -> None:
        """Problem 429 when there were enough notifications today, or too many segments. Counts none."""
        count = self._count(caller)
        tomorrow = _day(count.at) + timedelta(days=1)
        most = caller.notifications_per_day
        if most is not None and count.notifications.used >= most:
            raise _too_many(f"{most} notifications a day", count.at, tomorrow)
        most = caller.segments_per_day
        if segments and most is not None and count.segments.used + segments > most:
            raise _too_many(f"{most} segments a day (segments_per_day)", count.at, tomorrow)

    def _count(self, caller: Caller) -> _Count:
        now = self._now()
        count = self._counts.get(caller.id)
        if count is None:
            if len(self._counts) >= MOST_CALLERS:
                del self._counts[next(iter(self._counts))]
            count = self._counts[caller.id] = _Count(now)
        count.roll(now)
        return count

    def _exchange(self, caller: Caller, count: _Count) -> None:
        """Begin an exchange if one is due. It runs beside the request, which does not wait for it."""
        if count.exchange is not None and not count.exchange.done():
            return
        limited = {caller.requests_per_minute, caller.notifications_per_day, caller.segments_per_day} != {None}
        pause = EXCHANGE_SECONDS if limited else IDLE_EXCHANGE_SECONDS
        if _unknown_to_others(caller, count) or self._monotonic() - count.exchanged >= pause:
            self._begin(caller, count)

    def _begin(self, caller: Caller, count: _Count) -> "asyncio.Task[None]":
        count.exchanged = self._monotonic()
        count.exchange = asyncio.create_task(self._add(caller, count))
        return count.exchange

    async def _add(self, caller: Caller, count: _Count) -> None:
        """Exchange, and once more if meanwhile a tenth has come together that this exchange did not take along."""
        due = True
        while due:
            requests, notifications, segments = count.requests, count.notifications, count.segments
            sent = Usage(caller.id, count.at, requests.new, notifications.new, segments.new)
            try:
                totals = await self._store.add(sent)
            except StoreUnavailable as error:
                # Added again with the next one, although it may have landed: a caller may get somewhat less.
                log.warning("usage not exchanged", caller=caller.id, error=str(error))
                return
            requests.known, notifications.known = totals.requests, totals.notifications
            segments.known = totals.segments
            requests.new -= sent.requests
            notifications.new -= sent.notifications
            segments.new -= sent.segments
            due = _unknown_to_others(caller, count)


def _unknown_to_others(caller: Caller, count: _Count) -> bool:
    """Whether it is a tenth of a limit, or more."""
    return (
        _tenths(count.requests.new, caller.requests_per_minute)
        or _tenths(count.notifications.new, caller.notifications_per_day)
        or _tenths(count.segments.new, caller.segments_per_day)
    )


def _tenths(new: int, limit: int | None) -> bool:
    return limit is not None and new >= max(1, limit // 10)


def _too_many(limit: str, now: datetime, again: datetime) -> Problem:
    seconds = math.ceil((again - now).total_seconds())
    return Problem(429, f"this caller has a limit of {limit}", headers={"Retry-After": str(seconds)})


def _minute(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)


def _day(at: datetime) -> datetime:
    return at.replace(hour=0, minute=0, second=0, microsecond=0)
