"""Quiet hours, by the clock on the person's wall: what summer time skips or repeats there it does here."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from shared.delivery.model import QuietHours

_MINUTE = timedelta(minutes=1)
_DAY = 24 * 60
_WEEK = 7 * _DAY


def end_of_quiet(quiet: Sequence[QuietHours], zone: ZoneInfo, now: datetime) -> datetime | None:
    """When it is quiet no longer; None: it is not quiet now. They leave some of the week free (`free_minutes`)."""
    if not quiet:
        return None
    minutes = _minutes(tuple(quiet))
    at = now
    # Minute by minute: any other way has to know what clocks do. A night takes half a millisecond.
    for _ in range(_WEEK + _DAY):
        if _minute_of_week(at.astimezone(zone)) not in minutes:
            return None if at == now else at
        at = (at + _MINUTE).replace(second=0, microsecond=0)
    return at


def free_minutes(quiet: Sequence[QuietHours]) -> int:
    """Of a week."""
    return _WEEK - len(_minutes(tuple(quiet)))


@lru_cache(maxsize=256)
def _minutes(quiet: tuple[QuietHours, ...]) -> frozenset[int]:
    """Those of the week that are quiet."""
    return frozenset(
        (day * _DAY + minute) % _WEEK
        for hours in quiet
        for day in hours.days
        for minute in range(hours.start, hours.end if hours.end > hours.start else hours.end + _DAY)
    )


def _minute_of_week(local: datetime) -> int:
    return local.weekday() * _DAY + local.hour * 60 + local.minute
