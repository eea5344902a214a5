"""Asking what is on record of the person a delivery is for, once it is claimed: the read goes beside the claim's write.

What if the process dies between the claim and its being given back: the lease runs out, and the next claim asks again.
Nothing was sent, which nobody knows then, so the lost attempt is on record as unknown.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.delivery.errors import AlreadyExists, Conflict, StoreUnavailable, UnreadableRecord
from shared.delivery.gate import Go, Permission
from shared.delivery.model import Delivery, Rule
from shared.people.frequency import DaysNotifications, day_of, frequency_id
from shared.people.people_store import PeopleStore
from shared.people.permission import NOBODY, Person, class_of, permission, permission_by_frequency, unread
from shared.runtime.logs import get_logger

log = get_logger(__name__)

AGAIN = timedelta(seconds=30)  # after which what could not be read is asked for again
_READS = 2
_TRIES = 10  # to be counted, that others are faster than
_KEPT = timedelta(days=3)  # the record of a day, wherever on earth it is


@dataclass(frozen=True, slots=True)
class Asking:
    people: PeopleStore
    now: Callable[[], datetime]
    unsubscribes: bool = True

    async def person(self, delivery: Delivery) -> Person | None:
        """None when the records cannot be read."""
        for _ in range(_READS):
            try:
                return await self.people.person(delivery)
            except StoreUnavailable as error:
                log.warning("people unread", error=str(error), **_ids(delivery))
            except UnreadableRecord as error:
                log.error("people unread", error=str(error), **_ids(delivery))
                break
        return None

    async def permission(self, claimed: Delivery, person: Person | None) -> Permission:
        """Whether the claimed delivery may be sent; what it has to be counted in is written when it may."""
        now = self.now()
        if person is None:
            return unread(claimed, Rule.PEOPLE_UNREAD, class_of(claimed, NOBODY), now, AGAIN)
        said = permission(claimed, person, now, unsubscribes=self.unsubscribes)
        capped = person.category is not None and person.category.max_per_day is not None
        if said != Go() or not capped or claimed.simulated:  # nobody gets that: it is none of the day's
            return said
        return await self._counted(claimed, person, now)

    async def _counted(self, claimed: Delivery, person: Person, now: datetime) -> Permission:
        day, _ = day_of(person.recipient, now)
        for _ in range(_TRIES):
            try:
                had = await self.people.days_notifications(frequency_id(claimed, day))
                said = permission_by_frequency(claimed, person, had, now)
                if not isinstance(said, DaysNotifications):
                    return said
                await self.people.count(said, now + _KEPT)
            except (Conflict, AlreadyExists):
                continue
            except (StoreUnavailable, UnreadableRecord) as error:
                log.warning("not counted", error=str(error), **_ids(claimed))
                break
            return Go()
        return unread(claimed, Rule.FREQUENCY, class_of(claimed, person), now, AGAIN)


def _ids(delivery: Delivery) -> dict[str, str]:
    return {"notification_id": delivery.notification_id, "channel": delivery.channel}
