"""The state machine of one delivery: pure functions from a delivery and the time to what comes next.

    queued ─claim─▶ sending ─settle─▶ sent | failed | dead | retrying | deferred
    retrying, deferred, and sending once its lease is over ─claim─▶ sending (or dead, attempts used up)
    queued, retrying, deferred, sending ─relayed, untaken for a day─▶ dead
    queued, retrying, deferred, and sending once its lease is over ─cancelled─▶ cancelled
    dead, failed ─replayed─▶ queued        dead ─discarded─▶ discarded
    receipts: see `shared/sending/receipts.py`

Nothing here reads a clock, draws a number or does I/O. What is not drawn above cannot be written: each function
takes the states it can leave and returns only states it can enter. The store's version check makes each
step atomic: of two that start from the same record only one is written.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared.delivery.errors import WrongState
from shared.delivery.model import PENDING, Attempt, Delivery, DeliveryStatus, Notification, Outcome, Segments
from shared.delivery.retries import Policy, retry_pause, throttles, tries


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
class Write:
    """Write `delivery`: claimed if its status is sending, else it ended dead."""

    delivery: Delivery


Decision = Done | Own | Leased | Early | Write


def queued(
    notification: Notification,
    channel: str,
    address: str,
    policy: Policy,
    traceparent: str | None = None,
    segments: Segments | None = None,
) -> Delivery:
    """A new delivery, as the gateway writes it."""
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
        queued_at=notification.created_at,
        updated_at=notification.created_at,
        due_at=notification.created_at + policy.grace,
    )


def decide(delivery: Delivery, token: str, now: datetime, policy: Policy) -> Decision:
    """What a channel function that holds a message for this delivery does with it."""
    if not delivery.pending:
        return Done()
    if delivery.status is DeliveryStatus.SENDING:
        if delivery.claim == token:
            return Own()
        if delivery.lease_until is not None and delivery.lease_until > now:
            return Leased()
        delivery = with_lost_attempt(delivery)
        if tries(delivery) >= policy.max_attempts:
            return Write(_dead(delivery, now, f"attempts used up; the last one: {delivery.attempts[-1].error}"))
    elif delivery.next_try_at is not None and delivery.next_try_at > now:
        return Early(delivery.next_try_at - now)
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
            relays=0,
            updated_at=now,
        )
    )


def settle(  # noqa: PLR0913 - the parts of one record, each named at its one caller
    claimed: Delivery,
    made: Sequence[Attempt],
    now: datetime,
    policy: Policy,
    *,
    provider: str,
    provider_message_id: str | None = None,
    retry_after: timedelta | None = None,
    jitter: float = 0.0,
) -> Delivery:
    """The claimed delivery after the attempts just `made` (at least one); the last decides.

    retry_after: what a throttling provider asked for; jitter: in [0, 1), spreads retries of many deliveries.
    Raises ValueError when it is not claimed.
    """
    if claimed.status is not DeliveryStatus.SENDING:
        raise ValueError(f"a {claimed.status} delivery is not claimed, so it cannot be settled")
    last = made[-1]
    after = replace(
        claimed,
        attempts=(*claimed.attempts, *made),
        provider=provider,
        provider_message_id=provider_message_id,
        error=last.error,
        claimed_at=None,
        lease_until=None,
        due_at=None,
        updated_at=now,
    )
    match last.outcome:
        case Outcome.ACCEPTED:
            return replace(after, status=DeliveryStatus.SENT)
        case Outcome.PERMANENT:
            return replace(after, status=DeliveryStatus.FAILED)
        case Outcome.REFUSED:
            return _dead(after, now, f"refused: {last.error}")
        case Outcome.THROTTLED:
            throttled = throttles(after)
            if now - (after.queued_at or after.created_at) >= policy.give_up or throttled >= policy.max_throttles:
                return _dead(after, now, f"throttled {throttled} times; the last answer: {last.error}")
            pause = max(retry_pause(throttled, policy, jitter), retry_after or timedelta())
            due = now + min(pause, policy.longest_pause)
            return replace(after, status=DeliveryStatus.DEFERRED, next_try_at=due, due_at=due)
        case Outcome.RETRYABLE | Outcome.UNKNOWN:
            if tries(after) >= policy.max_attempts:
                return _dead(after, now, f"attempts used up; the last one: {last.error}")
            next_try = now + retry_pause(tries(after), policy, jitter)
            return replace(after, status=DeliveryStatus.RETRYING, next_try_at=next_try, due_at=next_try + policy.grace)


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


def relayed(delivery: Delivery, now: datetime, policy: Policy) -> Delivery:
    """An overdue delivery with its due time moved on, or dead because nobody took it for a day.

    Raises ValueError when it is terminal.
    """
    if not delivery.pending:
        raise ValueError(f"a {delivery.status} delivery cannot be due")
    waiting_since = max(
        t for t in (delivery.updated_at, delivery.next_try_at, delivery.lease_until, delivery.created_at) if t
    )
    if now - waiting_since >= policy.give_up:
        if delivery.status is DeliveryStatus.SENDING:
            delivery = with_lost_attempt(delivery)
        return _dead(delivery, now, f"no channel function took it for {_hours(policy.give_up)}")
    # 2**16 graces are past any longest_pause; the exponent is bounded so that it cannot overflow a timedelta.
    pause = min(policy.grace * 2 ** min(delivery.relays, 16), policy.longest_pause)
    return replace(delivery, due_at=now + pause, relays=delivery.relays + 1)


def replayed(delivery: Delivery, now: datetime, policy: Policy) -> Delivery:
    """A dead or failed delivery, queued for a fresh set of attempts; the old ones stay on record.

    A provider's "never" can be mended, too: a number that was wrongly blocked, a mailbox that is there again.
    Raises WrongState when it is neither, or when its record may be deleted before the new round has ended.
    """
    if delivery.status not in {DeliveryStatus.DEAD, DeliveryStatus.FAILED}:
        raise WrongState("the delivery is neither dead nor failed")
    if delivery.expire_at is not None and delivery.expire_at - now < 2 * policy.give_up:
        raise WrongState("the delivery's record is about to expire")
    return replace(
        delivery,
        status=DeliveryStatus.QUEUED,
        round_start=len(delivery.attempts),
        queued_at=now,
        updated_at=now,
        due_at=now + policy.grace,
        next_try_at=None,
        relays=0,
        error=None,
        dead_at=None,
    )


def discarded(delivery: Delivery, now: datetime) -> Delivery:
    """A dead delivery that an operator gives up. Raises WrongState when it is not."""
    if delivery.status is not DeliveryStatus.DEAD:
        raise WrongState("the delivery is not dead")
    return replace(delivery, status=DeliveryStatus.DISCARDED, dead_at=None, updated_at=now)


def cancelled(delivery: Delivery, now: datetime, reason: str) -> Delivery | None:
    """A delivery withdrawn for this reason. None when it is terminal, or when somebody may be sending it now.

    What was sent before and ended unknown may have arrived all the same: its attempt stays on record.
    """
    if not delivery.pending:
        return None
    if delivery.status is DeliveryStatus.SENDING:
        if delivery.lease_until is not None and delivery.lease_until > now:
            return None
        delivery = with_lost_attempt(delivery)
    unsure = any(attempt.outcome is Outcome.UNKNOWN for attempt in delivery.attempts)
    why = f"{reason}; an attempt may have arrived" if unsure else reason
    return _ended(delivery, DeliveryStatus.CANCELLED, now, why)


def with_lost_attempt(delivery: Delivery) -> Delivery:
    """The lease ran out with no outcome on record: the provider may have accepted, which goes on record as unknown."""
    lost = Attempt(
        number=len(delivery.attempts) + 1,
        at=delivery.claimed_at or delivery.created_at,
        outcome=Outcome.UNKNOWN,
        error="the lease ran out before an outcome was recorded",
    )
    return replace(delivery, attempts=(*delivery.attempts, lost))


def _dead(delivery: Delivery, now: datetime, reason: str) -> Delivery:
    if delivery.status not in PENDING:
        raise ValueError(f"a {delivery.status} delivery cannot die")
    return replace(_ended(delivery, DeliveryStatus.DEAD, now, reason), dead_at=now)


def _ended(delivery: Delivery, status: DeliveryStatus, now: datetime, reason: str) -> Delivery:
    return replace(
        delivery,
        status=status,
        error=reason,
        updated_at=now,
        due_at=None,
        next_try_at=None,
        claimed_at=None,
        lease_until=None,
    )


def _hours(duration: timedelta) -> str:
    return f"{duration / timedelta(hours=1):g} h"
