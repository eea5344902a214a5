"""One look at the records: a few hundred counts at most, eight at a time. Nothing is written for it at any time.

Of C channels these are, at most: 12 counts of what was accepted; for each channel 10 of statuses, 5 of whether there is
one in a status that is counted by steps, 12 steps of each of those, 3 of what waits and what is dead, and 4 queries for
the oldest; 3 queries for the newest failures. That is 15 + 82 C, 261 for three channels. One that finds very many takes
a second one (`MOST_EXACT`).
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from shared.delivery.model import PENDING, Delivery, DeliveryStatus
from shared.delivery.statistics import Count, StatisticsStore
from shared.delivery.store import Page, Position, Store

T = TypeVar("T")

STEPS = 12
MOST_AT_ONCE = 8  # calls of the records
MOST_FAILURES = 100  # that are read to see whose they are, in each status that is one

LINES: Mapping[str, tuple[DeliveryStatus, ...]] = {
    "sent": (DeliveryStatus.SENT, DeliveryStatus.DELIVERED),
    "failed": (DeliveryStatus.FAILED, DeliveryStatus.DEAD, DeliveryStatus.UNDELIVERED),
}
"""What is counted by steps."""
_IN_STEPS = [status for statuses in LINES.values() for status in statuses]
_AT_ONCE = [status for status in DeliveryStatus if status not in _IN_STEPS]
_WAITING = sorted(PENDING - {DeliveryStatus.SCHEDULED})


@dataclass(frozen=True, slots=True)
class ChannelStatistics:
    """by_status: where the deliveries that were accepted within the time stand now; steps: by line

    pending, dead: whenever they were accepted; pending without what is scheduled for later
    """

    channel: str
    by_status: Mapping[DeliveryStatus, int]
    steps: Mapping[str, Sequence[int]]
    pending: int
    oldest_pending_at: datetime | None
    dead: int


@dataclass(frozen=True, slots=True)
class Statistics:
    """steps: when each begins; accepted: notifications, by step

    failures: by provider, of the newest ones, which `failures_read` are; estimated: some numbers are (`Count`)
    """

    start: datetime
    end: datetime
    step: timedelta
    steps: Sequence[datetime]
    accepted: Sequence[int]
    channels: Sequence[ChannelStatistics]
    failures: Mapping[str, int]
    failures_read: int
    estimated: bool


class Look:
    """Counts once, over the `span` before `end`."""

    def __init__(self, counts: StatisticsStore, records: Store, span: timedelta, end: datetime) -> None:
        self._counts = counts
        self._records = records
        self._start, self._end = end - span, end
        self._step = span / STEPS
        self._steps = [self._start + n * self._step for n in range(STEPS)]
        self._places = asyncio.Semaphore(MOST_AT_ONCE)
        self._estimated = False

    async def statistics(self, channels: Sequence[str]) -> Statistics:
        """Raises StoreUnavailable."""
        accepted = await _all(self._number(partial(self._counts.accepted, *span)) for span in self._spans())
        of_channels = await _all(self._channel(channel) for channel in channels)
        failures = await _all(self._failures(status) for status in LINES["failed"])
        read = [delivery for some in failures for delivery in some]
        return Statistics(
            start=self._start,
            end=self._end,
            step=self._step,
            steps=self._steps,
            accepted=accepted,
            channels=of_channels,
            failures=Counter(provider for provider in map(_provider, read) if provider is not None),
            failures_read=len(read),
            estimated=self._estimated,
        )

    async def _channel(self, channel: str) -> ChannelStatistics:
        by_steps = await _all(self._by_steps(channel, status) for status in _IN_STEPS)
        of_steps = dict(zip(_IN_STEPS, by_steps, strict=True))
        whole = (self._start, self._end)
        numbers = await _all(
            self._number(partial(self._counts.deliveries, channel, status, *whole)) for status in _AT_ONCE
        )
        totals = dict(zip(_AT_ONCE, numbers, strict=True)) | {status: sum(many) for status, many in of_steps.items()}
        asked = (self._counts.due, self._counts.scheduled, self._counts.dead)
        due, scheduled, dead = await _all(self._number(partial(count, channel)) for count in asked)
        # What is counted one after the other may change meanwhile.
        pending = max(0, due - scheduled)
        waiting = _WAITING if pending else ()
        oldest = await _all(self._call(partial(self._counts.oldest, channel, status)) for status in waiting)
        return ChannelStatistics(
            channel=channel,
            by_status={status: totals[status] for status in DeliveryStatus},
            steps={
                line: [sum(step) for step in zip(*(of_steps[status] for status in statuses), strict=True)]
                for line, statuses in LINES.items()
            },
            pending=pending,
            oldest_pending_at=min((at for at in oldest if at is not None), default=None),
            dead=dead,
        )

    async def _by_steps(self, channel: str, status: DeliveryStatus) -> Sequence[int]:
        """In most statuses there is none: then one count says so."""
        if not await self._call(partial(self._counts.has_delivery, channel, status, self._start, self._end)):
            return [0] * STEPS
        count = partial(self._counts.deliveries, channel, status)
        return await _all(self._number(partial(count, *span)) for span in self._spans())

    async def _failures(self, status: DeliveryStatus) -> Sequence[Delivery]:
        """The newest of all channels."""
        asked: Callable[[], Awaitable[Page[Delivery, Position]]] = partial(
            self._records.in_status, caller=None, status=status, limit=MOST_FAILURES, after=None
        )
        page = await self._call(asked)
        return [delivery for delivery in page.items if delivery.created_at >= self._start]

    async def _number(self, count: Callable[[], Awaitable[Count]]) -> int:
        counted = await self._call(count)
        self._estimated |= counted.estimated
        return counted.number

    async def _call(self, call: Callable[[], Awaitable[T]]) -> T:
        async with self._places:
            return await call()

    def _spans(self) -> Sequence[tuple[datetime, datetime]]:
        return list(zip(self._steps, [*self._steps[1:], self._end], strict=True))


def _provider(delivery: Delivery) -> str | None:
    """Whose failure it is. None: no provider was asked."""
    return (delivery.attempts[-1].provider if delivery.attempts else None) or delivery.provider


async def _all(calls: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """What they give, in their order. The first that fails stops the others, and is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(call) for call in calls]
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return [task.result() for task in tasks]
