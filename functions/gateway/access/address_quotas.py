"""How many messages an hour (by the clock) go to one address, from all callers together. What is scheduled counts in
the hour that it is for.

Each gateway counts by itself. Whenever it has let through a tenth of the limit (at least one) that the others cannot
know of yet, it exchanges with the record, beside the request: one write that adds its count and returns everybody's.
So a message to an address that gets few costs no write, and it is approximate, as the quotas of callers are: with n
gateways an address gets at most about n tenths more, and what arrives while an exchange is on its way. Should the
records be out of reach, or more addresses than MOST_ADDRESSES be written to within the hour, a gateway knows what it
still has.

An address is kept as a hash. What a test key sends reaches nobody, and is counted apart.
"""

import asyncio
import hashlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from functions.gateway.access.caller_store import CallerStore
from functions.gateway.web.problem_details import Problem
from shared.channels.declaration import Screen
from shared.delivery.errors import StoreUnavailable
from shared.runtime.logs import get_logger

log = get_logger(__name__)

MOST_ADDRESSES = 50_000  # of a quarter of a kB


@dataclass(slots=True)
class AddressCount:
    """Of one address in one hour. `known`: everybody's, as of the last exchange; `new`: ours since."""

    key: str
    hour: datetime
    most: int
    known: int = 0
    new: int = 0
    exchange: "asyncio.Task[None] | None" = None

    @property
    def unknown_to_others(self) -> bool:
        """Whether it is a tenth of the limit, or more."""
        return self.new >= max(1, self.most // 10)


class AddressQuotas:
    def __init__(self, store: CallerStore, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now
        self._hour: datetime | None = None
        self._counts: dict[tuple[str, datetime], AddressCount] = {}

    def check(
        self,
        screens: Mapping[str, Screen],
        addresses: Mapping[str, str],
        at: datetime | None = None,
        *,
        simulated: bool,
    ) -> Sequence[AddressCount]:
        """The counts of those addresses, by channel, that have a limit. at: when it is to go; None: now

        Problem 429 when one has had enough.
        """
        counts = []
        for channel, address in addresses.items():
            screen = screens.get(channel)
            if screen is None or screen.most_per_hour is None:
                continue
            now = self._now()
            count = self._count(f"{channel}\n{address}\n{simulated}", screen.most_per_hour, now, at or now)
            if count.known + count.new >= count.most:
                raise _too_many(screen, count, now)
            counts.append(count)
        return counts

    def add(self, counts: Iterable[AddressCount]) -> None:
        """A message goes to each of them."""
        for count in counts:
            count.new += 1
            idle = count.exchange is None or count.exchange.done()
            if idle and count.unknown_to_others:
                count.exchange = asyncio.create_task(self._exchange(count))

    @staticmethod
    def uncount(counts: Iterable[AddressCount]) -> None:
        """The messages that were just added are none: they were there before."""
        for count in counts:
            count.new -= 1

    def _count(self, address: str, most: int, now: datetime, at: datetime) -> AddressCount:
        this_hour = _hour(now)
        if this_hour != self._hour:
            self._hour = this_hour
            self._counts = {key: count for key, count in self._counts.items() if count.hour >= this_hour}
        key = hashlib.sha256(address.encode()).hexdigest()[:32], _hour(max(now, at))
        if key not in self._counts:
            if len(self._counts) >= MOST_ADDRESSES:
                del self._counts[next(iter(self._counts))]
            self._counts[key] = AddressCount(*key, most)
        return self._counts[key]

    async def _exchange(self, count: AddressCount) -> None:
        """Once more if meanwhile a tenth has come together that this exchange did not take along."""
        while count.unknown_to_others:
            sent = count.new
            try:
                count.known = await self._store.add_messages(count.key, count.hour, sent)
            except StoreUnavailable as error:
                # Added again with the next one, although it may have landed: an address may get somewhat less.
                log.warning("messages to an address not exchanged", error=str(error))
                return
            count.new -= sent


class AddressHasEnough(Problem):
    """429: whatever else its caller sends may go."""


def _hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)


def _too_many(screen: Screen, count: AddressCount, now: datetime) -> AddressHasEnough:
    left = count.hour + timedelta(hours=1) - now
    return AddressHasEnough(
        429,
        f"{screen.setting}: {count.most} messages an hour go to one address, and this one has had them",
        headers={"Retry-After": str(math.ceil(left.total_seconds()))},
    )
