"""What must hold of a send at the moment when the provider is called."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from shared.delivery.gate import Go
from shared.delivery.model import Delivery, DeliveryStatus, Notification, Rule
from shared.people.permission import permission
from tests.simulation.fate import Fate
from tests.simulation.invariants import Invariant, Violation
from tests.simulation.people import ONE_A_DAY, People
from tests.simulation.records import Records

_FROZEN = 300.0
"""Seconds that may pass between what the gate has read and the call: a process freezes for up to 200, twice even."""
_CLOCKS = timedelta(seconds=3)  # between two processes whose clocks are right


def check_permission(
    delivery: Delivery, records: Records, now: datetime, fate: Fate, broken: Callable[[Violation], None]
) -> None:
    """now: by the clock of the process that calls"""
    notification = records.asked(delivery.notification_id)
    if notification is not None:
        for invariant, what in _broken(delivery, notification, records, now, fate):
            broken(Violation(invariant, f"{delivery.notification_id}/{delivery.channel}: {what}"))


def check_person(delivery: Delivery, records: Records, people: People, broken: Callable[[Violation], None]) -> None:
    """What their records said when the claim began, and say still, is heeded."""
    began, claimed_at = records.claims.get(delivery.claim or ""), delivery.claimed_at
    if began is None or claimed_at is None or delivery.status is not DeliveryStatus.SENDING:
        return
    name = f"{delivery.notification_id}/{delivery.channel}"
    now = asyncio.get_running_loop().time() + 1
    for time in (began, now):
        said = permission(delivery, people.as_of(delivery, time), claimed_at)
        if isinstance(said, Go):
            break
    else:
        broken(Violation(Invariant.PERSON, f"{name} is sent: {said.rule}"))
    if delivery.category == ONE_A_DAY and not delivery.simulated and people.is_capped:
        person = delivery.recipient or delivery.address
        today = people.sent[person, delivery.category, claimed_at.date().isoformat()]
        today.add(delivery.notification_id)
        if len(today) > 1:
            broken(Violation(Invariant.PERSON, f"{name} is one too many of a day"))


def _broken(
    d: Delivery, n: Notification, records: Records, now: datetime, fate: Fate
) -> Iterator[tuple[Invariant, str]]:
    time = asyncio.get_running_loop().time()
    # A gateway whose clock is ahead takes what is to go in a moment as what goes now.
    if n.send_at is not None and now + _CLOCKS < n.send_at and not fate.skew:
        yield Invariant.TIME, f"sent {n.send_at - now} early"
    if n.deliver_by is not None and now >= n.deliver_by:
        yield Invariant.TIME, f"begun {now - n.deliver_by} after its deliver_by"
    if time > records.cancelled.get(n.id, time) + _FROZEN:
        yield Invariant.CANCELLED, "sent long after it was answered as cancelled"
    newer = [at for other, at in records.newest.get(d.collapse or "", []) if other != n.id]
    mine = [at for other, at in records.newest.get(d.collapse or "", []) if other == n.id]
    if any(at > mine[0] and time > at + _FROZEN for at in newer):
        yield Invariant.COLLAPSE, "sent long after a newer one"
    first = len(d.attempts) == d.round_start == 0
    if first and d.reason != Rule.ORDER_BOUND:
        before = _not_ended(d, records)
        if before is not None:
            yield Invariant.ORDER, f"sent while {before.notification_id} is {before.status}"
    if first and d.escalates_from is not None and (n.id, d.escalates_from) not in records.failed:
        yield from _escalated(d, records, now, fate)


def _not_ended(d: Delivery, records: Records) -> Delivery | None:
    """One before it in its order, back to the last one that had its turn."""
    before = records.find((d.follows or "", d.channel))
    while before is not None and (before.notification_id, before.channel) in records.ended:
        if before.attempts or before.reason == Rule.ORDER_BOUND:
            return None
        before = records.find((before.follows or "", before.channel))
    return before


def _escalated(d: Delivery, records: Records, now: datetime, fate: Fate) -> Iterator[tuple[Invariant, str]]:
    before = records.find((d.notification_id, d.escalates_from or ""))
    if before is None or fate.skew:
        return
    if d.after is None:
        yield Invariant.ESCALATION, f"sent while {before.channel} is {before.status}"
    elif before.queued_at is not None and now + _CLOCKS < before.queued_at + timedelta(seconds=d.after):
        yield Invariant.ESCALATION, f"sent before {before.channel} had its time"
