"""The state machine of one delivery: pure functions from a delivery and the time to what comes next.

    queued, and scheduled in its time ─claim─▶ sending ─settle─▶ sent | failed | dead | retrying | deferred | expired
    retrying, deferred, and sending once its lease is over ─claim─▶ sending (or dead, attempts used up)
    what could be claimed ─the gate's no─▶ cancelled | superseded | expired   ─its later─▶ deferred | scheduled
    sending, no attempt made ─the person's no─▶ suppressed | expired   ─their later─▶ deferred
    pending, untaken for a day ─relayed─▶ dead      pending, its deliver_by past ─relayed─▶ expired
    pending, and sending once its lease is over ─cancelled─▶ cancelled   ─superseded─▶ superseded
    dead, failed ─replayed─▶ queued        dead ─discarded─▶ discarded
    receipts: see `shared/sending/receipts.py`

Nothing here reads a clock, draws a number or does I/O. What is not drawn above cannot be written: each function
takes the states it can leave and returns only states it can enter. The store's version check makes each
step atomic: of two that start from the same record only one is written.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.delivery.duplicates import may_have_arrived_by
from shared.delivery.errors import WrongState
from shared.delivery.gate import NOTHING, Facts, Later, No, gate, is_late
from shared.delivery.model import (
    LEASE_RAN_OUT,
    PENDING,
    REPLAY,
    Attempt,
    Delivery,
    DeliveryStatus,
    Notification,
    Outcome,
    Rule,
    Segments,
    Step,
    replace,
)
from shared.delivery.retries import Policy, probes, retry_pause, throttles, tries


@dataclass(frozen=True, slots=True)
class Done:
    """The delivery is terminal: nothing to do."""


@dataclass(frozen=True, slots=True)
class Own:
    """The claim with our token is already on record: an earlier write of ours landed unheard."""


@dataclass(frozen=True, slots=True)
class Leased:
    """Another holds a live lease. Its due time will bring the delivery back if the holder dies."""


@dataclass(frozen=True, slots=True)
class Early:
    """The next try is not before `pause` from now."""

    pause: timedelta


@dataclass(frozen=True, slots=True)
class Held:
    """The gate holds it back, as is on record. It has a due time; what it waits for publishes it when that ends."""


@dataclass(frozen=True, slots=True)
class Write:
    """Write `delivery`: claimed if its status is sending, else it ended, or the gate holds it back."""

    delivery: Delivery


Decision = Done | Own | Leased | Early | Held | Write


def queued(
    notification: Notification,
    channel: str,
    address: str,
    policy: Policy,
    traceparent: str | None = None,
    segments: Segments | None = None,
) -> Delivery:
    """A new delivery, as the gateway writes it."""
    now, later = notification.created_at, notification.send_at
    if later is not None and later <= now:
        later = None
    return Delivery(
        notification_id=notification.id,
        channel=channel,
        address=address,
        caller=notification.caller,
        simulated=notification.simulated,
        recipient=notification.recipient,
        shard=notification.shard,
        created_at=notification.created_at,
        expire_at=notification.expire_at,
        traceparent=traceparent,
        segments=segments.count if segments else None,
        encoding=segments.encoding if segments else None,
        deliver_by=notification.deliver_by,
        made_of=None if notification.template is None else notification.template.id,
        status=DeliveryStatus.QUEUED if later is None else DeliveryStatus.SCHEDULED,
        queued_at=later or notification.created_at,
        updated_at=notification.created_at,
        due_at=_due(notification, later or notification.created_at + policy.grace),
        next_try_at=later,
        scheduled_for=later,
    )


def step_of(delivery: Delivery, before: Delivery, step: Step, policy: Policy) -> Delivery:
    """A new delivery as the step after `before`: scheduled for when that one has had its time."""
    start = before.next_try_at or before.queued_at or before.created_at
    at = start + (policy.grace if step.after is None else timedelta(seconds=step.after))
    return replace(
        delivery,
        status=DeliveryStatus.SCHEDULED,
        escalates_from=before.channel,
        after=step.after,
        unless=step.unless,
        queued_at=at,
        next_try_at=at,
        due_at=_due(delivery, at),
        scheduled_for=None if step.after is None else at,
        reason=Rule.ESCALATION,
    )


def _due(bounded: Notification | Delivery, at: datetime) -> datetime:
    """This time, or its deliver_by if that is sooner: then the relay ends it."""
    return at if bounded.deliver_by is None else min(at, bounded.deliver_by)


def decide(delivery: Delivery, token: str, now: datetime, policy: Policy, facts: Facts = NOTHING) -> Decision:
    """What a channel function that holds a message for this delivery does with it. facts: for the gate"""
    if not delivery.pending:
        return Done()
    lost = False
    if delivery.status is DeliveryStatus.SENDING:
        if delivery.claim == token:
            return Own()
        if delivery.lease_until is not None and delivery.lease_until > now:
            return Leased()
        delivery, lost = with_lost_attempt(delivery), True
    permission = gate(delivery, facts, now, policy)
    if isinstance(permission, No):
        return Write(_ended(delivery, permission.status, now, _unsure(delivery, permission.why), permission.rule))
    if lost and tries(delivery) >= policy.max_attempts:
        return Write(_dead(delivery, now, f"attempts used up; the last one: {delivery.attempts[-1].error}"))
    early = delivery.next_try_at - now if delivery.next_try_at is not None else timedelta()
    if early > timedelta() and delivery.reason not in _GATES_OWN:
        return Early(early)
    if isinstance(permission, Later):
        return _held(delivery, permission, now)
    lease_until = now + policy.lease
    return Write(
        replace(
            delivery,
            status=DeliveryStatus.SENDING,
            claim=token,
            claimed_at=now,
            lease_until=lease_until,
            due_at=lease_until + policy.grace,
            next_try_at=None,
            scheduled_for=None,
            reason=permission.rule or out_of_turn(delivery),
            relays=0,
            updated_at=now,
        )
    )


def out_of_turn(delivery: Delivery) -> str | None:
    """That it was let go before its turn: this stays on record, whatever becomes of it."""
    return delivery.reason if delivery.reason == Rule.ORDER_BOUND else None


_THE_CHANNELS = frozenset({Rule.CHANNEL_PAUSED, Rule.PROVIDER_DOWN, Rule.BEING_ASKED})
_GATES_OWN = frozenset({Rule.ORDER, Rule.ESCALATION})
"""What these hold back waits for another delivery: its time is when to look again at the latest."""


def _held(delivery: Delivery, later: Later, now: datetime) -> Held | Write:
    known = delivery.status is later.status and delivery.reason == later.rule
    if known and delivery.next_try_at is not None and now < delivery.next_try_at <= later.until:
        return Held()
    scheduled = later.status is DeliveryStatus.SCHEDULED and delivery.after is not None
    return Write(
        replace(
            delivery,
            status=later.status,
            reason=later.rule,
            next_try_at=later.until,
            due_at=_due(delivery, later.until),
            scheduled_for=later.until if scheduled else None,
            updated_at=now,
        )
    )


def given_back(claimed: Delivery, permission: Later | No, now: datetime) -> Delivery:
    """A claimed delivery of which no attempt was made, as what is on record of the person, or of its channel, says.

    Raises ValueError when it is not claimed.
    """
    if claimed.status is not DeliveryStatus.SENDING:
        raise ValueError(f"a {claimed.status} delivery is not claimed, so it cannot be given back")
    if isinstance(permission, No):
        return _ended(claimed, permission.status, now, _unsure(claimed, permission.why), permission.rule)
    return replace(
        claimed,
        status=permission.status,
        reason=permission.rule,
        next_try_at=permission.until,
        # What holds up the channel is no wish of the person's, for which the next channel would wait.
        held_until=claimed.held_until if permission.rule in _THE_CHANNELS else permission.until,
        due_at=_due(claimed, permission.until),
        claimed_at=None,
        lease_until=None,
        updated_at=now,
    )


_ENDS = {Outcome.ACCEPTED: DeliveryStatus.SENT, Outcome.PERMANENT: DeliveryStatus.FAILED}


def settle(  # noqa: PLR0913 - the parts of one record, each named at its one caller
    claimed: Delivery,
    made: Sequence[Attempt],
    now: datetime,
    policy: Policy,
    *,
    provider: str,
    provider_message_id: str | None = None,
    provider_conversation: str | None = None,
    retry_after: timedelta | None = None,
    jitter: float = 0.0,
) -> Delivery:
    """The claimed delivery after the attempts just `made`; the last decides. None were made when its time was up.

    retry_after: what a throttling provider asked for; jitter: in [0, 1), spreads retries of many deliveries.
    Raises ValueError when it is not claimed.
    """
    if claimed.status is not DeliveryStatus.SENDING:
        raise ValueError(f"a {claimed.status} delivery is not claimed, so it cannot be settled")
    if not made:
        return _ended(claimed, DeliveryStatus.EXPIRED, now, _unsure(claimed, "its deliver_by is past"), Rule.DELIVER_BY)
    last = made[-1]
    after = replace(
        claimed,
        status=_ENDS.get(last.outcome, claimed.status),
        attempts=(*claimed.attempts, *made),
        provider=provider,
        provider_message_id=provider_message_id,
        provider_conversation=provider_conversation,
        error=last.error,
        claimed_at=None,
        lease_until=None,
        due_at=None,
        updated_at=now,
    )
    after = _with_doubt(after, now)
    match last.outcome:
        case Outcome.ACCEPTED | Outcome.PERMANENT:
            return after
        case Outcome.REFUSED:
            return _dead(after, now, f"refused: {last.error}")
        case Outcome.THROTTLED:
            throttled = throttles(after)
            if now - free_since(after) >= policy.give_up or throttled >= policy.max_throttles:
                return _dead(after, now, f"throttled {throttled} times; the last answer: {last.error}")
            pause = max(retry_pause(throttled, policy, jitter), retry_after or timedelta())
            due = now + min(pause, policy.longest_pause)
            if is_late(after, due):
                return _too_late_for_another(after, now)
            return replace(after, status=DeliveryStatus.DEFERRED, next_try_at=due, due_at=due)
        case Outcome.RETRYABLE | Outcome.UNKNOWN:
            made_in_all = tries(after) + probes(after)
            # What fails for its own sake would be a probe for ever, where nothing else comes that could be one.
            if last.probe and (now - free_since(after) >= policy.give_up or made_in_all >= policy.max_throttles):
                return _dead(after, now, f"was a probe {probes(after)} times; the last answer: {last.error}")
            if tries(after) >= policy.max_attempts:
                return _dead(after, now, f"attempts used up; the last one: {last.error}")
            next_try = now + retry_pause(made_in_all, policy, jitter)
            if is_late(after, next_try):
                return _too_late_for_another(after, now)
            due = _due(after, next_try + policy.grace)
            return replace(after, status=DeliveryStatus.RETRYING, next_try_at=next_try, due_at=due)


def reconciled(
    claimed: Delivery, now: datetime, *, provider: str, message_id: str | None, conversation: str | None
) -> Delivery:
    """The claimed delivery, which turned out to have been sent: the provider has it.

    Raises ValueError when it is not claimed.
    """
    if claimed.status is not DeliveryStatus.SENDING:
        raise ValueError(f"a {claimed.status} delivery is not claimed, so it cannot be reconciled")
    return replace(
        claimed,
        status=DeliveryStatus.SENT,
        provider=provider,
        provider_message_id=message_id,
        provider_conversation=conversation,
        error=None,
        claimed_at=None,
        lease_until=None,
        due_at=None,
        updated_at=now,
    )


def free_since(delivery: Delivery) -> datetime:
    """When it was to go: its round was asked for, or what the person wants held it back no longer."""
    asked = delivery.queued_at or delivery.created_at
    return asked if delivery.held_until is None else max(asked, delivery.held_until)


def _too_late_for_another(delivery: Delivery, now: datetime) -> Delivery:
    why = f"its deliver_by comes before another attempt; the last one: {delivery.error}"
    return _ended(delivery, DeliveryStatus.EXPIRED, now, _unsure(delivery, why), Rule.DELIVER_BY)


def dead_lettered(delivery: Delivery, now: datetime, policy: Policy) -> Delivery | None:
    """The delivery to write, now dead, when Pub/Sub gave its message up; None when it has tries left.

    Attempts that were used up and recorded are dead already, so what is left is a process that died in its last.
    """
    lease_over = delivery.lease_until is not None and delivery.lease_until <= now
    if delivery.status is not DeliveryStatus.SENDING or not lease_over:
        return None
    lost = with_lost_attempt(delivery)
    if tries(lost) < policy.max_attempts:
        return None
    return _dead(lost, now, f"attempts used up; the last one: {lost.attempts[-1].error}")


def relayed(delivery: Delivery, now: datetime, policy: Policy, resumed_at: datetime | None = None) -> Delivery:
    """An overdue delivery with its due time moved on; or expired, or dead because nobody took it for a day.

    resumed_at: of its channel, when that was paused last
    Raises ValueError when it is terminal.
    """
    if not delivery.pending:
        raise ValueError(f"a {delivery.status} delivery cannot be due")
    if is_late(delivery, now) and not _is_leased(delivery, now):
        lost = with_lost_attempt(delivery) if delivery.status is DeliveryStatus.SENDING else delivery
        return _ended(lost, DeliveryStatus.EXPIRED, now, _unsure(lost, "its deliver_by is past"), Rule.DELIVER_BY)
    times = (delivery.updated_at, delivery.next_try_at, delivery.lease_until, delivery.created_at, resumed_at)
    waiting_since = max(t for t in times if t)
    if now - waiting_since >= policy.give_up:
        if delivery.status is DeliveryStatus.SENDING:
            delivery = with_lost_attempt(delivery)
        return _dead(delivery, now, f"no channel function took it for {_hours(policy.give_up)}")
    # 2**16 graces are past any longest_pause; the exponent is bounded so that it cannot overflow a timedelta.
    pause = min(policy.grace * 2 ** min(delivery.relays, 16), policy.longest_pause)
    if delivery.reason in _GATES_OWN:
        pause = min(pause, _LONGEST_HOLD)  # it is taken, each time, and not let through
    due = now + pause
    if not _is_leased(delivery, now):
        due = _due(delivery, due)
    return replace(delivery, due_at=due, relays=delivery.relays + 1)


_LONGEST_HOLD = timedelta(minutes=5)
"""Whatever another delivery's end should have published is looked at again so often at least."""


def _is_leased(delivery: Delivery, now: datetime) -> bool:
    held = delivery.status is DeliveryStatus.SENDING
    return held and delivery.lease_until is not None and delivery.lease_until > now


def replayed(delivery: Delivery, now: datetime, policy: Policy) -> Delivery:
    """A dead or failed delivery, queued for a fresh set of attempts; the old ones stay on record.

    A provider's "never" can be mended, too: a number that was wrongly blocked, a mailbox that is there again.
    Raises WrongState when it is neither, or when its record may be deleted before the new round has ended.
    """
    if delivery.status not in {DeliveryStatus.DEAD, DeliveryStatus.FAILED}:
        raise WrongState("the delivery is neither dead nor failed")
    if not delivery.address:
        raise WrongState("the delivery's recipient is erased")
    if delivery.expire_at is not None and delivery.expire_at - now < 2 * policy.give_up:
        raise WrongState("the delivery's record is about to expire")
    if is_late(delivery, now):
        raise WrongState("the delivery's deliver_by is past")
    return replace(
        delivery,
        status=DeliveryStatus.QUEUED,
        attempts=_replayed_after(delivery.attempts),
        round_start=len(delivery.attempts),
        queued_at=now,
        updated_at=now,
        due_at=_due(delivery, now + policy.grace),
        next_try_at=None,
        relays=0,
        error=None,
        dead_at=None,
        reason=None,
    )


def _replayed_after(attempts: Sequence[Attempt]) -> tuple[Attempt, ...]:
    """The last that may have arrived says that somebody asked for another, unless it has a reason already."""
    last = max((attempt.number for attempt in filter(may_have_arrived_by, attempts)), default=None)
    return tuple(dataclasses.replace(a, reason=a.reason or REPLAY) if a.number == last else a for a in attempts)


def discarded(delivery: Delivery, now: datetime) -> Delivery:
    """A dead delivery that an operator gives up. Raises WrongState when it is not."""
    if delivery.status is not DeliveryStatus.DEAD:
        raise WrongState("the delivery is not dead")
    return replace(delivery, status=DeliveryStatus.DISCARDED, dead_at=None, updated_at=now)


def cancelled(delivery: Delivery, now: datetime, reason: str) -> Delivery | None:
    """A delivery withdrawn for this reason. None when it is terminal, or when somebody may be sending it now.

    What was sent before and ended unknown may have arrived all the same: its attempt stays on record.
    """
    return _withdrawn(delivery, DeliveryStatus.CANCELLED, now, reason, Rule.CANCELLED)


def superseded(delivery: Delivery, now: datetime, newest: str) -> Delivery | None:
    """The same for a newer notification with its collapse key, of this id."""
    why = f"notification {newest} has its collapse_key"
    return _withdrawn(delivery, DeliveryStatus.SUPERSEDED, now, why, Rule.COLLAPSE_KEY)


def _withdrawn(delivery: Delivery, status: DeliveryStatus, now: datetime, reason: str, rule: Rule) -> Delivery | None:
    if not delivery.pending or _is_leased(delivery, now):
        return None
    if delivery.status is DeliveryStatus.SENDING:
        delivery = with_lost_attempt(delivery)
    return _ended(delivery, status, now, _unsure(delivery, reason), rule)


def may_have_arrived(delivery: Delivery) -> bool:
    """Whether an attempt ended so that nobody can tell."""
    return any(attempt.outcome is Outcome.UNKNOWN for attempt in delivery.attempts)


def _unsure(delivery: Delivery, why: str) -> str:
    return f"{why}; an attempt may have arrived" if may_have_arrived(delivery) else why


def with_lost_attempt(delivery: Delivery) -> Delivery:
    """The lease ran out with no outcome on record: the provider may have accepted, which goes on record as unknown."""
    lost = Attempt(
        number=len(delivery.attempts) + 1,
        at=delivery.claimed_at or delivery.created_at,
        outcome=Outcome.UNKNOWN,
        error=LEASE_RAN_OUT,
        provider=delivery.provider,
    )
    over = delivery.lease_until or delivery.created_at
    return _with_doubt(replace(delivery, attempts=(*delivery.attempts, lost)), over)


def _with_doubt(delivery: Delivery, now: datetime) -> Delivery:
    """It has a new attempt: whether the person may have got it a second time by that."""
    if delivery.twice_at is not None or sum(map(may_have_arrived_by, delivery.attempts)) < 2:
        return delivery
    return replace(delivery, twice_at=now)


def _dead(delivery: Delivery, now: datetime, reason: str) -> Delivery:
    if delivery.status not in PENDING:
        raise ValueError(f"a {delivery.status} delivery cannot die")
    return replace(_ended(delivery, DeliveryStatus.DEAD, now, reason), dead_at=now)


def _ended(delivery: Delivery, status: DeliveryStatus, now: datetime, why: str, rule: Rule | None = None) -> Delivery:
    return replace(
        delivery,
        status=status,
        error=why,
        reason=rule or out_of_turn(delivery),
        scheduled_for=None,
        updated_at=now,
        due_at=None,
        next_try_at=None,
        claimed_at=None,
        lease_until=None,
    )


def _hours(duration: timedelta) -> str:
    return f"{duration / timedelta(hours=1):g} h"
