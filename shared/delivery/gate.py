"""Whether a delivery may be sent now: the one place that is asked when it is claimed.

Content is frozen at accept, permission is asked at send. Each "no" ends the delivery, each "later" moves its due time,
and both go on record with their rule. Pure: what it has to know of others was read before (`Store.facts`).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.delivery.model import SUCCESS, Delivery, DeliveryStatus, Rule
from shared.delivery.retries import Policy


@dataclass(frozen=True, slots=True)
class Facts:
    """What other records say, as far as it concerns the delivery. The default is that of a plain one.

    cancelled_at: of its notification
    newest: the id of the last notification with its collapse key
    before: the delivery that it is behind in its order; step_before: that of the channel before it. None: it is gone
    out_of_sight: before that one there may be others, too many to look at
    resumed_at: of its channel, when that was paused last
    """

    cancelled_at: datetime | None = None
    newest: str | None = None
    before: Delivery | None = None
    step_before: Delivery | None = None
    out_of_sight: bool = False
    resumed_at: datetime | None = None


NOTHING = Facts()


@dataclass(frozen=True, slots=True)
class Go:
    """It may be sent. rule: to be on record all the same"""

    rule: Rule | None = None


@dataclass(frozen=True, slots=True)
class Later:
    """Not before `until`, unless what holds it back ends sooner."""

    until: datetime
    rule: Rule
    status: DeliveryStatus = DeliveryStatus.DEFERRED


@dataclass(frozen=True, slots=True)
class No:
    """Never: the status that it ends in, and why, in words."""

    status: DeliveryStatus
    rule: Rule
    why: str


Permission = Go | Later | No


def gate(delivery: Delivery, facts: Facts, now: datetime, policy: Policy) -> Permission:
    """What is said first holds: what somebody asked for goes before what a clock says."""
    if facts.cancelled_at is not None:
        return No(DeliveryStatus.CANCELLED, Rule.CANCELLED, "the notification was cancelled")
    if facts.newest is not None and facts.newest != delivery.notification_id:
        return No(DeliveryStatus.SUPERSEDED, Rule.COLLAPSE_KEY, f"notification {facts.newest} has its collapse_key")
    if is_late(delivery, now):
        return No(DeliveryStatus.EXPIRED, Rule.DELIVER_BY, "its deliver_by is past")
    if delivery.escalates_from is not None and not delivery.attempts:
        permission = _escalated(delivery, facts.step_before, now, policy)
        if not isinstance(permission, Go):
            return permission
    if delivery.follows is not None and len(delivery.attempts) == delivery.round_start:
        permission = _in_order(delivery, facts, now, policy)
        return Go(Rule.ORDER_BOUND) if facts.out_of_sight and permission == Go() else permission
    return Go()


def is_late(delivery: Delivery, now: datetime) -> bool:
    return delivery.deliver_by is not None and now >= delivery.deliver_by


def _escalated(delivery: Delivery, before: Delivery | None, now: datetime, policy: Policy) -> Permission:
    if before is None:
        return Go()
    reached = {DeliveryStatus.DELIVERED} if delivery.unless is DeliveryStatus.DELIVERED else SUCCESS
    if before.status in {*reached, DeliveryStatus.CANCELLED, DeliveryStatus.SUPERSEDED}:  # withdrawn, and not failed
        return No(DeliveryStatus.CANCELLED, Rule.NOT_NEEDED, f"{before.channel} is {before.status}")
    # One that was sent and is to be delivered has not ended: a receipt may come.
    if not before.pending and before.status not in SUCCESS:
        return Go()
    until = now + policy.grace
    if delivery.after is not None:
        until = _begun(before) + timedelta(seconds=delivery.after)
        if until <= now:
            # One whose own time has not come has not begun: at most one step is ahead of its time.
            if before.status is not DeliveryStatus.SCHEDULED:
                return Go()
            until = now + policy.grace
    return Later(until, Rule.ESCALATION, DeliveryStatus.SCHEDULED)


def _begun(delivery: Delivery) -> datetime:
    """When it was due to go, whatever holds it back since but what the person wants; a later step, when it went. One
    whose time is still to come has not begun before then; of one that is tried again the retries move nothing.
    """
    if delivery.held_until is not None:
        return max(delivery.held_until, delivery.queued_at or delivery.created_at)
    if delivery.escalates_from is None:
        return delivery.queued_at or delivery.created_at
    first = _first_attempt(delivery)
    if first is None and delivery.next_try_at is not None:
        return delivery.next_try_at
    return first or delivery.queued_at or delivery.created_at


def _first_attempt(delivery: Delivery) -> datetime | None:
    made = delivery.attempts[delivery.round_start :]
    return made[0].at if made else delivery.claimed_at


def _in_order(delivery: Delivery, facts: Facts, now: datetime, policy: Policy) -> Permission:
    before = facts.before
    if before is None or not before.pending:
        return Go()
    if before.reason == Rule.ORDER:
        # It waits itself, and is let go in its turn: only the first in line can be late.
        return Later(now + policy.grace, Rule.ORDER)
    asked = delivery.queued_at or delivery.created_at
    first = _first_attempt(before) or before.queued_at or before.created_at
    # While the channel was paused none of them could go.
    bound = max(asked, first, facts.resumed_at or first) + policy.order_wait
    return Go(Rule.ORDER_BOUND) if now >= bound else Later(min(bound, now + policy.grace), Rule.ORDER)
