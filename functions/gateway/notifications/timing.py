"""When a notification goes, and until when: `send_at` and `deliver_by`."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from functions.gateway.web.problem_details import FieldError, field_error, invalid

FARTHEST = timedelta(days=366)
LATE = timedelta(minutes=1)
"""A `send_at` so little in the past is one of now: clocks differ, and a request takes its time."""

_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")


def _instant(value: Any) -> datetime:
    """In UTC. A time without an offset is another one in each place, and twice a year two or none.

    Raises ValueError.
    """
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not _RFC_3339.fullmatch(value):
        raise ValueError("must be a time of RFC 3339 with an offset, as 2026-12-24T18:00:00+01:00")
    try:
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("there is no such time") from None


Instant = Annotated[datetime, BeforeValidator(_instant), Field(json_schema_extra={"format": "date-time"})]


@dataclass(frozen=True, slots=True)
class Timing:
    """send_at: None is now"""

    now: datetime
    send_at: datetime | None
    deliver_by: datetime | None

    @property
    def start(self) -> datetime:
        return self.send_at or self.now


def timing_of(
    send_at: datetime | None, deliver_by: datetime | None, now: datetime, *, late_is_now: bool = False
) -> Timing:
    """late_is_now: a send_at that is past was none when it was asked for. Problem 422."""
    wrong: list[FieldError] = []
    if send_at is not None and send_at < now - LATE and not late_is_now:
        wrong.append(field_error("send_at", "is past"))
    if send_at is not None and send_at > now + FARTHEST:
        wrong.append(field_error("send_at", f"must be within {FARTHEST.days} days"))
    if deliver_by is not None and deliver_by <= now:
        wrong.append(field_error("deliver_by", "is past"))
    elif deliver_by is not None and send_at is not None and deliver_by <= send_at:
        wrong.append(field_error("deliver_by", "must be after send_at"))
    if wrong:
        raise invalid(*wrong)
    return Timing(now, send_at if send_at is not None and send_at > now else None, deliver_by)
