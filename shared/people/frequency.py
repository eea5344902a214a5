"""How many notifications of a category a person has had today."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from shared.delivery.model import Delivery, Recipient


@dataclass(frozen=True, slots=True)
class DaysNotifications:
    """Those of one category that a person has been let have on one day, by id, so that a second channel or another
    attempt of one is no further one. version: of the record as read, None: there is none yet
    """

    id: str
    notifications: tuple[str, ...] = ()
    version: int | None = None


def day_of(recipient: Recipient | None, now: datetime) -> tuple[date, datetime]:
    """The person's day, and when the next begins. In UTC where nobody knows their time zone."""
    zone = ZoneInfo(recipient.time_zone) if recipient is not None and recipient.time_zone else UTC
    today = now.astimezone(zone).date()
    return today, datetime.combine(today + timedelta(days=1), time(), zone).astimezone(UTC)


def frequency_id(delivery: Delivery, day: date) -> str:
    """Of the record: one a person, category and day. A person without a name is an address."""
    person = delivery.recipient or f"{delivery.channel}\n{delivery.address.casefold()}"
    return hashlib.sha256(f"{delivery.category}\n{day.isoformat()}\n{person}".encode()).hexdigest()[:32]
