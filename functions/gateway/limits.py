"""How much each caller may use: requests a minute, notifications and segments a day (all by the clock, in UTC).

Each gateway counts by itself and exchanges with the record (one write that adds its count and returns everybody's)
every EXCHANGE_SECONDS, and whenever it has let through a tenth of the limit that the others cannot know of yet. So no
request waits for a count, no record is written at each request, and it is approximate: with n gateways a caller gets
at most about n tenths more than its limit, and what arrives while an exchange is on its way. Should the records be out
of reach, each gateway holds it to the limit by itself.
"""

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from functions.gateway.address_limits import AddressLimits
from functions.gateway.caller_store import CallerStore, Usage
from functions.gateway.callers import Caller
from functions.gateway.problems import Problem
from shared.errors import StoreUnavailable
from shared.logs import get_logger

log = get_logger(__name__)

EXCHANGE_SECONDS = 10.0
IDLE_EXCHANGE_SECONDS = 50.0  # of a caller without limits: for its last use, which is to be at most a minute behind
MOST_CALLERS = 10_000


@dataclass(slots=True)
class _Count:
    """Of one caller. `known`: everybody's, as of the last exchange; `new`: ours since."""

    at: datetime
    known_requests: int = 0
    new_requests: int = 0
    known_notifications: int = 0
    new_notifications: int = 0
    known_segments: int = 0
    new_segments: int = 0
    exchanged: float = float("-inf")
    exchange: "asyncio.Task[None] | None" = None

    def roll(self, now: datetime) -> None:
        """Begin a new minute, and a new day."""
        if now.date() != self.at.date():
            self.known_notifications = self.new_notifications = 0
            self.known_segments = self.new_segments = 0
        if _minute(now) != _minute(self.at):
            self.known_requests = self.new_requests = 0
        self.at = now


class Limits:
    def __init__(
        self, store: CallerStore, now: Callable[[], datetime], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.addresses = AddressLimits(store, now)
        self._store = store
        self._now = now
        self._monotonic = monotonic
        self._counts: dict[str, _Count] = {}

    def request(self, caller: Caller) -> None:
        """Count a request. Problem 429 when there were enough in this minute."""
        count = self._count(caller)
        most = caller.requests_per_minute
        if most is not None and count.known_requests + count.new_requests >= most:
            self._exchange(caller, count)
            raise _too_many(f"{most} requests a minute", count.at, _next_minute(count.at))
        count.new_requests += 1
        self._exchange(caller, count)

    def notification(self, caller: Caller, segments: int = 0) -> None:
        """Count a notification that is cut into so many segments. Problem 429 when there were enough today."""
        count = self._count(caller)
        most = caller.notifications_per_day
        if most is not None and count.known_notifications + count.new_notifications >= most:
            raise _too_many(f"{most} notifications a day", count.at, _next_day(count.at))
        most = caller.segments_per_day
        if segments and most is not None and count.known_segments + count.new_segments + segments > most:
            raise _too_many(f"{most} segments a day (segments_per_day)", count.at, _next_day(count.at))
        count.new_notifications += 1
        count.new_segments += segments

    def uncount(self, caller: Caller, segments: int = 0) -> None:
        """The notification that was just counted is none: it was there before."""
        count = self._count(caller)
        count.new_notifications -= 1
        count.new_segments -= segments

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
        unknown_to_others = (
            _tenths(count.new_requests, caller.requests_per_minute)
            or _tenths(count.new_notifications, caller.notifications_per_day)
            or _tenths(count.new_segments, caller.segments_per_day)
        )
        if unknown_to_others or self._monotonic() - count.exchanged >= pause:
            count.exchanged = self._monotonic()
            count.exchange = asyncio.create_task(self._add(caller.id, count))

    async def _add(self, caller_id: str, count: _Count) -> None:
        sent = Usage(caller_id, count.at, count.new_requests, count.new_notifications, count.new_segments)
        try:
            totals = await self._store.add(sent)
        except StoreUnavailable as error:
            # Added again with the next one, although it may have landed: a caller may get somewhat less.
            log.warning("usage not exchanged", caller=caller_id, error=str(error))
            return
        now = self._now()
        if now.date() == sent.at.date():
            count.known_notifications = totals.notifications
            count.new_notifications -= sent.notifications
            count.known_segments = totals.segments
            count.new_segments -= sent.segments
        if _minute(now) == _minute(sent.at) and count.new_requests >= sent.requests:
            count.known_requests = totals.requests
            count.new_requests -= sent.requests


def _tenths(new: int, limit: int | None) -> bool:
    return limit is not None and new >= max(1, limit // 10)


def _too_many(limit: str, now: datetime, again: datetime) -> Problem:
    seconds = math.ceil((again - now).total_seconds())
    return Problem(429, f"this caller has a limit of {limit}", headers={"Retry-After": str(seconds)})


def _minute(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)


def _next_minute(now: datetime) -> datetime:
    return _minute(now) + timedelta(minutes=1)


def _next_day(now: datetime) -> datetime:
    return now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
