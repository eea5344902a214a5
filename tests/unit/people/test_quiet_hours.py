"""Quiet hours by the clock on the wall: over midnight, by days of the week, and where summer time begins and ends."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from shared.delivery.model import QuietHours
from shared.people.quiet_hours import end_of_quiet, free_minutes

VIENNA = ZoneInfo("Europe/Vienna")
EVERY_DAY = tuple(range(7))
NIGHT = QuietHours(EVERY_DAY, 22 * 60, 7 * 60)
SUNDAY = QuietHours((6,), 0, 24 * 60)


def at(text: str, zone: ZoneInfo = VIENNA) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


@pytest.mark.parametrize(
    ("now", "end"),
    [
        ("2026-11-30 21:59:59", None),
        ("2026-11-30 22:00:00", "2026-12-01 07:00"),
        ("2026-12-01 00:00:00", "2026-12-01 07:00"),
        ("2026-12-01 06:59:59.999", "2026-12-01 07:00"),
        ("2026-12-01 07:00:00", None),
    ],
)
def test_a_night_goes_over_midnight(now: str, end: str | None) -> None:
    assert end_of_quiet([NIGHT], VIENNA, at(now)) == (None if end is None else at(end))


def test_a_night_is_of_the_day_on_which_it_begins() -> None:
    friday = QuietHours((4,), 22 * 60, 7 * 60)
    assert end_of_quiet([friday], VIENNA, at("2026-12-05 03:00")) == at("2026-12-05 07:00")  # a Saturday
    assert end_of_quiet([friday], VIENNA, at("2026-12-04 03:00")) is None  # the Friday's own early morning


def test_what_adjoins_or_overlaps_is_one() -> None:
    quiet = [NIGHT, SUNDAY, QuietHours((0,), 6 * 60, 9 * 60)]
    assert end_of_quiet(quiet, VIENNA, at("2026-12-05 23:00")) == at("2026-12-07 09:00")  # Saturday night to Monday


def test_the_last_night_of_a_week_ends_in_the_next() -> None:
    assert end_of_quiet([QuietHours((6,), 23 * 60, 60)], VIENNA, at("2026-12-06 23:30")) == at("2026-12-07 01:00")


@pytest.mark.parametrize(
    ("now", "end"),
    [
        ("2026-03-28 22:00", "2026-03-29 07:00"),  # at 2:00 it is 3:00: eight hours
        ("2026-10-24 22:00", "2026-10-25 07:00"),  # at 3:00 it is 2:00: ten hours
    ],
)
def test_a_night_ends_by_the_clock_on_the_wall_where_summer_time_begins_or_ends(now: str, end: str) -> None:
    assert end_of_quiet([NIGHT], VIENNA, at(now)) == at(end)


def test_an_end_that_the_clocks_skip_is_when_they_have_skipped_it() -> None:
    early = QuietHours(EVERY_DAY, 60, 2 * 60 + 30)
    assert end_of_quiet([early], VIENNA, at("2026-03-29 01:30")) == datetime(
        2026, 3, 29, 1, 0, tzinfo=UTC
    )  # 3:00 there


def test_where_the_clocks_skip_the_one_free_hour_it_is_looked_at_again_in_a_week_and_a_day() -> None:
    quiet = [QuietHours(tuple(range(6)), 0, 24 * 60), QuietHours((6,), 0, 2 * 60), QuietHours((6,), 3 * 60, 24 * 60)]
    monday = at("2026-03-23 00:00")
    assert end_of_quiet(quiet, VIENNA, monday) == monday + timedelta(days=8)
    assert end_of_quiet(quiet, VIENNA, monday + timedelta(days=8)) == at("2026-04-05 02:00")


def test_hours_that_come_twice_are_quiet_twice() -> None:
    early = QuietHours(EVERY_DAY, 2 * 60, 2 * 60 + 30)
    first = datetime(2026, 10, 25, 0, 10, tzinfo=UTC)  # 2:10, summer time
    second = first + timedelta(hours=1)  # 2:10 again
    assert end_of_quiet([early], VIENNA, first) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert end_of_quiet([early], VIENNA, second) == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize("zone", ["Asia/Kathmandu", "Pacific/Apia", "America/St_Johns", "UTC"])
def test_zones_of_all_kinds(zone: str) -> None:
    there = ZoneInfo(zone)
    assert end_of_quiet([NIGHT], there, at("2026-12-01 23:59:30", there)) == at("2026-12-02 07:00", there)


def test_a_day_that_a_place_has_never_had() -> None:
    """Apia went over the date line: behind Thursday, 29 December 2011, comes Saturday."""
    apia = ZoneInfo("Pacific/Apia")
    friday = QuietHours((4,), 0, 24 * 60)
    assert end_of_quiet([friday], apia, datetime(2011, 12, 30, 10, 30, tzinfo=UTC)) is None


def test_who_has_none_is_never_quiet() -> None:
    assert end_of_quiet([], VIENNA, at("2026-12-01 00:00")) is None


def test_how_much_of_a_week_is_free() -> None:
    assert free_minutes([]) == 7 * 24 * 60
    assert free_minutes([NIGHT]) == 7 * 15 * 60
    assert free_minutes([QuietHours(EVERY_DAY, 0, 24 * 60)]) == 0
    assert free_minutes([QuietHours(EVERY_DAY, 12 * 60, 12 * 60)]) == 0
