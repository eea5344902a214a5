"""People's records, and as of when each was as it was; and what people say while their messages are on the way."""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

from shared.delivery.model import CategoryClass, Delivery, QuietHours, Recipient, SuppressionReason
from shared.people.category import Category
from shared.people.permission import Person
from shared.people.suppression import CLASS_BY_REASON, Entry, Suppression
from tests.fakes.clock import START
from tests.fakes.people import MemoryPeople
from tests.simulation.records import Records

PERSON = "person"
CLASSES = {"news": CategoryClass.MARKETING, "orders": CategoryClass.SERVICE, "codes": CategoryClass.TRANSACTIONAL}
ONE_A_DAY = "news"


class People(MemoryPeople):
    """`answered`: what was said and is never taken back, by address and reason.
    `sent`: what each person was begun to be sent of a category on a day.
    """

    def __init__(self, records: Records, random: Random, capped: bool) -> None:
        super().__init__(records)
        self.answered: set[tuple[str, SuppressionReason]] = set()
        self.sent: defaultdict[tuple[str, str, str], set[str]] = defaultdict(set)
        self.is_capped = capped
        self._records = records
        self._suppressions: defaultdict[str, list[tuple[float, Suppression | None]]] = defaultdict(list)
        for name, class_ in CLASSES.items():
            most = 1 if capped and name == ONE_A_DAY else None
            self._categories[name] = Category(name, class_, START, START, max_per_day=most)
        minute = START.hour * 60 + START.minute
        quiet = QuietHours(tuple(range(7)), minute + random.choice((0, 2)), minute + random.choice((5, 15)))
        addresses = {channel: f"{channel}-{PERSON}" for channel in ("email", "sms")}
        hours = (quiet,) if random.random() < 0.4 else ()
        person = Recipient(PERSON, addresses, START, START, time_zone="UTC", quiet_hours=hours, version=1)
        records.registered(person)

    async def put_suppression(self, suppression: Suppression) -> None:
        await super().put_suppression(suppression)
        now = asyncio.get_running_loop().time()
        self._suppressions[suppression.id].append((now, self.suppressed.get(suppression.id)))

    def as_of(self, delivery: Delivery, time: float) -> Person:
        known = [
            s for at, s in self._suppressions[self.suppression_id(delivery.channel, delivery.address)] if at < time
        ]
        recipient = self._records.recipient_as_of(delivery.recipient or "", time)
        return Person(known[-1] if known else None, recipient, self._categories.get(delivery.category or ""))


def an_entry(reason: SuppressionReason, now: datetime) -> Entry:
    return Entry(reason, CLASS_BY_REASON[reason], now, "the simulation")


def another_preference(random: Random) -> Callable[[Recipient], Recipient]:
    wanted = {name: {channel: random.random() < 0.5 for channel in ("email", "sms")} for name in CLASSES}
    return lambda there: replace(there, preferences=wanted, updated_at=there.updated_at + timedelta(seconds=1))
