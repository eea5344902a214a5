"""When a failed try is followed by another, after which pause, and when there have been enough."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from shared.delivery.model import Attempt, Delivery, Outcome


@dataclass(frozen=True, slots=True)
class Policy:
    """How long and how often. `Settings.policy()` fills it; all durations are timedeltas.

    max_attempts: calls that may end retryable or unknown, in one round
    retry_base, retry_cap: the first pause between tries, doubled for each further one up to the cap
    grace: how long a publish may take to be taken up before the relay publishes again
    lease: how long a claim keeps others away; longer than send_deadline
    send_deadline: bound on one claim's calls to the provider, waits between them included
    wait_in_place: a pause up to this long is slept through; a longer one is left to the relay
    give_up: a delivery that nobody took, or that was throttled, for so long is dead
    max_throttles: so is one that was throttled, or was a probe, so often; it bounds the record, which takes 1 MiB
    order_wait: how long one that follows another with its ordering key waits for it, once that one is the first in line
    longest_pause: bound on the relay's doubling and on a provider's Retry-After
    """

    max_attempts: int
    retry_base: timedelta
    retry_cap: timedelta
    grace: timedelta
    lease: timedelta
    send_deadline: timedelta
    wait_in_place: timedelta = timedelta(seconds=10)
    give_up: timedelta = timedelta(hours=24)
    max_throttles: int = 400
    longest_pause: timedelta = timedelta(hours=1)
    order_wait: timedelta = timedelta(hours=1)


def _round(delivery: Delivery) -> Sequence[Attempt]:
    return delivery.attempts[delivery.round_start :]


def tries(delivery: Delivery) -> int:
    """Attempts of this round that count: a throttled one is the provider's pace, and a probe is made for all others."""
    return sum(attempt.outcome is not Outcome.THROTTLED and not attempt.probe for attempt in _round(delivery))


def probes(delivery: Delivery) -> int:
    return sum(attempt.probe for attempt in _round(delivery))


def throttles(delivery: Delivery) -> int:
    return sum(attempt.outcome is Outcome.THROTTLED for attempt in _round(delivery))


def retry_pause(n: int, policy: Policy, jitter: float) -> timedelta:
    """Between half and all of base·2^(n-1), at most the cap: the pause after the n-th failure."""
    pause: timedelta = min(policy.retry_base * 2 ** min(n - 1, 16), policy.retry_cap)
    return pause * (0.5 + jitter / 2)
