"""Time that passes only when a test says so."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

_UNITS = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


def duration(said: str | float | timedelta) -> timedelta:
    """ "2h", "1h30m", seconds, or a timedelta. Raises ValueError."""
    if isinstance(said, timedelta):
        return said
    if not isinstance(said, str):
        return timedelta(seconds=said)
    parts = _PART.findall(said)
    if not parts or "".join(map("".join, parts)) != said:
        raise ValueError(f"{said!r} is no duration: write it as 2h, 1h30m, 45s or 500ms")
    return sum((timedelta(**{_UNITS[unit]: float(number)}) for number, unit in parts), timedelta())


class VirtualTime:
    """It begins now, so that times which the tested code reckons from its own clock fit."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._began = self._now = now()

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        """Seconds since it began."""
        return (self._now - self._began).total_seconds()

    def move_to(self, at: datetime) -> None:
        """Later, or not at all."""
        self._now = max(self._now, at)

    async def sleep(self, seconds: float) -> None:
        self.move_to(self._now + timedelta(seconds=seconds))
