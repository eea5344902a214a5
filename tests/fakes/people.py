"""People's records in memory, as strict as Firestore about versions, with faults to order."""

from dataclasses import replace
from datetime import datetime
from itertools import count
from typing import TypeVar

from shared.delivery.errors import AlreadyExists, Conflict, NotFound, UnreadableRecord
from shared.delivery.model import Delivery
from shared.delivery.store import Page
from shared.people.category import Category
from shared.people.frequency import DaysNotifications
from shared.people.permission import Person
from shared.people.suppression import AddressHash, Suppression, suppression_key
from tests.fakes.ordered_faults import OrderedFaults
from tests.fakes.store import MemoryStore

R = TypeVar("R")


class MemoryPeople(OrderedFaults):
    """See `shared.people.people_store.PeopleStore`.

    store: that of the recipients
    """

    def __init__(self, store: MemoryStore) -> None:
        super().__init__()
        self.suppression_id = AddressHash("of a test")
        self._suppressed: dict[str, Suppression] = {}  # by key
        self._store = store
        self._categories: dict[str, Category] = {}
        self._days: dict[str, DaysNotifications] = {}
        self._versions = count(1_767_323_045_678_901_000, 1_000)

    def _one(self, path: str, record: R | None) -> R | None:
        if record is not None and path in self._spoilt:
            raise UnreadableRecord(f"{path}: spoilt")
        return record

    @property
    def suppressed(self) -> dict[str, Suppression]:
        """By id, as they stand on record."""
        return {there.id: there for there in self._suppressed.values()}

    def _suppression(self, channel: str, suppression_id: str) -> Suppression | None:
        key = suppression_key(channel, suppression_id)
        return self._one(f"suppressions/{key}", self._suppressed.get(key))

    def _category(self, name: str | None) -> Category | None:
        return self._one(f"categories/{name}", self._categories.get(name or ""))

    async def person(self, delivery: Delivery) -> Person:
        async with self._call("person"):
            suppression = self._suppression(delivery.channel, self.suppression_id(delivery.channel, delivery.address))
            if delivery.category is None:
                return Person(suppression)
            recipient = self._store.recipient_now(delivery.recipient or "")
            return Person(suppression, recipient, self._category(delivery.category))

    async def days_notifications(self, frequency_id: str) -> DaysNotifications:
        async with self._call("days_notifications"):
            day = self._one(f"frequencies/{frequency_id}", self._days.get(frequency_id))
            return day or DaysNotifications(frequency_id)

    async def count(self, day: DaysNotifications, expire_at: datetime) -> None:
        async with self._call("count"):
            there = self._days.get(day.id)
            _check(None if there is None else there.version, day.version)
            self._days[day.id] = replace(day, version=next(self._versions))

    async def suppression(self, channel: str, suppression_id: str) -> Suppression | None:
        async with self._call("suppression"):
            return self._suppression(channel, suppression_id)

    async def put_suppression(self, suppression: Suppression) -> None:
        async with self._call("put_suppression"):
            there = self._suppressed.get(suppression.key)
            if not suppression.entries and suppression.version is None:
                return
            _check(None if there is None else there.version, suppression.version)
            if suppression.entries:
                self._suppressed[suppression.key] = replace(suppression, version=next(self._versions))
            else:
                del self._suppressed[suppression.key]

    async def suppressions(self, *, channel: str | None, limit: int, after: str | None) -> Page[Suppression, str]:
        async with self._call("suppressions"):
            of_channel = {s.key: s for s in self._suppressed.values() if channel in {None, s.channel}}
            keys = [key for key in of_channel if not after or key > after]
            page = sorted(keys)[:limit]
            found = [of_channel[key] for key in page if f"suppressions/{key}" not in self._spoilt]
            return Page(found, page[-1] if len(keys) > limit else None)

    async def category(self, name: str) -> Category | None:
        async with self._call("category"):
            return self._category(name)

    async def put_category(self, category: Category) -> None:
        async with self._call("put_category"):
            there = self._categories.get(category.name)
            _check(None if there is None else there.version, category.version)
            self._categories[category.name] = replace(category, version=next(self._versions))

    async def delete_category(self, name: str) -> None:
        async with self._call("delete_category"):
            if name not in self._categories:
                raise NotFound(name)
            del self._categories[name]

    async def categories(self, *, limit: int, after: str | None) -> Page[Category, str]:
        async with self._call("categories"):
            names = sorted(name for name in self._categories if not after or name > after)
            page = names[:limit]
            found = [self._categories[name] for name in page if f"categories/{name}" not in self._spoilt]
            return Page(found, page[-1] if len(names) > limit else None)


def _check(there: int | None, known: int | None) -> None:
    if there != known:
        raise AlreadyExists("it is there") if known is None else Conflict("it has changed")
