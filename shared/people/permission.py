"""Whether a person may be sent this now, by what is on record of them: the half of the gate that is asked beside the
claim's write.

                                   transactional  service  marketing
suppression, class all             stops          stops    stops
suppression, complaint or STOP                    stops    stops
suppression, another                                       stops    (any class but transactional: its categories)
preference, or a recipient who is gone            stops    stops
quiet hours                                       hold     hold
max_per_day of the category        holds          holds    holds    (unread: transactional goes, the others wait)
a channel without a way to leave                           stops    (its category has become marketing since)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from shared.delivery.gate import Go, Later, No, Permission
from shared.delivery.instants import rfc3339
from shared.delivery.model import CategoryClass, Delivery, DeliveryStatus, Recipient, Rule
from shared.people.category import Category
from shared.people.frequency import DaysNotifications, day_of
from shared.people.quiet_hours import end_of_quiet
from shared.people.suppression import Suppression

_CLOCKS_DIFFER = timedelta(minutes=1)
"""A recipient that was made later than this after what is sent to them is another one of that name."""
_BEFORE_ITS_RECORD_ENDS = timedelta(days=2)
"""For its attempts: what is held back longer would be deleted while it waits."""


@dataclass(frozen=True, slots=True)
class Person:
    """What is on record of whom a delivery is for. The default is that of somebody of whom nothing is."""

    suppression: Suppression | None = None
    recipient: Recipient | None = None
    category: Category | None = None

    def judged_by(self) -> Mapping[str, str] | None:
        """For the delivery's record: which of these there were, and as of when."""
        at: dict[str, str] = {}
        if self.suppression is not None and self.suppression.entries:
            version = self.suppression.version or 0
            at["suppression"] = rfc3339(datetime.fromtimestamp(version / 1e9, UTC))
        if self.recipient is not None:
            at["recipient"] = rfc3339(self.recipient.updated_at)
        if self.category is not None:
            at["category"] = rfc3339(self.category.updated_at)
        return at or None


NOBODY = Person()


def class_of(delivery: Delivery, person: Person) -> CategoryClass:
    if person.category is not None:
        return person.category.class_
    return delivery.category_class or CategoryClass.TRANSACTIONAL


def permission(delivery: Delivery, person: Person, now: datetime, *, unsubscribes: bool = True) -> Permission:
    """But for `max_per_day`, which is counted by whoever lets it go (`permission_by_frequency`).

    unsubscribes: whether one can over the delivery's channel
    """
    class_ = class_of(delivery, person)
    if class_ is CategoryClass.MARKETING and not unsubscribes:
        why = f"{delivery.category} is marketing now, and nobody can unsubscribe over {delivery.channel}"
        return No(DeliveryStatus.SUPPRESSED, Rule.NO_UNSUBSCRIBE, why)
    if person.suppression is not None:
        entry = person.suppression.stopping(class_, delivery.category)
        if entry is not None:
            why = f"{entry.reason} since {_said(entry.at)}: {entry.evidence}"
            return No(DeliveryStatus.SUPPRESSED, Rule.SUPPRESSION, why)
    if class_ is CategoryClass.TRANSACTIONAL or delivery.recipient is None:
        return Go()
    recipient = person.recipient
    if recipient is None or recipient.created_at > delivery.created_at + _CLOCKS_DIFFER:
        why = "the recipient is no longer on record, so what they want is not known"
        return No(DeliveryStatus.SUPPRESSED, Rule.PREFERENCE, why)
    if recipient.preferences.get(delivery.category or "", {}).get(delivery.channel) is False:
        why = f"the recipient wants no {delivery.category} over {delivery.channel}, as of {_said(recipient.updated_at)}"
        return No(DeliveryStatus.SUPPRESSED, Rule.PREFERENCE, why)
    if recipient.quiet_hours and recipient.time_zone:
        until = end_of_quiet(recipient.quiet_hours, ZoneInfo(recipient.time_zone), now)
        if until is not None:
            return _later(delivery, until, Rule.QUIET_HOURS, "the recipient's quiet hours end")
    return Go()


def permission_by_frequency(
    delivery: Delivery, person: Person, had: DaysNotifications, now: datetime
) -> Permission | DaysNotifications:
    """The day's record to write where this one is counted in it; else what may be done without a write."""
    most = None if person.category is None else person.category.max_per_day
    if most is None or delivery.notification_id in had.notifications:
        return Go()
    if len(had.notifications) >= most:
        _, tomorrow = day_of(person.recipient, now)
        return _later(delivery, tomorrow, Rule.FREQUENCY, "the day ends whose notifications they have had")
    return DaysNotifications(had.id, (*had.notifications, delivery.notification_id), had.version)


def unread(delivery: Delivery, rule: Rule, class_: CategoryClass, now: datetime, pause: timedelta) -> Permission:
    """What holds when a record cannot be read or written: a suppression that nobody could read may be one."""
    if rule is Rule.FREQUENCY and class_ is CategoryClass.TRANSACTIONAL:
        return Go(Rule.FREQUENCY)
    return _later(delivery, now + pause, rule, "what the person wants can be read again")


def _later(delivery: Delivery, until: datetime, rule: Rule, when: str) -> Permission:
    if delivery.deliver_by is not None and delivery.deliver_by <= until:
        return No(DeliveryStatus.EXPIRED, rule, f"its deliver_by comes before {when}")
    if delivery.expire_at is not None and until >= delivery.expire_at - _BEFORE_ITS_RECORD_ENDS:
        return No(DeliveryStatus.EXPIRED, rule, f"its record ends before {when}")
    return Later(until, rule)


def _said(at: datetime) -> str:
    return rfc3339(at.replace(microsecond=0))
