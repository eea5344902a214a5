"""What Hark asks of the records about people. Any method may raise StoreUnavailable; a write may have landed."""

from datetime import datetime
from typing import Protocol

from shared.delivery.model import Delivery
from shared.delivery.store import Page
from shared.people.category import Category
from shared.people.frequency import DaysNotifications
from shared.people.permission import Person
from shared.people.suppression import Suppression


class PeopleStore(Protocol):
    async def person(self, delivery: Delivery) -> Person:
        """All that decides whether it may be sent, in one read. Raises UnreadableRecord."""
        ...

    async def days_notifications(self, frequency_id: str) -> DaysNotifications: ...

    async def count(self, day: DaysNotifications, expire_at: datetime) -> None:
        """Write it at the version as read. Raises Conflict or AlreadyExists when another was faster."""
        ...

    def suppression_id(self, channel: str, address: str) -> str:
        """The keyed hash of the address."""
        ...

    async def suppression(self, channel: str, suppression_id: str) -> Suppression | None: ...

    async def put_suppression(self, suppression: Suppression) -> None:
        """Write it at the version as read, None: there was none; without entries it is deleted.

        Raises Conflict, AlreadyExists or NotFound when another was faster.
        """
        ...

    async def suppressions(self, *, channel: str | None, limit: int, after: str | None) -> Page[Suppression, str]:
        """By their keys, those after this one."""
        ...

    async def category(self, name: str) -> Category | None: ...

    async def put_category(self, category: Category) -> None:
        """Write it at the version as read, None: there was none. Raises Conflict or AlreadyExists."""
        ...

    async def delete_category(self, name: str) -> None:
        """Raises NotFound, or Conflict on Firestore's emulator."""
        ...

    async def categories(self, *, limit: int, after: str | None) -> Page[Category, str]:
        """By name."""
        ...
