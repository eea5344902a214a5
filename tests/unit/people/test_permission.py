"""What a person's records say of a delivery: the table of `permission.py`, case by case."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.delivery.gate import Go, Later, No
from shared.delivery.model import (
    CategoryClass,
    Delivery,
    DeliveryStatus,
    QuietHours,
    Recipient,
    Rule,
    SuppressionReason,
)
from shared.people.category import Category
from shared.people.frequency import DaysNotifications, day_of, frequency_id
from shared.people.permission import Person, class_of, permission, permission_by_frequency, unread
from shared.people.suppression import CLASS_BY_REASON, Entry, Suppression

K = CategoryClass
NOW = datetime(2026, 11, 30, 22, 30, tzinfo=UTC)  # 23:30 in Vienna
MORNING = datetime(2026, 12, 1, 6, 0, tzinfo=UTC)
NIGHT = QuietHours(tuple(range(7)), 22 * 60, 7 * 60)
MINUTE = timedelta(minutes=1)


def delivery(**changes: Any) -> Delivery:
    known = {"category": "news", "recipient": "ana", "status": DeliveryStatus.SENDING} | changes
    return Delivery("n-1", "email", "ana@example.com", NOW, **known)


def recipient(**changes: Any) -> Recipient:
    return Recipient("ana", {"email": "ana@example.com"}, NOW, NOW, time_zone="Europe/Vienna", **changes)


def category(class_: K, **changes: Any) -> Category:
    return Category("news", class_, NOW, NOW, **changes)


def suppressed(reason: SuppressionReason) -> Suppression:
    return Suppression("h", "email", {reason: Entry(reason, CLASS_BY_REASON[reason], NOW, "receipt r-1")})


def test_somebody_of_whom_nothing_is_on_record_gets_all() -> None:
    for class_ in K:
        assert permission(replace(delivery(category_class=class_), recipient=None), Person(), NOW) == Go()
        assert permission(delivery(), Person(None, recipient(), category(class_)), NOW) == Go()


@pytest.mark.parametrize("class_", list(K))
def test_a_recipient_that_is_gone_or_another_one_gets_what_they_need_and_nothing_else(class_: K) -> None:
    made = delivery(category_class=class_).created_at
    another = replace(recipient(), created_at=made + timedelta(minutes=1, microseconds=1))
    for person in (Person(), Person(None, another)):
        said = permission(delivery(category_class=class_), person, NOW)
        if class_ is K.TRANSACTIONAL:
            assert said == Go()
        else:
            why = "the recipient is no longer on record, so what they want is not known"
            assert said == No(DeliveryStatus.SUPPRESSED, Rule.PREFERENCE, why)
    same = replace(recipient(), created_at=made + timedelta(minutes=1))
    assert permission(delivery(category_class=class_), Person(None, same), NOW) == Go()


@pytest.mark.parametrize("class_", list(K))
def test_quiet_hours_hold_back_all_but_what_is_transactional(class_: K) -> None:
    said = permission(delivery(), Person(None, recipient(quiet_hours=(NIGHT,)), category(class_)), NOW)
    assert said == (Go() if class_ is K.TRANSACTIONAL else Later(MORNING, Rule.QUIET_HOURS))


def test_quiet_hours_without_a_time_zone_hold_nothing_back() -> None:
    nowhere = replace(recipient(quiet_hours=(NIGHT,)), time_zone=None)
    assert permission(delivery(), Person(None, nowhere, category(K.MARKETING)), NOW) == Go()


def test_what_would_be_too_late_after_the_quiet_hours_expires() -> None:
    person = Person(None, recipient(quiet_hours=(NIGHT,)), category(K.SERVICE))
    said = permission(delivery(deliver_by=MORNING), person, NOW)
    assert isinstance(said, No)
    assert (said.status, said.rule) == (DeliveryStatus.EXPIRED, Rule.QUIET_HOURS)
    assert permission(delivery(deliver_by=MORNING + MINUTE), person, NOW) == Later(MORNING, Rule.QUIET_HOURS)


@pytest.mark.parametrize("class_", list(K))
def test_a_preference_stops_its_category_over_its_channel(class_: K) -> None:
    wants_none = Person(None, recipient(preferences={"news": {"email": False}}), category(class_))
    said = permission(delivery(), wants_none, NOW)
    if class_ is K.TRANSACTIONAL:
        assert said == Go()
        return
    assert isinstance(said, No)
    assert (said.status, said.rule) == (DeliveryStatus.SUPPRESSED, Rule.PREFERENCE)
    for others in ({"news": {"email": True}}, {"news": {"sms": False}}, {"orders": {"email": False}}):
        assert permission(delivery(), Person(None, recipient(preferences=others), category(class_)), NOW) == Go()


@pytest.mark.parametrize("class_", list(K))
def test_what_has_become_marketing_stays_away_from_where_nobody_can_unsubscribe(class_: K) -> None:
    said = permission(delivery(), Person(None, recipient(), category(class_)), NOW, unsubscribes=False)
    if class_ is not K.MARKETING:
        assert said == Go()
        return
    assert isinstance(said, No)
    assert (said.status, said.rule) == (DeliveryStatus.SUPPRESSED, Rule.NO_UNSUBSCRIBE)


def test_nothing_is_held_back_for_longer_than_its_record_is_kept() -> None:
    person = Person(None, recipient(quiet_hours=(NIGHT,)), category(K.SERVICE))
    days = timedelta(days=2)
    said = permission(delivery(expire_at=MORNING + days), person, NOW)
    assert isinstance(said, No)
    assert (said.status, said.rule) == (DeliveryStatus.EXPIRED, Rule.QUIET_HOURS)
    assert permission(delivery(expire_at=MORNING + days + MINUTE), person, NOW) == Later(MORNING, Rule.QUIET_HOURS)


def test_a_suppression_comes_first_and_is_on_record_with_its_evidence() -> None:
    quiet = recipient(quiet_hours=(NIGHT,), preferences={"news": {"email": False}})
    said = permission(delivery(), Person(suppressed(SuppressionReason.COMPLAINT), quiet, category(K.SERVICE)), NOW)
    assert said == No(DeliveryStatus.SUPPRESSED, Rule.SUPPRESSION, "complaint since 2026-11-30T22:30:00Z: receipt r-1")


def test_a_password_reset_reaches_who_left_the_newsletter() -> None:
    person = Person(suppressed(SuppressionReason.UNSUBSCRIBED))
    assert permission(delivery(category=None), person, NOW) == Go()
    assert isinstance(permission(delivery(category_class=K.MARKETING), person, NOW), No)


def test_the_class_is_that_of_now_and_of_the_202_where_the_category_is_gone() -> None:
    frozen = delivery(category_class=K.MARKETING)
    assert class_of(frozen, Person(None, None, category(K.SERVICE))) is K.SERVICE
    assert class_of(frozen, Person()) is K.MARKETING
    assert class_of(delivery(category=None), Person()) is K.TRANSACTIONAL


def test_who_judged_it_is_on_record_as_of_when() -> None:
    assert Person().judged_by() is None
    version = int(NOW.timestamp() * 1e6) * 1000
    stopped = replace(suppressed(SuppressionReason.STOP), version=version)
    person = Person(stopped, recipient(), category(K.SERVICE))
    exactly = replace(person, recipient=replace(recipient(), updated_at=NOW + timedelta(microseconds=7)))
    at = "2026-11-30T22:30:00Z"
    assert exactly.judged_by() == {"suppression": at, "category": at, "recipient": "2026-11-30T22:30:00.000007Z"}


def test_a_suppression_judges_as_of_when_it_was_last_written_and_an_empty_one_not() -> None:
    """Whatever was said of it then, also that something is let through again."""
    written = replace(suppressed(SuppressionReason.STOP), version=int((NOW + MINUTE).timestamp() * 1e6) * 1000 + 1000)
    assert Person(written).judged_by() == {"suppression": "2026-11-30T22:31:00.000001Z"}
    assert Person(Suppression("h", "email")).judged_by() is None


class TestFrequency:
    def said(self, had: tuple[str, ...], class_: K = K.MARKETING, most: int | None = 2, **changes: Any) -> Any:
        person = Person(None, recipient(), category(class_, max_per_day=most))
        return permission_by_frequency(delivery(**changes), person, DaysNotifications("f", had, 5), NOW)

    def test_one_more_is_counted_at_the_version_as_read(self) -> None:
        assert self.said(("n-0",)) == DaysNotifications("f", ("n-0", "n-1"), 5)

    def test_one_that_is_counted_goes(self) -> None:
        assert self.said(("n-1", "n-2", "n-3")) == Go()

    def test_one_too_many_goes_on_the_persons_next_day(self) -> None:
        midnight = datetime(2026, 11, 30, 23, 0, tzinfo=UTC)  # in Vienna
        for class_ in K:
            assert self.said(("n-2", "n-3"), class_) == Later(midnight, Rule.FREQUENCY)
        late = self.said(("n-2", "n-3"), deliver_by=midnight)
        assert (late.status, late.rule) == (DeliveryStatus.EXPIRED, Rule.FREQUENCY)

    def test_without_a_bound_all_go(self) -> None:
        assert self.said(("n-2", "n-3"), most=None) == Go()
        assert permission_by_frequency(delivery(), Person(), DaysNotifications("f", ("n-2",), 5), NOW) == Go()

    def test_a_day_is_a_persons_and_a_categorys(self) -> None:
        day, tomorrow = day_of(recipient(), NOW)
        assert (day.isoformat(), tomorrow.isoformat()) == ("2026-11-30", "2026-11-30T23:00:00+00:00")
        for nowhere in (None, replace(recipient(), time_zone=None)):
            assert day_of(nowhere, NOW)[1].isoformat() == "2026-12-01T00:00:00+00:00"
        one = frequency_id(delivery(), day)
        by_address = delivery(recipient=None)
        assert frequency_id(by_address, day) == frequency_id(replace(by_address, address="ANA@example.com"), day)
        assert one == frequency_id(replace(delivery(), channel="sms", address="+1"), day)
        others = [delivery(recipient="bob"), delivery(category="orders"), by_address, replace(by_address, address="b")]
        assert len({one, *(frequency_id(other, day) for other in others)}) == 5
        assert len(one) == 32


@pytest.mark.parametrize("class_", list(K))
def test_what_cannot_be_counted_goes_if_it_is_transactional_and_else_waits(class_: K) -> None:
    said = unread(delivery(), Rule.FREQUENCY, class_, NOW, MINUTE)
    assert said == (Go(Rule.FREQUENCY) if class_ is K.TRANSACTIONAL else Later(NOW + MINUTE, Rule.FREQUENCY))
    assert unread(delivery(), Rule.PEOPLE_UNREAD, class_, NOW, MINUTE) == Later(NOW + MINUTE, Rule.PEOPLE_UNREAD)
