"""What each step of the state machine writes, to the last field: the step's own are named, the rest stays as it was."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.delivery import state_machine
from shared.delivery.errors import WrongState
from shared.delivery.model import PENDING, Attempt, Delivery, DeliveryStatus, Outcome, Segments
from shared.delivery.retries import Policy
from shared.delivery.state_machine import (
    Leased,
    Write,
    cancelled,
    dead_lettered,
    decide,
    discarded,
    queued,
    relayed,
    replayed,
    settle,
    with_lost_attempt,
)
from tests.fakes.clock import START
from tests.fakes.records import POLICY, a_notification

S = DeliveryStatus
BEGAN = START + timedelta(hours=2)  # the claim
NOW = START + timedelta(hours=3)
MICROSECOND = timedelta(microseconds=1)
LOST = "the lease ran out before an outcome was recorded"

BEFORE = Attempt(1, START, Outcome.RETRYABLE, "busy", 12, "00-trace")
ANY = Delivery(
    notification_id="n",
    channel="email",
    address="a@example.com",
    created_at=START,
    caller="shop",
    simulated=True,
    recipient="alice",
    shard=7,
    expire_at=START + timedelta(days=30),
    traceparent="00-accepted",
    segments=2,
    encoding="UCS-2",
    attempts=(BEFORE,),
    queued_at=START + timedelta(minutes=1),
    updated_at=START + timedelta(minutes=2),
    due_at=START + timedelta(minutes=3),
    next_try_at=START + timedelta(minutes=4),
    relays=3,
    claim="earlier",
    claimed_at=None,
    lease_until=None,
    provider="p",
    provider_message_id="m-0",
    error="busy",
    dead_at=None,
    version=9,
)
"""With something in each field that a step may change."""
CLAIMED = replace(ANY, status=S.SENDING, claimed_at=BEGAN, lease_until=NOW, claim="mine")
ENDED: dict[str, Any] = {
    "updated_at": NOW,
    "due_at": None,
    "next_try_at": None,
    "claimed_at": None,
    "lease_until": None,
}


def by_outcome(outcome: Outcome, **others: Any) -> Delivery:
    """CLAIMED after one attempt."""
    made = Attempt(2, BEGAN, outcome, str(outcome))
    return settle(CLAIMED, [made], NOW, POLICY, provider="q", provider_message_id="m-1", **others)


def after(outcome: Outcome, status: DeliveryStatus, **others: Any) -> Delivery:
    attempts = (BEFORE, Attempt(2, BEGAN, outcome, str(outcome)))
    about = {"provider": "q", "provider_message_id": "m-1", "error": str(outcome), "attempts": attempts}
    kept = {**ENDED, "next_try_at": CLAIMED.next_try_at}
    return replace(CLAIMED, status=status, **{**about, **kept, **others})


def test_a_new_one_is_the_notifications() -> None:
    notification = a_notification(caller="shop", simulated=True, recipient="alice", shard=7)
    assert queued(notification, "sms", "+1", POLICY, "00-accepted", Segments(2, "UCS-2")) == Delivery(
        notification_id=notification.id,
        channel="sms",
        address="+1",
        created_at=START,
        caller="shop",
        simulated=True,
        recipient="alice",
        shard=7,
        expire_at=notification.expire_at,
        traceparent="00-accepted",
        segments=2,
        encoding="UCS-2",
        status=S.QUEUED,
        queued_at=START,
        updated_at=START,
        due_at=START + POLICY.grace,
    )


@pytest.mark.parametrize("status", [S.QUEUED, S.RETRYING, S.DEFERRED])
def test_a_claim(status: DeliveryStatus) -> None:
    lease_until = NOW + POLICY.lease
    assert decide(replace(ANY, status=status), "mine", NOW, POLICY) == Write(
        replace(
            ANY,
            status=S.SENDING,
            claim="mine",
            claimed_at=NOW,
            lease_until=lease_until,
            due_at=lease_until + POLICY.grace,
            next_try_at=None,
            relays=0,
            updated_at=NOW,
        )
    )


def test_a_claim_of_what_another_has_lost() -> None:
    assert decide(CLAIMED, "another's", NOW - MICROSECOND, POLICY) == Leased()
    taken = decide(CLAIMED, "another's", NOW, POLICY)
    assert isinstance(taken, Write)
    assert taken.delivery.attempts == (BEFORE, Attempt(2, BEGAN, Outcome.UNKNOWN, LOST, provider="p"))
    assert (taken.delivery.claim, taken.delivery.claimed_at) == ("another's", NOW)


def test_a_lost_attempt_began_with_its_claim() -> None:
    assert with_lost_attempt(CLAIMED) == replace(
        CLAIMED, attempts=(BEFORE, Attempt(2, BEGAN, Outcome.UNKNOWN, LOST, None, None, provider="p"))
    )
    assert with_lost_attempt(replace(CLAIMED, claimed_at=None)).attempts[-1].at == START


@pytest.mark.parametrize(("outcome", "status"), [(Outcome.ACCEPTED, S.SENT), (Outcome.PERMANENT, S.FAILED)])
def test_an_outcome_that_ends_it(outcome: Outcome, status: DeliveryStatus) -> None:
    assert by_outcome(outcome) == after(outcome, status)


def test_a_refusal() -> None:
    assert by_outcome(Outcome.REFUSED) == after(
        Outcome.REFUSED, S.DEAD, error="refused: refused", dead_at=NOW, next_try_at=None
    )


@pytest.mark.parametrize("outcome", [Outcome.RETRYABLE, Outcome.UNKNOWN])
@pytest.mark.parametrize(("jitter", "share"), [(0.0, 0.5), (0.5, 0.75), (0.9, 0.95)])
def test_one_to_be_tried_again(outcome: Outcome, jitter: float, share: float) -> None:
    next_try = NOW + 2 * POLICY.retry_base * share  # the second failure
    due_at = next_try + POLICY.grace
    assert by_outcome(outcome, jitter=jitter) == after(outcome, S.RETRYING, next_try_at=next_try, due_at=due_at)


def test_the_last_of_its_tries() -> None:
    policy = replace(POLICY, max_attempts=2)
    made = [Attempt(2, BEGAN, Outcome.UNKNOWN, "reset")]
    dead = settle(CLAIMED, made, NOW, policy, provider="q")
    assert dead == replace(
        CLAIMED,
        **ENDED,
        status=S.DEAD,
        dead_at=NOW,
        attempts=(BEFORE, *made),
        provider="q",
        provider_message_id=None,
        error="attempts used up; the last one: reset",
    )


def test_a_throttled_one() -> None:
    due = NOW + timedelta(seconds=99)
    assert by_outcome(Outcome.THROTTLED, retry_after=timedelta(seconds=99)) == after(
        Outcome.THROTTLED, S.DEFERRED, next_try_at=due, due_at=due
    )


def throttled(queued: timedelta | None, round_start: int = 0, times: int = 1) -> Delivery:
    """Once more, and so long since it was asked for."""
    made = [Attempt(2 + n, BEGAN, Outcome.THROTTLED, "429") for n in range(times)]
    asked_for = None if queued is None else NOW - queued
    claimed = replace(CLAIMED, queued_at=asked_for, created_at=NOW - timedelta(days=9), round_start=round_start)
    return settle(claimed, made, NOW, POLICY, provider="q")


def test_throttling_ends_a_day_after_it_was_asked_for_and_not_after_it_was_made() -> None:
    """A replay has a day of its own."""
    assert throttled(POLICY.give_up - MICROSECOND).status is S.DEFERRED
    assert throttled(POLICY.give_up).status is S.DEAD
    assert throttled(POLICY.give_up).error == "throttled 1 times; the last answer: 429"
    assert throttled(None).status is S.DEAD


def test_throttling_ends_after_four_hundred_times() -> None:
    """What is throttled so often would fill the record: 1 MiB."""
    shortest = Policy(1, MICROSECOND, MICROSECOND, MICROSECOND, MICROSECOND, MICROSECOND)
    assert shortest.max_throttles == POLICY.max_throttles == 400
    assert throttled(timedelta(), times=399).status is S.DEFERRED
    assert throttled(timedelta(), times=400).status is S.DEAD


@pytest.mark.parametrize("status", [S.QUEUED, S.SENDING, S.RETRYING, S.DEFERRED])
def test_a_touch_of_the_relay(status: DeliveryStatus) -> None:
    touched = relayed(replace(ANY, status=status), NOW, POLICY)
    assert touched == replace(ANY, status=status, due_at=NOW + 8 * POLICY.grace, relays=4)


def test_pauses_grow_to_a_bound_that_no_number_of_them_overflows() -> None:
    policy = replace(POLICY, grace=MICROSECOND, retry_base=MICROSECOND)
    assert relayed(replace(ANY, relays=99), NOW, policy).due_at == NOW + 2**16 * MICROSECOND
    many = replace(CLAIMED, attempts=(BEFORE,) * 50)
    made = [Attempt(51, BEGAN, Outcome.RETRYABLE, "busy")]
    tried = settle(many, made, NOW, replace(policy, max_attempts=99), provider="q", jitter=1.0)
    assert tried.next_try_at == NOW + 2**16 * MICROSECOND


def test_what_nobody_took() -> None:
    much_later = NOW + POLICY.give_up
    assert relayed(replace(ANY, status=S.QUEUED), much_later, POLICY) == replace(
        ANY,
        **{**ENDED, "updated_at": much_later},
        status=S.DEAD,
        dead_at=much_later,
        error="no channel function took it for 24 h",
    )
    lost = relayed(CLAIMED, much_later, POLICY)
    assert (lost.status, lost.attempts[-1]) == (S.DEAD, Attempt(2, BEGAN, Outcome.UNKNOWN, LOST, provider="p"))


def test_a_dead_letter_of_the_last_try() -> None:
    policy = replace(POLICY, max_attempts=2)
    assert dead_lettered(CLAIMED, NOW - MICROSECOND, policy) is None
    assert dead_lettered(replace(CLAIMED, status=S.RETRYING), NOW, policy) is None
    assert dead_lettered(replace(CLAIMED, lease_until=None), NOW, policy) is None
    assert dead_lettered(CLAIMED, NOW, policy) == replace(
        CLAIMED,
        **ENDED,
        status=S.DEAD,
        dead_at=NOW,
        attempts=(BEFORE, Attempt(2, BEGAN, Outcome.UNKNOWN, LOST, provider="p")),
        error=f"attempts used up; the last one: {LOST}",
    )


@pytest.mark.parametrize("status", [S.DEAD, S.FAILED])
def test_a_replay(status: DeliveryStatus) -> None:
    assert replayed(replace(ANY, status=status, dead_at=BEGAN), NOW, POLICY) == replace(
        ANY,
        status=S.QUEUED,
        round_start=1,
        queued_at=NOW,
        updated_at=NOW,
        due_at=NOW + POLICY.grace,
        next_try_at=None,
        relays=0,
        error=None,
        dead_at=None,
    )


def test_a_replay_needs_two_days_before_its_record_goes() -> None:
    """One in which nobody takes it, and one in which it is throttled."""
    dead = replace(ANY, status=S.DEAD, expire_at=NOW + 2 * POLICY.give_up)
    assert replayed(dead, NOW, POLICY).status is S.QUEUED
    with pytest.raises(WrongState):
        replayed(dead, NOW + MICROSECOND, POLICY)
    assert replayed(replace(dead, expire_at=None), NOW, POLICY).status is S.QUEUED


def test_a_discarded_one() -> None:
    dead = replace(ANY, status=S.DEAD, dead_at=BEGAN, due_at=None)
    assert discarded(dead, NOW) == replace(dead, status=S.DISCARDED, dead_at=None, updated_at=NOW)


def test_a_cancelled_one() -> None:
    assert cancelled(replace(ANY, status=S.DEFERRED), NOW, "its caller was revoked") == replace(
        ANY, **ENDED, status=S.CANCELLED, error="its caller was revoked", reason="cancelled"
    )
    assert cancelled(CLAIMED, NOW - MICROSECOND, "why") is None
    assert cancelled(CLAIMED, NOW, "why") == replace(
        CLAIMED,
        **ENDED,
        status=S.CANCELLED,
        attempts=(BEFORE, Attempt(2, BEGAN, Outcome.UNKNOWN, LOST, provider="p")),
        error="why; an attempt may have arrived",
        reason="cancelled",
    )


@pytest.mark.parametrize("status", sorted(set(S) - PENDING))
def test_what_is_terminal_does_not_die(status: DeliveryStatus) -> None:
    with pytest.raises(ValueError, match=f"a {status} delivery cannot die"):
        state_machine._dead(replace(ANY, status=status), NOW, "why")
