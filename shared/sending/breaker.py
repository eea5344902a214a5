"""The circuit breaker of one provider of a channel, as it is on record: pure functions from one state to the next.

    closed ─enough of the last calls failed─▶ open ─a probe is answered─▶ closed

While it is open nothing calls the provider but one probe at a time: a delivery that is due anyway, sent by whoever has
written down that it does. A probe that fails puts the next one off. One that dies keeps the others away until its
lease is over.

What counts as failed is a call that ended retryable or unknown. A provider that throttles, or refuses a message for
good, is there.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from shared.delivery.model import Outcome

LOOKED_AT = 20
"""Of the last calls, by each instance for itself."""
FEWEST_FAILED = 8
FAILED_SHARE = 0.8
FEWEST_ADDRESSES = 3
"""That have to be among those that failed: what goes wrong for one address is not the provider's fault."""
OLDEST = timedelta(minutes=5)
"""Of a call that is looked at."""
PROBE_PAUSES = tuple(timedelta(seconds=seconds) for seconds in (5, 10, 20, 30))
"""Until the first probe, and after each that failed; the last for all that follow."""
FLAPS_WITHIN = timedelta(minutes=1)
"""A breaker that opens so soon after it was closed goes on with the pauses where they were."""
OTHERS_WORD = timedelta(minutes=5)
"""For so long whoever fails believes another's probe that was answered, and takes the fault for its own."""


class BreakerState(StrEnum):
    CLOSED = "closed"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Breaker:
    """since: when it came to its state; by: the instance that wrote it; reason: what the last call before it said

    probes: how many have failed, of those that the pause before the next counts
    probe_at: when the next may be made; probe_by: who makes one, or made the last
    """

    state: BreakerState
    since: datetime
    by: str
    reason: str | None = None
    probes: int = 0
    probe_at: datetime | None = None
    probe_by: str | None = None

    @property
    def is_open(self) -> bool:
        return self.state is BreakerState.OPEN

    def wants_probe(self, now: datetime) -> bool:
        return self.is_open and (self.probe_at is None or self.probe_at <= now)


def opened(before: Breaker | None, now: datetime, by: str, reason: str | None) -> Breaker:
    flaps = before is not None and now - before.since < FLAPS_WITHIN
    probes = before.probes + 1 if before is not None and flaps else 0
    return Breaker(BreakerState.OPEN, now, by, reason, probes, now + _pause(probes))


def probing(breaker: Breaker, now: datetime, by: str, at_most: timedelta) -> Breaker:
    """One probe is under way. at_most: how long it may take"""
    return replace(breaker, probe_by=by, probe_at=now + at_most)


def probe_failed(breaker: Breaker, now: datetime, reason: str | None) -> Breaker:
    probes = breaker.probes + 1
    return replace(breaker, probes=probes, probe_at=now + _pause(probes), reason=reason)


def probe_not_made(breaker: Breaker, now: datetime) -> Breaker:
    """There was nothing to send after all: whoever has something may."""
    return replace(breaker, probe_at=now, probe_by=None)


def closed(breaker: Breaker, now: datetime, by: str) -> Breaker:
    return Breaker(BreakerState.CLOSED, now, by, probes=breaker.probes)


def _pause(probes: int) -> timedelta:
    return PROBE_PAUSES[min(probes, len(PROBE_PAUSES) - 1)]


def is_others_word(breaker: Breaker | None, now: datetime, by: str) -> bool:
    """Whether another has just found the provider to be there."""
    return breaker is not None and not breaker.is_open and breaker.by != by and now - breaker.since < OTHERS_WORD


def failed(outcome: Outcome) -> bool | None:
    """Of a call; None: it says nothing of the provider."""
    if outcome is Outcome.THROTTLED:
        return None
    return outcome in {Outcome.RETRYABLE, Outcome.UNKNOWN}


@dataclass(slots=True)
class Calls:
    """The last calls of one instance to one provider."""

    _last: deque[tuple[datetime, bool, str]] = field(default_factory=lambda: deque(maxlen=LOOKED_AT))

    def note(self, at: datetime, outcome: Outcome, address: str) -> None:
        has_failed = failed(outcome)
        if has_failed is not None:
            self._last.append((at, has_failed, address))

    def clear(self) -> None:
        self._last.clear()

    def say_it_is_down(self, now: datetime, since: datetime | None) -> bool:
        """since: when the breaker was closed; what was called before then says nothing"""
        oldest = now - OLDEST if since is None else max(now - OLDEST, since)
        looked_at = [(has_failed, address) for at, has_failed, address in self._last if at > oldest]
        addresses = [address for has_failed, address in looked_at if has_failed]
        enough = max(FEWEST_FAILED, FAILED_SHARE * len(looked_at))
        return len(addresses) >= enough and len(set(addresses)) >= FEWEST_ADDRESSES


@dataclass(frozen=True, slots=True)
class Ramp:
    """How fast what has waited is published, once it may go: a rate that doubles until nothing bounds it.

    per_second: of deliveries, at `since`
    """

    per_second: float
    since: datetime

    def rate(self, now: datetime) -> float:
        doublings = max(0.0, (now - self.since) / _DOUBLES_IN)
        return self.per_second * 2 ** min(doublings, 32)

    def is_over(self, now: datetime) -> bool:
        return self.rate(now) >= _UNBOUNDED

    def throttled(self, now: datetime) -> "Ramp":
        return Ramp(max(_SLOWEST, self.rate(now) / 2), now)


_FIRST_RATE = 20.0
_SLOWEST = 1.0
_UNBOUNDED = 4000.0  # a second: more than a relay publishes
_DOUBLES_IN = timedelta(seconds=15)


def ramp_from(now: datetime) -> Ramp:
    return Ramp(_FIRST_RATE, now)


def all_open(breakers: Sequence[Breaker | None]) -> bool:
    return bool(breakers) and all(breaker is not None and breaker.is_open for breaker in breakers)
