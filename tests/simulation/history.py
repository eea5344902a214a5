"""One seed is one whole history: run it, and hold its end to the invariants."""

import json
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from random import Random

from functions.gateway.notifications.schemas import Verdict
from shared.delivery.model import LEASE_RAN_OUT, Delivery, DeliveryStatus, Outcome, Told
from shared.sending.operations import OperationState
from shared.sending.pipeline import NO_TIME
from tests.simulation.fate import Fault
from tests.simulation.functions import CALLERS
from tests.simulation.invariants import ACCEPTED, ENDED, Invariant, S, Violation, called
from tests.simulation.people import PERSON
from tests.simulation.providers import Accepted
from tests.simulation.virtual import Log, VirtualLoop, virtual
from tests.simulation.world import World

REASONED = {S.FAILED, S.DEAD, S.UNDELIVERED, S.CANCELLED, S.EXPIRED, S.SUPERSEDED}


@dataclass(frozen=True, slots=True)
class History:
    violation: Violation | None
    trace: list[tuple[float, str, str, dict[str, object]]]

    def lines(self) -> Iterator[str]:
        """The trace, readable: when (virtual seconds), in which process, what."""
        for at, who, event, fields in self.trace:
            said = " ".join(f"{name}={_short(value)}" for name, value in fields.items() if value is not None)
            yield f"{at:10.3f} {who:14} {event} {said}".rstrip()


def simulate(seed: int, possible: Collection[Fault] = tuple(Fault)) -> History:
    """The history of this seed: always the same. `possible`: no other faults than these happen."""
    random = Random(seed)
    loop = VirtualLoop()
    world: World | None = None

    async def run() -> None:
        nonlocal world
        world = World(random, possible)
        try:
            await world.live()
        finally:
            await world.end()
        for violation in _violations(world) if world.first is None else ():
            world.broken(violation)

    def tell(event: str, **fields: object) -> None:
        if world is not None:
            world.tell(event, **fields)

    try:
        with virtual(loop, random, Log(tell)):
            loop.run_until_complete(run())
    finally:
        loop.close()
    if loop.faults:
        raise ExceptionGroup("the simulation itself failed", loop.faults)
    assert world is not None
    return History(world.first, world.trace)


def _violations(world: World) -> Iterator[Violation]:
    """At the end, when all is quiet."""
    ids: dict[str, str] = {}
    for ask, made in world.answers:
        if ask.key is not None and ids.setdefault(ask.key, made) != made:
            yield Violation(Invariant.ONE_ID, f"{ask.key} made {ids[ask.key]} and {made}")
        on_record = world.records.asked(made)
        if on_record is None or on_record.message != ask.request.message:
            yield Violation(Invariant.ENDS, f"{made} was answered with 202, and what was asked is not on record")
    for key in world.records.created:
        delivery = world.records.find(key)
        if delivery is None:
            yield Violation(Invariant.ENDS, f"{key} is not on record any more")
        else:
            yield from _of_delivery(world, delivery)
    yield from _of_verdicts(world)
    yield from _of_twins(world)
    yield from _of_broadcasts(world)
    if world.records.events is not None:
        yield from world.records.events.violations()
    for address, reason in world.people.answered:
        there = world.people.suppressed.get(address)
        if there is None or reason not in there.entries:
            yield Violation(Invariant.TOLD, f"{reason} was said, and is not on record")
    for accept in [accept for accepts in world.providers.accepted.values() for accept in accepts]:
        out = accept.outgoing
        if out.text == "to all":
            continue  # see `_of_broadcasts`
        wanted = (
            (ask.request.to or {accept.channel: f"{accept.channel}-{PERSON}"}).get(accept.channel) == out.address
            and (ask.request.message, ask.request.subject) == (out.text, out.subject)
            and ask.caller is CALLERS[0]
            for ask in world.asks
        )
        on_record = world.records.asked(out.notification_id)
        if not any(wanted) or on_record is None or on_record.message != out.text:
            yield Violation(Invariant.ASKED, f"{out.notification_id}: {out.text!r} to {out.address}")


def _of_broadcasts(world: World) -> Iterator[Violation]:
    """Each of the audience has one notification of it, and nobody else has any."""
    made = Counter(n.recipient for n in world.records.all_notifications() if n.message == "to all")
    for operation_id, audience in world.audience.items():
        operation = world.functions.operations.records[operation_id]
        if operation.state is not OperationState.DONE:
            yield Violation(Invariant.AUDIENCE, f"the broadcast ended {operation.state}: {operation.error}")
        elif made != Counter(audience):
            yield Violation(Invariant.AUDIENCE, f"for {sorted(audience)}, and there are {sorted(made.items())}")
        elif operation.counts != {"accepted": len(audience), "refused": 0}:
            yield Violation(Invariant.AUDIENCE, f"{len(audience)} have it, counted are {operation.counts}")


def _of_verdicts(world: World) -> Iterator[Violation]:
    """What was said to be cancelled in time never arrived. A lease is over by a clock, which may be minutes off."""
    for key in [key for key, verdict in world.verdicts if verdict is Verdict.CANCELLED and not world.fate.skew]:
        if world.providers.accepted.get(key):
            yield Violation(Invariant.CANCELLED, f"{key} was said to be cancelled, and the provider has it")


def _of_delivery(world: World, delivery: Delivery) -> Iterator[Violation]:
    key = delivery.notification_id, delivery.channel
    accepts = world.providers.accepted.get(key, [])
    outcomes = Counter(attempt.outcome for attempt in delivery.attempts if attempt.error != NO_TIME)
    name = f"{delivery.notification_id}/{delivery.channel}"
    if delivery.pending or delivery.due_at:
        yield Violation(Invariant.QUIET, f"{name} is {delivery.status}, due at {delivery.due_at}")
    elif delivery.status not in ENDED or (delivery.status in REASONED and not delivery.error):
        yield Violation(Invariant.ENDS, f"{name} ended {delivery.status}, its reason is {delivery.error}")
    if len(accepts) - 1 > outcomes[Outcome.UNKNOWN]:
        yield Violation(Invariant.DUPLICATE, f"{name}: {len(accepts)} accepts, {outcomes[Outcome.UNKNOWN]} unknown")
    if delivery.simulated:
        return
    # Of those that are alike one may be on record under the other's message, where its provider was asked.
    alike = _alike(world, delivery) if world.providers.askable else accepts
    if delivery.status in ACCEPTED and delivery.provider_message_id not in {accept.message_id for accept in alike}:
        yield Violation(Invariant.TRUTH, f"{name} is {delivery.status}, and the provider accepted no such message")
    said = world.providers.answers.get(key, Counter())
    for outcome in [outcome for outcome in Outcome if outcome is not Outcome.UNKNOWN]:
        if outcomes[outcome] > said[outcome]:
            yield Violation(
                Invariant.TRUTH, f"{name}: {outcome} is on record {outcomes[outcome]}×, said {said[outcome]}×"
            )
    if world.providers.calls[key] > called(delivery.attempts):
        yield Violation(
            Invariant.TRIES, f"{name}: {world.providers.calls[key]} calls, {called(delivery.attempts)} on record"
        )
    yield from _of_failover(delivery, name)
    yield from _of_receipts(world, delivery, name)


def _of_failover(delivery: Delivery, name: str) -> Iterator[Violation]:
    """But for attempts that died with their process: what was asked before these is on no record."""
    may_have: set[str | None] = set()
    for attempt in delivery.attempts:
        if may_have and attempt.provider not in may_have and attempt.error != LEASE_RAN_OUT:
            yield Violation(Invariant.FAILOVER, f"{name}: {may_have} may have it, and it went to {attempt.provider}")
        if attempt.outcome is Outcome.UNKNOWN:
            said_it_has_not = attempt.asked is Told.NOT_THERE or attempt.reason is not None
            may_have = may_have - {attempt.provider} if said_it_has_not else may_have | {attempt.provider}


def _alike(world: World, delivery: Delivery) -> list[Accepted]:
    """What the provider accepted for the same address with the same text."""
    asked = world.records.asked(delivery.notification_id)
    accepts = [a for many in world.providers.accepted.values() for a in many if a.channel == delivery.channel]
    if asked is None:
        return []
    return [a for a in accepts if (a.outgoing.address, a.outgoing.text) == (delivery.address, asked.message)]


def _of_twins(world: World) -> Iterator[Violation]:
    """No message is two deliveries': one of these would not have been sent."""
    sent = [d for d in world.records.all() if d.status in ACCEPTED and not d.simulated]
    by_message = Counter((d.channel, d.provider_message_id) for d in sent if d.provider_message_id)
    for (channel, message_id), deliveries in by_message.items():
        if deliveries > 1:
            yield Violation(Invariant.TRUTH, f"{deliveries} deliveries are {channel}'s message {message_id}")


def _of_receipts(world: World, delivery: Delivery, name: str) -> Iterator[Violation]:
    """All receipts have been taken: what they say of the message that was sent is what the record says.

    Of the send that was accepted, not of the id on record: a receipt of another message may have overwritten that.
    """
    if delivery.status not in ACCEPTED:
        return
    message = world.records.messages[delivery.notification_id, delivery.channel]
    statuses = world.providers.receipts.get(message or "", set())
    overruling: DeliveryStatus = world.providers.overruling
    expected = overruling if overruling in statuses else next(iter(statuses), S.SENT)
    if delivery.status is not expected:
        yield Violation(Invariant.TRUTH, f"{name} is {delivery.status}, its receipts say {expected}")


def _short(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)
