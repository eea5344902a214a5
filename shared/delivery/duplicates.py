"""Which attempts a person may have got the same message by twice, and for which reason of the closed list."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from shared.delivery.model import (
    ESCALATION_AFTER_RECEIPT,
    FAILOVER_AFTER_UNKNOWN,
    LEASE_RAN_OUT,
    REPLAY,
    Attempt,
    Delivery,
    Outcome,
)


class DuplicateReason(StrEnum):
    """Why it was sent although it may have arrived."""

    UNKNOWN_OUTCOME = "unknown_outcome"  # no answer said what became of the first
    LEASE_EXPIRED = "lease_expired"  # whoever made the first died, or froze, before it was on record
    FAILOVER_AFTER_UNKNOWN = FAILOVER_AFTER_UNKNOWN  # the same, and another provider was asked, as time ran out
    REPLAY = REPLAY  # somebody asked for it again
    ESCALATION_AFTER_RECEIPT = ESCALATION_AFTER_RECEIPT  # that it had arrived was known after the next channel's turn


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Two attempts that may both have arrived. channel: of the second, where it is another"""

    reason: DuplicateReason
    first: Attempt
    second: Attempt
    channel: str


def may_have_arrived_by(attempt: Attempt) -> bool:
    return attempt.outcome in {Outcome.ACCEPTED, Outcome.UNKNOWN}


def duplicates(delivery: Delivery, next_step: Delivery | None = None) -> Sequence[Duplicate]:
    """Of one delivery. next_step: the delivery that its escalation goes on with"""
    return [*_of_one(delivery), *_of_escalation(delivery, next_step)]


def _of_one(delivery: Delivery) -> Iterator[Duplicate]:
    for first, second in pairwise(filter(may_have_arrived_by, delivery.attempts)):
        if first.reason in {FAILOVER_AFTER_UNKNOWN, REPLAY}:
            reason = DuplicateReason(first.reason)
        elif first.number <= delivery.round_start < second.number:
            reason = DuplicateReason.REPLAY  # of before its attempts said so
        else:
            died = first.error == LEASE_RAN_OUT
            reason = DuplicateReason.LEASE_EXPIRED if died else DuplicateReason.UNKNOWN_OUTCOME
        yield Duplicate(reason, first, second, delivery.channel)


def _of_escalation(delivery: Delivery, next_step: Delivery | None) -> Iterator[Duplicate]:
    firsts = [attempt for attempt in delivery.attempts if attempt.reason == ESCALATION_AFTER_RECEIPT]
    seconds = [] if next_step is None else list(filter(may_have_arrived_by, next_step.attempts))
    if firsts and seconds and next_step is not None:
        reason = DuplicateReason.ESCALATION_AFTER_RECEIPT
        yield Duplicate(reason, firsts[-1], seconds[0], next_step.channel)
