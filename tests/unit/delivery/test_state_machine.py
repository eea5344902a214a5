"""The state machine: whatever happens to a delivery, in whatever order, follows the drawing in state_machine.py."""

import dataclasses
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.delivery.errors import WrongState
from shared.delivery.model import PENDING, REPLAY, Attempt, Delivery, DeliveryStatus, Outcome, Rule, notification_status
from shared.delivery.retries import Policy
from shared.delivery.state_machine import (
    Done,
    Early,
    Leased,
    Own,
    Write,
    cancelled,
    dead_lettered,
    decide,
    discarded,
    queued,
    relayed,
    replayed,
    settle,
)
from tests.fakes.clock import START
from tests.fakes.records import POLICY, a_notification

S = DeliveryStatus

EDGES = {
    "claim": {(S.QUEUED, S.SENDING), (S.RETRYING, S.SENDING), (S.DEFERRED, S.SENDING), (S.SENDING, S.SENDING)}
    | {(S.SENDING, S.DEAD)},
    "settle": {(S.SENDING, to) for to in (S.SENT, S.FAILED, S.DEAD, S.RETRYING, S.DEFERRED)},
    "relay": {(status, to) for status in PENDING for to in (status, S.DEAD)},
    "dead letter": {(S.SENDING, S.DEAD)},
    "replay": {(S.DEAD, S.QUEUED), (S.FAILED, S.QUEUED)},
    "discard": {(S.DEAD, S.DISCARDED)},
    "cancel": {(status, S.CANCELLED) for status in PENDING},
}

LOST = "the lease ran out before an outcome was recorded"
TERMINAL = [status for status in S if status not in PENDING]

seconds = st.floats(0, 100_000).map(lambda s: timedelta(seconds=s))
fractions = st.floats(0, 1, exclude_max=True)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    send_deadline = draw(st.integers(1, 60))
    return Policy(
        max_attempts=draw(st.integers(1, 6)),
        retry_base=timedelta(seconds=draw(st.floats(0.1, 100))),
        retry_cap=timedelta(seconds=draw(st.floats(0.1, 5_000))),
        grace=timedelta(seconds=draw(st.floats(0.1, 300))),
        lease=timedelta(seconds=send_deadline + draw(st.integers(1, 60))),
        send_deadline=timedelta(seconds=send_deadline),
    )


class Life:
    """One delivery to which things happen, each step checked against what holds for all steps."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.now = START
        self.delivery = queued(a_notification(), "email", "a@example.com", policy)
        self.claims = 0
        self.lost = 0  # leases that ran out
        self.check()

    def become(self, step: str, after: Delivery) -> None:
        before, self.delivery = self.delivery, after
        assert (before.status, after.status) in EDGES[step], step
        kept = [
            dataclasses.replace(new, reason=None) if old.reason is None else new
            for old, new in zip(before.attempts, after.attempts, strict=False)
        ]
        assert kept == list(before.attempts), "what is on record stays there, but that a reason may come"
        self.check()

    def check(self) -> None:
        delivery = self.delivery
        assert delivery.pending == (delivery.due_at is not None)
        assert delivery.pending or delivery.next_try_at is None
        assert (delivery.status is S.DEAD) == (delivery.dead_at is not None)
        assert (delivery.status is S.SENDING) == (delivery.lease_until is not None)
        assert [a.number for a in delivery.attempts] == list(range(1, len(delivery.attempts) + 1))
        assert tries(delivery) <= self.policy.max_attempts
        this_round = [a.outcome for a in delivery.attempts[delivery.round_start :]]
        assert not {Outcome.PERMANENT, Outcome.REFUSED} & set(this_round[:-1]), "a refusal is a round's last"
        if this_round[-1:] == [Outcome.REFUSED]:
            assert delivery.status in {S.DEAD, S.DISCARDED}
        assert sum(a.error == LOST for a in delivery.attempts) == self.lost
        if delivery.due_at and delivery.next_try_at and not delivery.relays:
            assert delivery.due_at >= delivery.next_try_at

    def claim(self) -> None:
        self.claims += 1
        before = self.delivery
        match decide(before, f"token-{self.claims}", self.now, self.policy):
            case Done():
                assert not before.pending
            case Leased():
                assert before.lease_until is not None
                assert before.lease_until > self.now
            case Early(pause):
                assert before.next_try_at == self.now + pause
                assert pause > timedelta()
            case Own():
                pytest.fail("each token is a new one")
            case Write(after):
                assert before.next_try_at is None or before.next_try_at <= self.now, "never before its time"
                self.note_lost_lease(before, after)
                self.become("claim", after)

    def settle(self, outcomes: list[Outcome], retry_after: timedelta | None, jitter: float) -> None:
        if self.delivery.status is S.SENDING:
            made = attempts(self.delivery, outcomes)
            after = settle(
                self.delivery,
                made,
                self.now,
                self.policy,
                provider="p",
                retry_after=retry_after,
                jitter=jitter,
            )
            assert after.attempts[-len(made) :] == tuple(made)
            self.become("settle", after)

    def relay(self) -> None:
        if self.delivery.due_at is not None and self.delivery.due_at < self.now:
            after = relayed(self.delivery, self.now, self.policy)
            self.note_lost_lease(self.delivery, after)
            self.become("relay", after)
            assert after.due_at is None or self.now < after.due_at <= self.now + timedelta(hours=1)

    def dead_letter(self) -> None:
        after = dead_lettered(self.delivery, self.now, self.policy)
        if after is not None:
            self.note_lost_lease(self.delivery, after)
            self.become("dead letter", after)

    def replay(self) -> None:
        if self.delivery.status in {S.DEAD, S.FAILED}:
            self.become("replay", replayed(self.delivery, self.now, self.policy))
            assert tries(self.delivery) == 0, "a fresh set"

    def discard(self) -> None:
        if self.delivery.status is S.DEAD:
            self.become("discard", discarded(self.delivery, self.now))

    def cancel(self) -> None:
        before = self.delivery
        after = cancelled(before, self.now, "not wanted")
        held = before.lease_until is not None and before.lease_until > self.now
        assert (after is None) == (held or not before.pending)
        if after is not None:
            self.note_lost_lease(before, after)
            self.become("cancel", after)
            assert isinstance(decide(after, "another", self.now, self.policy), Done)

    def note_lost_lease(self, before: Delivery, after: Delivery) -> None:
        """Whoever leaves `sending` other than by settling, or claims it anew, puts the lost attempt on record."""
        if before.status is S.SENDING and (after.status is not S.SENDING or after.claim != before.claim):
            assert before.lease_until is not None
            assert before.lease_until <= self.now
            last = after.attempts[-1]
            assert (last.outcome, last.error, last.at) == (Outcome.UNKNOWN, LOST, before.claimed_at)
            self.lost += 1


def attempts(delivery: Delivery, outcomes: list[Outcome]) -> list[Attempt]:
    """Those of one claim: only throttles are waited out, so only the last may be anything else."""
    numbers = range(len(delivery.attempts) + 1, len(delivery.attempts) + 1 + len(outcomes))
    return [
        Attempt(n, START, o, None if o is Outcome.ACCEPTED else str(o)) for n, o in zip(numbers, outcomes, strict=True)
    ]


def tries(delivery: Delivery) -> int:
    """Those of the round that count."""
    return sum(a.outcome is not Outcome.THROTTLED for a in delivery.attempts[delivery.round_start :])


def in_state(status: DeliveryStatus, **others: object) -> Delivery:
    delivery = queued(a_notification(), "email", "a@example.com", POLICY)
    if status is S.SENDING:
        others = {"claim": "mine", "claimed_at": START, "lease_until": START + POLICY.lease} | others
    if status not in PENDING:
        others = {"due_at": None} | others
    return replace(delivery, status=status, **others)  # type: ignore[arg-type]


claim_outcomes = st.builds(
    lambda throttles, last: [Outcome.THROTTLED] * throttles + [last], st.integers(0, 2), st.sampled_from(Outcome)
)
steps = st.one_of(
    st.tuples(st.just("wait"), seconds),
    st.tuples(st.just("claim")),
    st.tuples(st.just("settle"), claim_outcomes, st.none() | seconds, fractions),
    st.tuples(st.just("relay")),
    st.tuples(st.just("dead_letter")),
    st.tuples(st.just("replay")),
    st.tuples(st.just("discard")),
    st.tuples(st.just("cancel")),
)


@given(policies(), st.lists(steps, max_size=40))
def test_every_life_follows_the_drawing(policy: Policy, history: list[tuple[str, *tuple[object, ...]]]) -> None:
    life = Life(policy)
    for name, *details in history:
        if name == "wait":
            assert isinstance(details[0], timedelta)
            life.now += details[0]
        else:
            getattr(life, name)(*details)


@given(policies(), st.lists(st.sampled_from([Outcome.RETRYABLE, Outcome.UNKNOWN]), min_size=6, max_size=6), fractions)
def test_a_delivery_that_fails_each_time_dies_after_max_attempts(
    policy: Policy, outcomes: list[Outcome], jitter: float
) -> None:
    life = Life(policy)
    for made, outcome in enumerate(outcomes[: policy.max_attempts], 1):
        life.claim()
        life.settle([outcome], None, jitter)
        assert (life.delivery.status is S.DEAD) == (made == policy.max_attempts)
        life.now += timedelta(hours=2)
    assert life.delivery.error == f"attempts used up; the last one: {life.delivery.attempts[-1].error}"


@given(policies(), st.integers(0, 2), st.integers(1, 3))
def test_what_an_operator_can_mend_is_dead_at_once_and_can_be_replayed(policy: Policy, throttles: int, n: int) -> None:
    life = Life(policy)
    for _ in range(n):
        life.claim()
        life.settle([Outcome.THROTTLED] * throttles + [Outcome.REFUSED], None, 0.5)
        assert (life.delivery.status, life.delivery.error) == (S.DEAD, "refused: refused")
        assert life.delivery.dead_at == life.now
        life.replay()
    life.claim()
    life.settle([Outcome.ACCEPTED], None, 0.5)
    assert life.delivery.status is S.SENT


@given(policies(), st.integers(1, 20))
def test_leases_that_run_out_count_as_tries(policy: Policy, claims: int) -> None:
    life = Life(policy)
    for _ in range(claims):
        life.claim()
        life.now += policy.lease
    assert life.lost == min(claims - 1, policy.max_attempts)
    assert (life.delivery.status is S.DEAD) == (claims > policy.max_attempts)


@given(policies(), st.integers(1, 20), fractions)
def test_throttling_alone_uses_up_no_attempt(policy: Policy, times: int, jitter: float) -> None:
    life = Life(policy)
    for _ in range(times):
        life.claim()
        life.settle([Outcome.THROTTLED], None, jitter)
        assert life.delivery.status is S.DEFERRED
        assert life.delivery.next_try_at is not None
        life.now = life.delivery.next_try_at
    life.claim()
    assert life.delivery.status is S.SENDING


@given(policies(), st.integers(1, 20))
def test_throttling_leaves_every_try_to_failures(policy: Policy, throttles: int) -> None:
    policy = replace(policy, max_attempts=policy.max_attempts + 1)
    claimed = in_state(S.SENDING)
    made = attempts(claimed, [Outcome.THROTTLED] * throttles + [Outcome.RETRYABLE])
    after = settle(claimed, made, START, policy, provider="p")
    assert after.status is S.RETRYING
    assert after.next_try_at is not None
    assert after.next_try_at - START <= policy.retry_base, "the pause of a first failure"


@given(policies(), st.none() | seconds)
def test_throttling_ends_after_a_day(policy: Policy, retry_after: timedelta | None) -> None:
    life = Life(policy)
    for _ in range(200):  # pauses are at most an hour and at least half of 0.1 s, doubled
        life.now += timedelta(minutes=15)
        life.claim()
        life.settle([Outcome.THROTTLED], retry_after, 0.5)
        if life.delivery.status is S.DEAD:
            break
    assert life.delivery.status is S.DEAD
    assert timedelta(hours=24) <= life.now - START <= timedelta(hours=26)
    throttles = len(life.delivery.attempts)
    assert life.delivery.error == f"throttled {throttles} times; the last answer: throttled"


def test_throttling_ends_before_the_record_is_full() -> None:
    life = Life(replace(POLICY, max_throttles=30))
    for _ in range(30):
        assert life.delivery.status in PENDING
        life.now += timedelta(minutes=11)
        life.claim()
        life.settle([Outcome.THROTTLED], None, 0.5)
    assert life.delivery.status is S.DEAD


@pytest.mark.parametrize("status", [S.DEAD, S.FAILED])
def test_a_record_that_is_about_to_expire_is_not_replayed(status: DeliveryStatus) -> None:
    dead = replace(in_state(status), expire_at=START + timedelta(hours=47))
    with pytest.raises(WrongState, match="about to expire"):
        replayed(dead, START, POLICY)


@given(policies(), st.integers(0, 30), st.none() | seconds, fractions)
def test_a_throttled_delivery_comes_back_when_it_was_told_to_and_within_the_hour(
    policy: Policy, earlier: int, retry_after: timedelta | None, jitter: float
) -> None:
    claimed = in_state(S.SENDING)
    made = attempts(claimed, [Outcome.THROTTLED] * (earlier + 1))
    after = settle(claimed, made, START, policy, provider="p", retry_after=retry_after, jitter=jitter)
    assert after.next_try_at is not None
    pause = after.next_try_at - START
    assert min(retry_after or timedelta(), timedelta(hours=1)) <= pause <= timedelta(hours=1)
    assert after.due_at == after.next_try_at


@given(policies(), st.integers(1, 5), fractions)
def test_the_pause_before_the_next_try_doubles_up_to_the_cap(policy: Policy, n: int, jitter: float) -> None:
    policy = replace(policy, max_attempts=6)
    claimed = replace(in_state(S.SENDING), attempts=())
    claimed = replace(claimed, attempts=tuple(attempts(claimed, [Outcome.RETRYABLE] * (n - 1))))
    after = settle(claimed, attempts(claimed, [Outcome.RETRYABLE]), START, policy, provider="p", jitter=jitter)
    assert after.next_try_at is not None
    full = min(policy.retry_base * 2 ** (n - 1), policy.retry_cap)
    rounding = timedelta(microseconds=1)
    assert full / 2 - rounding <= after.next_try_at - START <= full + rounding
    assert after.due_at == after.next_try_at + policy.grace


@given(policies(), st.sampled_from(Outcome))
def test_replay_keeps_every_old_attempt_and_gives_a_fresh_set(policy: Policy, outcome: Outcome) -> None:
    life = Life(policy)
    for _ in range(policy.max_attempts):
        life.claim()
        life.settle([Outcome.UNKNOWN], None, 0)
        life.now += timedelta(hours=2)
    before = life.delivery.attempts
    life.replay()
    old = (*before[:-1], dataclasses.replace(before[-1], reason=REPLAY))
    assert life.delivery.attempts == old
    assert (life.delivery.error, life.delivery.dead_at, life.delivery.queued_at) == (None, None, life.now)
    life.claim()
    life.settle([outcome], None, 0)
    used_up = policy.max_attempts == 1 and outcome in {Outcome.RETRYABLE, Outcome.UNKNOWN}
    assert (life.delivery.status is S.DEAD) == (used_up or outcome is Outcome.REFUSED)
    assert life.delivery.attempts[:-1] == old


@given(policies(), st.sampled_from([S.QUEUED, S.RETRYING]), st.integers(1, 60))
def test_the_relay_comes_back_twice_as_late_each_time_up_to_an_hour(
    policy: Policy, status: DeliveryStatus, times: int
) -> None:
    delivery, now = in_state(status), START
    for n in range(times):
        after = relayed(delivery, now, policy)
        if not after.pending:
            assert now - START >= timedelta(hours=24)
            return
        assert after.due_at is not None
        assert after.due_at - now == min(policy.grace * 2 ** min(n, 16), timedelta(hours=1))
        delivery, now = after, after.due_at


@pytest.mark.parametrize(
    ("delivery", "since"),
    [
        (in_state(S.QUEUED), START),
        (in_state(S.RETRYING, next_try_at=START + timedelta(minutes=9)), START + timedelta(minutes=9)),
        (in_state(S.DEFERRED, next_try_at=START + timedelta(days=3)), START + timedelta(days=3)),
        (in_state(S.SENDING), START + POLICY.lease),
        (in_state(S.QUEUED, updated_at=None), START),
        (in_state(S.QUEUED, updated_at=START + timedelta(days=40)), START + timedelta(days=40)),
    ],
    ids=["queued", "retrying", "deferred far in the future", "sending", "without a change", "replayed"],
)
def test_what_nobody_took_for_a_day_dies(delivery: Delivery, since: datetime) -> None:
    day = timedelta(hours=24)
    still = relayed(delivery, since + day - timedelta(microseconds=1), POLICY)
    assert (still.status, still.attempts) == (delivery.status, ())
    dead = relayed(delivery, since + day, POLICY)
    assert (dead.status, dead.error) == (S.DEAD, "no channel function took it for 24 h")
    assert [a.outcome for a in dead.attempts] == ([Outcome.UNKNOWN] if delivery.status is S.SENDING else [])
    assert relayed(delivery, since + day, POLICY, resumed_at=since + timedelta(microseconds=1)).pending
    assert relayed(delivery, since + day, POLICY, resumed_at=START).status is S.DEAD


@pytest.mark.parametrize("outcome", Outcome)
@pytest.mark.parametrize("status", [status for status in S if status is not S.SENDING])
def test_only_a_claimed_delivery_can_be_settled(status: DeliveryStatus, outcome: Outcome) -> None:
    with pytest.raises(ValueError, match="not claimed"):
        settle(in_state(status), [Attempt(1, START, outcome)], START, POLICY, provider="p")


@pytest.mark.parametrize("status", TERMINAL)
def test_what_is_terminal_stays_as_it_is(status: DeliveryStatus) -> None:
    delivery = in_state(status)
    for later in (START, START + timedelta(days=400)):
        assert decide(delivery, "mine", later, POLICY) == Done()
        assert dead_lettered(delivery, later, POLICY) is None
        with pytest.raises(ValueError, match="cannot be due"):
            relayed(delivery, later, POLICY)


@pytest.mark.parametrize("status", [status for status in S if status not in {S.DEAD, S.FAILED}])
def test_only_a_dead_or_failed_delivery_can_be_replayed(status: DeliveryStatus) -> None:
    with pytest.raises(WrongState, match="neither dead nor failed"):
        replayed(in_state(status), START, POLICY)


def test_a_failed_delivery_gets_a_fresh_set_of_attempts_and_keeps_the_old_ones() -> None:
    life = Life(POLICY)
    life.claim()
    life.settle([Outcome.PERMANENT], None, 0)
    failed = life.delivery
    assert (failed.status, failed.error) == (S.FAILED, "permanent")
    life.now += timedelta(days=1)
    life.replay()
    queued_again = life.delivery
    assert (queued_again.status, queued_again.error, queued_again.attempts) == (S.QUEUED, None, failed.attempts)
    assert (queued_again.queued_at, queued_again.due_at) == (life.now, life.now + POLICY.grace)
    life.claim()
    life.settle([Outcome.ACCEPTED], None, 0)
    assert [a.outcome for a in life.delivery.attempts] == [Outcome.PERMANENT, Outcome.ACCEPTED]


@pytest.mark.parametrize("status", [status for status in S if status is not S.DEAD])
def test_only_a_dead_delivery_can_be_discarded(status: DeliveryStatus) -> None:
    with pytest.raises(WrongState, match="not dead"):
        discarded(in_state(status), START)


def test_a_new_delivery_is_due_after_the_grace() -> None:
    notification = a_notification(recipient="alice")
    delivery = queued(notification, "email", "a@example.com", POLICY)
    assert (delivery.status, delivery.due_at) == (S.QUEUED, START + POLICY.grace)
    assert (delivery.recipient, delivery.shard) == ("alice", notification.shard)
    assert delivery.expire_at == notification.expire_at


def test_a_claim_is_due_again_once_its_lease_and_the_grace_are_over() -> None:
    decision = decide(in_state(S.QUEUED, relays=4), "mine", START, POLICY)
    assert isinstance(decision, Write)
    claimed = decision.delivery
    assert (claimed.status, claimed.claim, claimed.relays) == (S.SENDING, "mine", 0)
    assert claimed.lease_until == START + POLICY.lease
    assert claimed.due_at == START + POLICY.lease + POLICY.grace


def test_a_claim_knows_itself_and_keeps_others_away_until_its_lease_is_over() -> None:
    claimed = in_state(S.SENDING)
    assert decide(claimed, "mine", START, POLICY) == Own()
    assert decide(claimed, "another", START + POLICY.lease - timedelta(microseconds=1), POLICY) == Leased()
    assert isinstance(decide(claimed, "another", START + POLICY.lease, POLICY), Write)


def test_a_retry_waits_for_its_time() -> None:
    retrying = in_state(S.RETRYING, next_try_at=START + timedelta(seconds=7))
    assert decide(retrying, "mine", START + timedelta(seconds=3), POLICY) == Early(timedelta(seconds=4))
    assert isinstance(decide(retrying, "mine", START + timedelta(seconds=7), POLICY), Write)


def test_a_sent_delivery_has_its_message_id_and_no_error() -> None:
    claimed = in_state(S.SENDING, error="of an earlier try")
    made = [Attempt(1, START, Outcome.ACCEPTED)]
    sent = settle(claimed, made, START, POLICY, provider="sendgrid", provider_message_id="m-1")
    assert (sent.status, sent.provider, sent.provider_message_id, sent.error) == (S.SENT, "sendgrid", "m-1", None)
    assert sent.claim == "mine", "so that a repeated write knows itself"


def test_that_one_went_before_its_turn_stays_on_record_when_it_dies() -> None:
    claim = decide(queued(a_notification(), "email", "a", POLICY), "t", START, POLICY)
    assert isinstance(claim, Write)
    early = replace(claim.delivery, reason=Rule.ORDER_BOUND)
    dead = settle(early, [Attempt(1, START, Outcome.REFUSED)], START, POLICY, provider="p")
    assert (dead.status, dead.reason) == (S.DEAD, Rule.ORDER_BOUND)
    assert replayed(dead, START, POLICY).reason is None


def test_a_dead_letter_with_tries_left_is_left_alone() -> None:
    over = START + POLICY.lease
    one_left = tuple(attempts(in_state(S.QUEUED), [Outcome.RETRYABLE] * 3))
    assert dead_lettered(in_state(S.SENDING, attempts=one_left), over, POLICY) is None
    used_up = tuple(attempts(in_state(S.QUEUED), [Outcome.RETRYABLE] * 4))
    assert dead_lettered(in_state(S.SENDING, attempts=used_up), over - timedelta(seconds=1), POLICY) is None
    dead = dead_lettered(in_state(S.SENDING, attempts=used_up), over, POLICY)
    assert dead is not None
    assert (dead.status, dead.error) == (S.DEAD, f"attempts used up; the last one: {LOST}")


@pytest.mark.parametrize("status", S)
def test_what_is_pending_and_held_by_nobody_is_cancelled_with_its_reason(status: DeliveryStatus) -> None:
    after = cancelled(in_state(status), START, "not wanted")
    if status in PENDING - {S.SENDING}:
        assert after is not None
        assert (after.status, after.error, after.due_at, after.dead_at) == (S.CANCELLED, "not wanted", None, None)
        assert after.updated_at == START
    else:
        assert after is None, "terminal, or somebody may be sending it"


def test_what_may_have_arrived_says_so_when_it_is_cancelled() -> None:
    over = START + POLICY.lease
    after = cancelled(in_state(S.SENDING), over, "not wanted")
    assert after is not None
    assert after.error == "not wanted; an attempt may have arrived"
    assert [(attempt.outcome, attempt.error) for attempt in after.attempts] == [(Outcome.UNKNOWN, LOST)]
    assert after.lease_until is None
    tried = replace(in_state(S.RETRYING), attempts=(Attempt(1, START, Outcome.RETRYABLE, "503"),))
    unsent = cancelled(tried, START, "not wanted")
    assert unsent is not None
    assert unsent.error == "not wanted"


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ((S.CANCELLED,), "cancelled"),
        ((S.CANCELLED, S.CANCELLED), "cancelled"),
        ((S.EXPIRED,), "expired"),
        ((S.CANCELLED, S.EXPIRED), "failed"),
        ((S.CANCELLED, S.FAILED), "failed"),
        ((S.CANCELLED, S.SENT), "partial"),
        ((S.CANCELLED, S.QUEUED), "sending"),
    ],
)
def test_a_notification_is_what_all_its_deliveries_are(statuses: tuple[DeliveryStatus, ...], expected: str) -> None:
    assert notification_status(in_state(status) for status in statuses) == expected
