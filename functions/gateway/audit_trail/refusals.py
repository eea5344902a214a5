"""How many refusals are put on record: a caller that asks in vain thousands of times a minute writes a few entries."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

MOST = 5  # of one caller in MINUTE
MINUTE = timedelta(minutes=1)


@dataclass(slots=True)
class _Count:
    since: datetime
    taken: int = 0
    left_out: int = 0


class Refusals:
    """Of one process. By caller: there are no more counts than callers are known."""

    def __init__(self) -> None:
        self._counts: dict[str, _Count] = {}

    def take(self, caller: str, now: datetime) -> int | None:
        """How many were left out before this one; None: this one is left out, and counted."""
        count = self._counts.get(caller)
        if count is None or now >= count.since + MINUTE:
            left_out = 0 if count is None else count.left_out
            self._counts[caller] = _Count(now, 1)
            return left_out
        if count.taken < MOST:
            count.taken += 1
            return 0
        count.left_out += 1
        return None

    def ended(self, now: datetime) -> Sequence[tuple[str, int]]:
        """Those whose minute is over, each once, and how many were left out that no entry says."""
        over = [caller for caller, count in self._counts.items() if now >= count.since + MINUTE]
        counts = [(caller, self._counts.pop(caller).left_out) for caller in over]
        return [(caller, left_out) for caller, left_out in counts if left_out]
