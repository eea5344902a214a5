"""Which attempts may both have arrived, and why the second was made."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.delivery.duplicates import DuplicateReason, duplicates
from shared.delivery.model import (
    ESCALATION_AFTER_RECEIPT,
    FAILOVER_AFTER_UNKNOWN,
    LEASE_RAN_OUT,
    Attempt,
    Delivery,
    DeliveryStatus,
    Outcome,
    Told,
)
from shared.delivery.state_machine import replayed, settle, with_lost_attempt
from tests.fakes.clock import START
from tests.fakes.records import POLICY

ANY = Delivery("n", "email", "a", START)
SECOND = timedelta(seconds=1)
CLAIMED = replace(ANY, status=DeliveryStatus.SENDING, claimed_at=START, lease_until=START + SECOND)


def made(*outcomes: Outcome) -> tuple[Attempt, ...]:
    return tuple(Attempt(n, START, outcome) for n, outcome in enumerate(outcomes, 1))


U, A, R, P = Outcome.UNKNOWN, Outcome.ACCEPTED, Outcome.RETRYABLE, Outcome.PERMANENT


@pytest.mark.parametrize(
    ("outcomes", "pairs"),
    [
        ((), []),
        ((A,), []),
        ((U,), []),
        ((R, A), []),
        ((U, R, P), []),
        ((U, A), [(1, 2)]),
        ((U, R, A), [(1, 3)]),
        ((U, U), [(1, 2)]),
        ((U, R, U, A), [(1, 3), (3, 4)]),
    ],
)
def test_each_that_may_have_arrived_makes_a_pair_with_the_next(
    outcomes: tuple[Outcome, ...], pairs: list[tuple[int, int]]
) -> None:
    found = duplicates(replace(ANY, attempts=made(*outcomes)))
    assert [(each.first.number, each.second.number) for each in found] == pairs
    assert all(each.reason is DuplicateReason.UNKNOWN_OUTCOME for each in found)
    assert all(each.channel == "email" for each in found)


def test_why_it_was_sent_again() -> None:
    lost, sent = made(U, A)
    reasons = {
        DuplicateReason.LEASE_EXPIRED: replace(ANY, attempts=(replace(lost, error=LEASE_RAN_OUT), sent)),
        DuplicateReason.FAILOVER_AFTER_UNKNOWN: replace(
            ANY, attempts=(replace(lost, reason=FAILOVER_AFTER_UNKNOWN), sent)
        ),
        DuplicateReason.REPLAY: replace(ANY, attempts=(lost, sent), round_start=1),
        DuplicateReason.UNKNOWN_OUTCOME: replace(ANY, attempts=(lost, sent), round_start=0),
    }
    for reason, delivery in reasons.items():
        (found,) = duplicates(delivery)
        assert found.reason is reason


def test_each_replay_stays_the_reason_of_its_own() -> None:
    """Unknown, replayed, unknown, replayed, accepted; of which the record keeps where the last round began."""
    dead = replace(ANY, status=DeliveryStatus.DEAD, attempts=made(R, U))
    once = replayed(dead, START, POLICY)
    again = replayed(
        replace(once, status=DeliveryStatus.DEAD, attempts=(*once.attempts, *made(R, R, U)[2:])), START, POLICY
    )
    ended = replace(again, attempts=(*again.attempts, *made(R, R, R, A)[3:]))
    assert [(d.first.number, d.second.number, d.reason) for d in duplicates(ended)] == [
        (2, 3, DuplicateReason.REPLAY),
        (3, 4, DuplicateReason.REPLAY),
    ]


def test_after_an_escalation_the_second_is_the_next_channels() -> None:
    first = replace(ANY, escalates_to="sms", attempts=(Attempt(1, START, A, reason=ESCALATION_AFTER_RECEIPT),))
    second = replace(ANY, channel="sms", attempts=made(R, A))
    (found,) = duplicates(first, second)
    assert (found.reason, found.channel, found.second.number) == ("escalation_after_receipt", "sms", 2)
    assert duplicates(first, replace(second, attempts=made(R))) == []
    assert duplicates(first) == []


def test_when_it_may_first_have_arrived_a_second_time_is_on_record() -> None:
    def settled(delivery: Delivery, outcome: Outcome, number: int) -> Delivery:
        return settle(delivery, [Attempt(number, START, outcome)], START + number * SECOND, POLICY, provider="p")

    once = settled(CLAIMED, U, 1)
    assert once.twice_at is None
    again = replace(once, status=DeliveryStatus.SENDING, lease_until=START + 9 * SECOND)
    assert settled(again, R, 2).twice_at is None
    assert settled(again, A, 2).twice_at == START + 2 * SECOND
    assert with_lost_attempt(again).twice_at == START + 9 * SECOND
    third = replace(settled(again, U, 2), status=DeliveryStatus.SENDING)
    assert settled(third, A, 3).twice_at == START + 2 * SECOND
    dead = replace(settled(again, U, 2), status=DeliveryStatus.DEAD)
    assert replayed(dead, START, POLICY).twice_at == START + 2 * SECOND


def test_one_that_was_found_to_have_arrived_is_no_duplicate() -> None:
    reconciled = replace(ANY, attempts=(Attempt(1, START, U, asked=Told.RECONCILED),))
    assert duplicates(reconciled) == []
