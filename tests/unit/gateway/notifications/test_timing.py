"""When a notification goes, and until when."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from functions.gateway.notifications.timing import FARTHEST, LATE, Instant, timing_of
from functions.gateway.web.problem_details import Problem

NOW = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
SECOND = timedelta(seconds=1)
INSTANT: TypeAdapter[datetime] = TypeAdapter(Instant)


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-12-24T18:00:00+01:00", "2026-12-24T17:00:00"),
        ("2026-12-24T18:00:00Z", "2026-12-24T18:00:00"),
        ("2026-12-24t18:00:00.25z", "2026-12-24T18:00:00.250000"),
        ("2026-12-24 18:00:00-00:00", "2026-12-24T18:00:00"),
        ("2028-02-29T00:00:00Z", "2028-02-29T00:00:00"),
        # Half past two in Berlin is twice when summer time ends, and never when it begins: its offset tells.
        ("2026-10-25T02:30:00+02:00", "2026-10-25T00:30:00"),
        ("2026-10-25T02:30:00+01:00", "2026-10-25T01:30:00"),
        ("2027-03-28T02:30:00+01:00", "2027-03-28T01:30:00"),
        ("2027-03-28T02:30:00+02:00", "2027-03-28T00:30:00"),
    ],
)
def test_a_time_with_an_offset_is_one_moment(text: str, utc: str) -> None:
    assert INSTANT.validate_python(text) == datetime.fromisoformat(utc).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        "2026-12-24T18:00:00",  # which one?
        "2026-12-24",
        "18:00:00Z",
        "1798135200",
        1798135200,
        "2027-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-12-24T24:01:00Z",
        "2026-12-24T18:00:60Z",
        "2026-12-24T18:00:00+24:00",
        "0001-01-01T00:00:00+23:59",
        "２０２６-12-24T18:00:00Z",
        "2026-12-24T18:00:00Z\n",
        "tomorrow",
        "",
        True,
        {},
    ],
)
def test_anything_else_is_no_time(value: Any) -> None:
    with pytest.raises(ValidationError):
        INSTANT.validate_python(value)


def test_a_time_that_is_past_by_a_moment_is_now() -> None:
    for send_at in (None, NOW - LATE, NOW - SECOND, NOW):
        assert timing_of(send_at, None, NOW).send_at is None
        assert timing_of(send_at, None, NOW).start == NOW
    assert timing_of(NOW + SECOND, None, NOW).start == NOW + SECOND


def fields(send_at: datetime | None, deliver_by: datetime | None) -> list[str]:
    with pytest.raises(Problem) as refused:
        timing_of(send_at, deliver_by, NOW)
    assert refused.value.status == 422
    return [error["field"] for error in refused.value.errors]


def test_what_cannot_be_is_named() -> None:
    assert fields(NOW - LATE - SECOND, None) == ["send_at"]
    assert fields(NOW + FARTHEST + SECOND, None) == ["send_at"]
    assert fields(None, NOW) == ["deliver_by"]
    assert fields(None, NOW - SECOND) == ["deliver_by"]
    assert fields(NOW + SECOND, NOW + SECOND) == ["deliver_by"]
    assert fields(NOW - LATE - SECOND, NOW - SECOND) == ["send_at", "deliver_by"]
    timing_of(NOW + FARTHEST, NOW + FARTHEST + SECOND, NOW)
