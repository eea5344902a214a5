"""Whether a delivery may be sent now: each rule by itself, and which goes first."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from shared.delivery.gate import NOTHING, Facts, Go, Later, No, gate
from shared.delivery.model import SUCCESS, Attempt, Delivery, DeliveryStatus, Outcome, Rule
from shared.delivery.state_machine import Write, decide
from tests.fakes.clock import START
from tests.fakes.records import POLICY, a_notification, queued_deliveries

S = DeliveryStatus
SECOND = timedelta(seconds=1)
LATER = START + timedelta(hours=2)
ANY = Delivery("n", "email", "a", START, queued_at=START)
FOLLOWER = replace(ANY, ordering="k", follows="before")
STEP = replace(ANY, channel="sms", escalates_from="email", status=S.SCHEDULED, after=300, unless=S.DELIVERED)
THIRD = replace(STEP, channel="slack", escalates_from="sms")
WITHDRAWN = {S.CANCELLED, S.SUPERSEDED}
FAILED = frozenset(S) - SUCCESS - WITHDRAWN - {S.SCHEDULED, S.QUEUED, S.SENDING, S.RETRYING, S.DEFERRED}


def a_try(outcome: Outcome = Outcome.RETRYABLE) -> Attempt:
    return Attempt(1, START, outcome)


def test_a_plain_one_goes() -> None:
    assert gate(ANY, NOTHING, START, POLICY) == Go()


def test_one_whose_notification_is_cancelled_never_goes() -> None:
    answer = gate(ANY, Facts(cancelled_at=START), START, POLICY)
    assert isinstance(answer, No)
    assert (answer.status, answer.rule) == (S.CANCELLED, Rule.CANCELLED)


def test_nothing_begins_at_its_deliver_by_or_later() -> None:
    bounded = replace(ANY, deliver_by=START)
    assert gate(bounded, NOTHING, START - SECOND, POLICY) == Go()
    for now in (START, START + SECOND):
        answer = gate(bounded, NOTHING, now, POLICY)
        assert isinstance(answer, No)
        assert (answer.status, answer.rule) == (S.EXPIRED, Rule.DELIVER_BY)


def test_of_those_with_a_collapse_key_only_the_newest_goes() -> None:
    keyed = replace(ANY, collapse="k")
    assert gate(keyed, Facts(newest="n"), START, POLICY) == Go()
    assert gate(keyed, Facts(newest=None), START, POLICY) == Go()
    answer = gate(keyed, Facts(newest="newer"), START, POLICY)
    assert isinstance(answer, No)
    assert (answer.status, answer.rule) == (S.SUPERSEDED, Rule.COLLAPSE_KEY)
    assert "newer" in answer.why


def test_what_somebody_asked_for_goes_before_what_a_clock_says() -> None:
    late = replace(ANY, collapse="k", deliver_by=START)
    answers = [
        gate(late, Facts(cancelled_at=START, newest="newer"), START, POLICY),
        gate(late, Facts(newest="newer"), START, POLICY),
        gate(late, NOTHING, START, POLICY),
    ]
    assert [answer.status for answer in answers if isinstance(answer, No)] == [S.CANCELLED, S.SUPERSEDED, S.EXPIRED]


@pytest.mark.parametrize("status", S)
def test_one_in_an_order_goes_when_the_one_before_has_ended(status: DeliveryStatus) -> None:
    answer = gate(FOLLOWER, Facts(before=replace(ANY, status=status)), START, POLICY)
    if replace(ANY, status=status).pending:
        assert answer == Later(START + POLICY.grace, Rule.ORDER)
    else:
        assert answer == Go()


def test_the_first_in_an_order_and_one_whose_before_is_gone_go() -> None:
    assert gate(replace(ANY, ordering="k"), NOTHING, START, POLICY) == Go()
    assert gate(FOLLOWER, Facts(before=None), START, POLICY) == Go()


def test_an_order_is_waited_for_so_long_and_that_is_on_record() -> None:
    before = replace(ANY, status=S.RETRYING, attempts=(a_try(),))
    over = START + POLICY.order_wait
    assert gate(FOLLOWER, Facts(before=before), over - SECOND, POLICY) == Later(over, Rule.ORDER)
    assert gate(FOLLOWER, Facts(before=before), over, POLICY) == Go(Rule.ORDER_BOUND)


def test_one_that_waits_itself_is_waited_for_however_long() -> None:
    before = replace(ANY, status=S.DEFERRED, reason=Rule.ORDER)
    now = START + 10 * POLICY.order_wait
    assert gate(FOLLOWER, Facts(before=before), now, POLICY) == Later(now + POLICY.grace, Rule.ORDER)


def test_the_wait_counts_from_when_that_one_became_the_first() -> None:
    now = START + 10 * POLICY.order_wait
    before = replace(ANY, status=S.RETRYING, attempts=(replace(a_try(), at=now - SECOND),))
    assert isinstance(gate(FOLLOWER, Facts(before=before), now, POLICY), Later)


@pytest.mark.parametrize(
    ("asked", "before", "since"),
    [(LATER, START, LATER), (START, LATER, LATER), (None, START, START), (START, None, START)],
)
def test_the_wait_counts_from_when_both_were_to_go(
    asked: datetime | None, before: datetime | None, since: datetime
) -> None:
    follower, facts = replace(FOLLOWER, queued_at=asked), Facts(before=replace(ANY, queued_at=before))
    over = since + POLICY.order_wait
    assert gate(follower, facts, over - SECOND, POLICY) == Later(over, Rule.ORDER)
    assert gate(follower, facts, over, POLICY) == Go(Rule.ORDER_BOUND)


def test_the_wait_counts_from_when_the_channel_was_resumed() -> None:
    facts, over = Facts(before=ANY, resumed_at=LATER), LATER + POLICY.order_wait
    assert gate(FOLLOWER, facts, over - SECOND, POLICY) == Later(over, Rule.ORDER)
    assert gate(FOLLOWER, facts, over, POLICY) == Go(Rule.ORDER_BOUND)
    before = replace(ANY, status=S.RETRYING, attempts=(replace(a_try(), at=LATER),))
    assert gate(FOLLOWER, Facts(before=before, resumed_at=START), over - SECOND, POLICY) == Later(over, Rule.ORDER)


def test_one_that_is_found_before_it_is_waited_for_though_others_are_out_of_sight() -> None:
    facts = Facts(before=ANY, out_of_sight=True)
    assert gate(FOLLOWER, facts, START, POLICY) == Later(START + POLICY.grace, Rule.ORDER)


def test_one_that_has_been_tried_goes_on_whatever_the_one_before_does() -> None:
    """That one may have been replayed."""
    tried = replace(FOLLOWER, status=S.RETRYING, attempts=(a_try(),))
    assert gate(tried, Facts(before=ANY), START, POLICY) == Go()
    again = replace(tried, round_start=1)
    assert isinstance(gate(again, Facts(before=ANY), START, POLICY), Later)


@pytest.mark.parametrize("status", sorted(FAILED))
@pytest.mark.parametrize("after", [None, 300])
def test_a_step_goes_at_once_when_the_one_before_ended_without_success(
    status: DeliveryStatus, after: int | None
) -> None:
    step = replace(STEP, after=after)
    assert gate(step, Facts(step_before=replace(ANY, status=status)), START, POLICY) == Go()


@pytest.mark.parametrize(
    ("unless", "status", "spared"),
    [
        (S.SENT, S.SENT, True),
        (S.SENT, S.DELIVERED, True),
        (S.DELIVERED, S.DELIVERED, True),
        (S.DELIVERED, S.SENT, False),
    ],
)
def test_a_step_is_not_needed_when_the_one_before_got_far_enough(
    unless: DeliveryStatus, status: DeliveryStatus, spared: bool
) -> None:
    step = replace(STEP, unless=unless)
    answer = gate(step, Facts(step_before=replace(ANY, status=status)), START, POLICY)
    if spared:
        assert answer == No(S.CANCELLED, Rule.NOT_NEEDED, f"email is {status}")
    else:
        assert answer == Later(START + timedelta(seconds=300), Rule.ESCALATION, S.SCHEDULED)


@pytest.mark.parametrize("status", [S.QUEUED, S.SENDING, S.RETRYING, S.DEFERRED, S.SENT])
def test_a_step_goes_when_the_one_before_has_had_its_time(status: DeliveryStatus) -> None:
    over = START + timedelta(seconds=300)
    facts = Facts(step_before=replace(ANY, status=status))
    assert isinstance(gate(STEP, facts, over - SECOND, POLICY), Later)
    assert gate(STEP, facts, over, POLICY) == Go()


@pytest.mark.parametrize(
    ("before", "begun"),
    [
        (replace(ANY, held_until=LATER), LATER),
        (replace(ANY, held_until=START + SECOND, queued_at=LATER), LATER),
        (replace(ANY, held_until=LATER, queued_at=None), LATER),
        (replace(ANY, queued_at=LATER), LATER),
        (replace(ANY, queued_at=None), START),
        (replace(STEP, status=S.QUEUED, queued_at=LATER), LATER),
        (replace(STEP, status=S.QUEUED, queued_at=None), START),
        (replace(STEP, status=S.RETRYING, attempts=(Attempt(1, LATER, Outcome.RETRYABLE),), next_try_at=START), LATER),
    ],
)
def test_a_steps_time_begins_when_the_one_before_was_to_go_and_of_a_later_step_when_it_went(
    before: Delivery, begun: datetime
) -> None:
    over = begun + timedelta(seconds=300)
    facts = Facts(step_before=before)
    assert gate(THIRD, facts, over - SECOND, POLICY) == Later(over, Rule.ESCALATION, S.SCHEDULED)
    assert gate(THIRD, facts, over, POLICY) == Go()


def test_a_step_whose_before_is_gone_goes() -> None:
    assert gate(STEP, Facts(step_before=None), START, POLICY) == Go()


def test_a_step_without_after_waits_for_the_end() -> None:
    step = replace(STEP, after=None, unless=S.SENT)
    now = START + 100 * POLICY.order_wait
    assert gate(step, Facts(step_before=ANY), now, POLICY) == Later(now + POLICY.grace, Rule.ESCALATION, S.SCHEDULED)


def test_no_step_goes_before_the_one_before_it_has_gone() -> None:
    before, now = replace(STEP, next_try_at=START + timedelta(seconds=300)), START + timedelta(days=1)
    answer = gate(THIRD, Facts(step_before=before), now, POLICY)
    assert answer == Later(now + POLICY.grace, Rule.ESCALATION, S.SCHEDULED)


@pytest.mark.parametrize("status", [S.RETRYING, S.DEFERRED])
def test_the_time_that_a_step_has_does_not_begin_anew_with_each_of_its_retries(status: DeliveryStatus) -> None:
    """An hour's throttle, say, would hold the next channel back for longer than that."""
    over = START + timedelta(seconds=300)
    before = replace(ANY, status=status, attempts=(a_try(),), next_try_at=START + timedelta(hours=1))
    assert gate(STEP, Facts(step_before=before), over - SECOND, POLICY) == Later(over, Rule.ESCALATION, S.SCHEDULED)
    assert gate(STEP, Facts(step_before=before), over, POLICY) == Go()


def test_a_step_that_its_order_holds_back_has_not_begun() -> None:
    now = START + timedelta(days=1)
    until = now + POLICY.grace
    before = replace(STEP, status=S.DEFERRED, reason=Rule.ORDER, next_try_at=until)
    answer = gate(THIRD, Facts(step_before=before), now, POLICY)
    assert answer == Later(until + timedelta(seconds=300), Rule.ESCALATION, S.SCHEDULED)


@pytest.mark.parametrize("status", sorted(WITHDRAWN))
def test_a_step_after_one_that_was_withdrawn_does_not_go(status: DeliveryStatus) -> None:
    """Which may have been long before its time."""
    answer = gate(STEP, Facts(step_before=replace(ANY, status=status)), START, POLICY)
    assert isinstance(answer, No)
    assert (answer.status, answer.rule) == (S.CANCELLED, Rule.NOT_NEEDED)


def test_a_step_after_one_that_was_not_needed_is_not_needed() -> None:
    spared = replace(STEP, status=S.CANCELLED, reason=Rule.NOT_NEEDED)
    answer = gate(THIRD, Facts(step_before=spared), START, POLICY)
    assert isinstance(answer, No)
    assert answer.rule is Rule.NOT_NEEDED


def test_a_step_that_has_begun_goes_on() -> None:
    begun = replace(STEP, status=S.RETRYING, attempts=(a_try(),))
    assert gate(begun, Facts(step_before=replace(ANY, status=S.DELIVERED)), START, POLICY) == Go()


def a_scheduled_one(send_at: datetime) -> Delivery:
    (made,) = queued_deliveries(replace(a_notification(), send_at=send_at))
    return made


def test_what_is_to_go_now_is_queued_and_what_is_to_go_later_is_scheduled() -> None:
    for now in (START - SECOND, START):
        made = a_scheduled_one(now)
        assert (made.status, made.next_try_at, made.scheduled_for) == (S.QUEUED, None, None)
    later = a_scheduled_one(START + SECOND)
    assert (later.status, later.next_try_at, later.scheduled_for) == (S.SCHEDULED, START + SECOND, START + SECOND)
    assert (later.due_at, later.queued_at) == (START + SECOND, START + SECOND)


def test_what_an_order_holds_back_is_published_to_no_second() -> None:
    """A step with its time that waits for another in an order, too."""
    held = replace(STEP, status=S.QUEUED, ordering="k", follows="before", version=1)
    facts = Facts(before=ANY, step_before=replace(ANY, status=S.FAILED))
    decision = decide(held, "token", START, POLICY, facts)
    assert isinstance(decision, Write)
    assert (decision.delivery.status, decision.delivery.scheduled_for) == (S.DEFERRED, None)
    waits = decide(replace(STEP, version=1), "token", START, POLICY, Facts(step_before=ANY))
    assert isinstance(waits, Write)
    assert waits.delivery.scheduled_for == waits.delivery.due_at == START + timedelta(seconds=300)
