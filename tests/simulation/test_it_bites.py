"""The simulation finds what is wrong: each of these faults of ours, planted, breaks the promise that it names."""

import asyncio
import contextlib
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from functions.dead_letter.given_up_messages import DeadLetter
from functions.gateway.batches import batch_acceptance
from functions.gateway.broadcasts import broadcasting
from functions.gateway.broadcasts.broadcasting import Broadcasting
from functions.gateway.callers import revocation
from functions.gateway.notifications import acceptance as accepting
from functions.gateway.notifications import idempotency
from functions.gateway.services import Gateway
from functions.gateway.web.problem_details import Problem
from functions.relay.overdue_deliveries import Relay, Swept
from functions.relay.untold_events import UntoldEvents
from shared.delivery import gate, retries, state_machine
from shared.delivery.errors import HarkError, Permanent, Retryable, StoreError, StoreUnavailable, Unknown
from shared.delivery.events import noted
from shared.delivery.gate import Facts
from shared.delivery.model import Attempt, Delivery, DeliveryStatus, Notification, Outcome, Receipt, Rule
from shared.people.frequency import DaysNotifications
from shared.people.lists import Member
from shared.people.permission import NOBODY, Person, permission
from shared.people.suppression import Suppression
from shared.sending import asking_people, breaker, breakers, pipeline, receipts, telling_store, withdrawal
from shared.sending.asking_people import Asking
from shared.sending.breakers import Breakers, Turn
from shared.sending.channel_states import Activity, ChannelState, ChannelStates, paused_of
from shared.sending.event_messages import event_message
from shared.sending.messages import Answer, Message
from shared.sending.operations import Operation, OperationState
from shared.sending.pipeline import Pipeline
from shared.sending.provider import Outgoing, Provider, Sent
from tests.fakes.people import MemoryPeople
from tests.fakes.records import POLICY
from tests.fakes.store import MemoryStore
from tests.simulation import world
from tests.simulation.history import simulate
from tests.simulation.invariants import Invariant
from tests.simulation.records import Records

# Coverage would double its time, and is what the tests of each part are for.
pytestmark = pytest.mark.no_cover

SEEDS = 300
# Where they are looked for first: to go through all histories before takes minutes, so these are to be kept new.
FIRST = {
    "what_one_provider_may_have_goes_to_another_unsaid": 36,
    "what_one_provider_may_have_waits_whichever_is_there": 36,
    "the_person_is_as_they_were_when_the_process_first_asked": 300,
    "a_batch_is_answered_whether_it_is_on_record_or_not": 297,
    "the_gate_ignores_that_it_is_cancelled": 94,
    "a_pause_is_looked_for_once": 92,
    "the_gate_ignores_deliver_by": 80,
    "preferences_are_ignored": 56,
    "claim_without_precondition": 92,
    "send_at_is_ignored": 52,
    "cancelled_under_a_live_lease": 49,
    "two_follow_the_same_one": 45,
    "a_suppression_is_written_without_precondition": 44,
    "a_probe_has_its_place_for_ever": 40,
    "receipt_of_another_message_counts": 40,
    "a_cancel_writes_over_a_live_lease": 38,
    "what_finds_its_channel_paused_once_claimed_is_sent": 37,
    "a_probe_is_made_without_a_place": 36,
    "what_finds_its_provider_down_once_claimed_is_sent": 36,
    "the_relay_publishes_no_probe": 36,
    "the_next_in_an_order_goes_when_the_one_between_is_cancelled": 34,
    "refused_and_tried_again": 25,
    "the_next_in_an_order_goes_while_one_is_retried": 23,
    "receipt_that_waits_is_dropped": 19,
    "a_batch_forgets_its_keys": 11,
    "the_relay_forgets_what_was_paused": 9,
    "relay_off": 0,
    "an_event_is_on_no_record": 14,
    "a_claim_forgets_what_is_untold": 26,
    "lost_attempt_not_counted": 10,
    "the_person_is_not_asked": 29,
    "a_days_notifications_are_counted_without_precondition": 130,
}
Plant = Callable[[pytest.MonkeyPatch], None]


def ack_whatever_happens(patch: pytest.MonkeyPatch) -> None:
    deliver = Pipeline.deliver

    async def acked(self: Pipeline, message: Message) -> Answer:
        with contextlib.suppress(HarkError):
            await deliver(self, message)
        return Answer.ACK

    patch.setattr(Pipeline, "deliver", acked)


def ack_before_the_send(patch: pytest.MonkeyPatch) -> None:
    deliver = Pipeline.deliver
    begun = []  # a task that nobody holds is collected sooner or later, which would be a fault of the simulation's own

    async def ahead(self: Pipeline, message: Message) -> Answer:
        task = asyncio.get_running_loop().create_task(deliver(self, message))
        begun.append(task)
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return Answer.ACK

    patch.setattr(Pipeline, "deliver", ahead)


def delete_the_record_when_the_publish_fails(patch: pytest.MonkeyPatch) -> None:
    publish = accepting._publish

    async def deleting(gateway: Any, notification_id: str, messages: Sequence[Message]) -> None:
        try:
            await publish(gateway, notification_id, messages)
        except Problem:
            records = gateway.store._inner
            records._notifications.pop(notification_id, None)
            for message in messages:
                records._deliveries.pop((notification_id, message.channel), None)
            raise

    patch.setattr(accepting, "_publish", deleting)


def relay_off(patch: pytest.MonkeyPatch) -> None:
    async def nothing(self: Relay) -> Swept:
        return Swept()

    patch.setattr(Relay, "sweep", nothing)


def _instead_of_unknown(patch: pytest.MonkeyPatch, only: str, other: type[Permanent] | type[Retryable]) -> None:
    call = pipeline.call

    async def certain(provider: Provider, outgoing: Outgoing) -> Sent:
        try:
            return await call(provider, outgoing)
        except Unknown as unknown:
            if only in str(unknown):
                raise other("not accepted") from None
            raise

    patch.setattr(pipeline, "call", certain)


def timeout_taken_as_permanent(patch: pytest.MonkeyPatch) -> None:
    _instead_of_unknown(patch, "no answer", Permanent)


def reset_taken_as_refusal(patch: pytest.MonkeyPatch) -> None:
    _instead_of_unknown(patch, "reset", Retryable)


def claim_without_precondition(patch: pytest.MonkeyPatch) -> None:
    update = Records._update

    def unconditional(self: Records, delivery: Delivery) -> int:
        stored = self.find((delivery.notification_id, delivery.channel))
        claims = delivery.status is DeliveryStatus.SENDING
        return update(self, replace(delivery, version=stored.version) if stored and claims else delivery)

    patch.setattr(Records, "_update", unconditional)


def lease_shorter_than_the_send(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(world, "POLICY", replace(POLICY, lease=timedelta(seconds=10)))


def idempotency_off(patch: pytest.MonkeyPatch) -> None:
    async def without_key(gateway: Gateway, request: Any, caller: Any, key: str | None) -> accepting.Accepted:
        return await accepting.accept(gateway, request, caller, None)

    patch.setattr(world, "accept", without_key)


def a_batch_forgets_its_keys(patch: pytest.MonkeyPatch) -> None:
    with_key = idempotency.new_notification_id
    patch.setattr(batch_acceptance, "new_notification_id", lambda caller_id, _: with_key(caller_id, None))


def a_batch_is_answered_whether_it_is_on_record_or_not(patch: pytest.MonkeyPatch) -> None:
    async def unsure(self: Any, new: Any) -> Any:
        with contextlib.suppress(StoreError):
            return new, await self.gateway.store.create_all([(each.notification, each.deliveries) for each in new])
        return new, 1

    patch.setattr(batch_acceptance.Batch, "_commit", unsure)


def dead_letter_dropped(patch: pytest.MonkeyPatch) -> None:
    async def dropped(self: DeadLetter, message: Message) -> Answer:
        return Answer.ACK

    patch.setattr(DeadLetter, "take", dropped)


def lost_attempt_not_counted(patch: pytest.MonkeyPatch) -> None:
    tries = retries.tries
    patch.setattr(state_machine, "tries", lambda d: tries(d) - sum(a.outcome is Outcome.UNKNOWN for a in d.attempts))


def lost_attempt_not_on_record(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(state_machine, "with_lost_attempt", lambda delivery: delivery)


def try_too_early(patch: pytest.MonkeyPatch) -> None:
    decide = state_machine.decide
    patch.setattr(pipeline, "decide", lambda d, *rest: decide(replace(d, next_try_at=None), *rest))


def refused_and_tried_again(patch: pytest.MonkeyPatch) -> None:
    settle = state_machine.settle

    def hoping(claimed: Delivery, made: Sequence[Attempt], *rest: Any, **named: Any) -> Delivery:
        if made[-1].outcome is not Outcome.REFUSED:
            return settle(claimed, made, *rest, **named)
        hoped = [*made[:-1], replace(made[-1], outcome=Outcome.RETRYABLE)]
        return replace(settle(claimed, hoped, *rest, **named), attempts=(*claimed.attempts, *made))

    patch.setattr(pipeline, "settle", hoping)


def no_due_time_between_tries(patch: pytest.MonkeyPatch) -> None:
    settle = state_machine.settle
    patch.setattr(pipeline, "settle", lambda *args, **kwargs: replace(settle(*args, **kwargs), due_at=None))


def receipt_moves_a_state_back(patch: pytest.MonkeyPatch) -> None:
    reported = receipts.reported

    def back(delivery: Delivery, receipt: Receipt, now: datetime) -> Delivery | timedelta | None:
        if delivery.status is DeliveryStatus.DELIVERED:
            return replace(delivery, status=DeliveryStatus.SENT)
        return reported(delivery, receipt, now)

    patch.setattr(receipts, "reported", back)


def _as_of_the_message_on_record(patch: pytest.MonkeyPatch, *, keep_the_id: bool) -> None:
    reported = receipts.reported

    def any_message(delivery: Delivery, receipt: Receipt, now: datetime) -> Delivery | timedelta | None:
        if receipt.notification_id is None:
            return reported(delivery, receipt, now)
        outcome = reported(delivery, replace(receipt, provider_message_id=None), now)
        if keep_the_id or not isinstance(outcome, Delivery):
            return outcome
        return replace(outcome, provider_message_id=receipt.provider_message_id)

    patch.setattr(receipts, "reported", any_message)


def receipt_of_another_message_counts(patch: pytest.MonkeyPatch) -> None:
    _as_of_the_message_on_record(patch, keep_the_id=False)


def receipt_of_another_message_counts_unseen(patch: pytest.MonkeyPatch) -> None:
    """The id on record stays: only what the providers said of it tells."""
    _as_of_the_message_on_record(patch, keep_the_id=True)


def receipt_that_waits_is_dropped(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(receipts, "_id", lambda receipt: "0" * 32)


def cancelled_under_a_live_lease(patch: pytest.MonkeyPatch) -> None:
    cancelled = state_machine.cancelled
    patch.setattr(revocation, "cancelled", lambda d, *rest: cancelled(replace(d, lease_until=None), *rest))


def sent_whatever_the_record_says(patch: pytest.MonkeyPatch) -> None:
    write = Pipeline._write

    async def blind(self: Pipeline, written: Delivery, lost: Any) -> Delivery | None:
        recorded = await write(self, written, lost)
        return recorded or replace(written, version=written.version)

    patch.setattr(Pipeline, "_write", blind)


def the_gate_ignores_deliver_by(patch: pytest.MonkeyPatch) -> None:
    for module in (gate, pipeline):
        patch.setattr(module, "is_late", lambda *_: False)


def the_gate_ignores_that_it_is_cancelled(patch: pytest.MonkeyPatch) -> None:
    facts = Records.facts

    async def unmarked(self: Records, notification: Notification, delivery: Delivery) -> Facts:
        return replace(await facts(self, notification, delivery), cancelled_at=None)

    patch.setattr(Records, "facts", unmarked)


def a_cancel_writes_over_a_live_lease(patch: pytest.MonkeyPatch) -> None:
    cancelled = state_machine.cancelled
    patch.setattr(withdrawal, "cancelled", lambda d, *rest: cancelled(replace(d, lease_until=None), *rest))


def send_at_is_ignored(patch: pytest.MonkeyPatch) -> None:
    """By a claim, and what is accepted is published at once."""
    decide = state_machine.decide
    patch.setattr(pipeline, "decide", lambda d, *rest: decide(replace(d, next_try_at=None, scheduled_for=None), *rest))
    patch.setattr(accepting, "goes_now", lambda _: True)


def the_next_in_an_order_goes_while_one_is_retried(patch: pytest.MonkeyPatch) -> None:
    in_order = gate._in_order

    def hasty(delivery: Delivery, facts: Facts, now: datetime, policy: Any) -> gate.Permission:
        retried = facts.before is not None and facts.before.status is DeliveryStatus.RETRYING
        return gate.Go() if retried else in_order(delivery, facts, now, policy)

    patch.setattr(gate, "_in_order", hasty)


def the_next_in_an_order_goes_when_the_one_between_is_cancelled(patch: pytest.MonkeyPatch) -> None:
    async def at_once(_: Any, facts: Facts) -> Facts:
        return facts

    patch.setattr(pipeline, "with_its_turn", at_once)


def two_follow_the_same_one(patch: pytest.MonkeyPatch) -> None:
    create = Records.create

    async def whatever_it_was(self: Records, asked: Notification, made: Any, files: Any, keys: Any) -> int:
        now = {key: self._keys[key].version if key in self._keys else None for key in keys}
        return await create(self, asked, made, files, now)

    patch.setattr(Records, "create", whatever_it_was)


def an_older_one_with_the_collapse_key_is_sent(patch: pytest.MonkeyPatch) -> None:
    facts = Records.facts

    async def of_nothing_newer(self: Records, notification: Notification, delivery: Delivery) -> Facts:
        return replace(await facts(self, notification, delivery), newest=None)

    async def nobody(*_: object) -> None: ...

    patch.setattr(Records, "facts", of_nothing_newer)
    patch.setattr(accepting, "supersede", nobody)


def a_step_goes_whatever_the_one_before_does(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(gate, "_escalated", lambda *_: gate.Go())


def what_waits_for_another_has_no_due_time(patch: pytest.MonkeyPatch) -> None:
    held = state_machine._held

    def forgotten(*args: Any) -> Any:
        decision = held(*args)
        if isinstance(decision, state_machine.Write):
            return state_machine.Write(replace(decision.delivery, due_at=None))
        return decision

    patch.setattr(state_machine, "_held", forgotten)


def the_person_is_not_asked(patch: pytest.MonkeyPatch) -> None:
    async def nobody(*_: object) -> Person:
        return NOBODY

    patch.setattr(Asking, "person", nobody)


def the_person_is_as_they_were_when_the_process_first_asked(patch: pytest.MonkeyPatch) -> None:
    person = Asking.person
    known: dict[tuple[int, str], Person | None] = {}

    async def kept(self: Asking, delivery: Delivery) -> Person | None:
        key = id(asyncio.get_running_loop()), f"{delivery.address} {delivery.category}"
        if key not in known:
            known[key] = await person(self, delivery)
        return known[key]

    patch.setattr(Asking, "person", kept)


def what_cannot_be_read_is_no_reason(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(asking_people, "unread", lambda *_: gate.Go())


def quiet_hours_are_over_at_once(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(asking_people, "permission", _unless(Rule.QUIET_HOURS))


def preferences_are_ignored(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(asking_people, "permission", _unless(Rule.PREFERENCE))


def _unless(rule: Rule) -> Callable[..., gate.Permission]:
    judge = permission

    def judged(*args: Any, **how: Any) -> gate.Permission:
        said = judge(*args, **how)
        return said if isinstance(said, gate.Go) or said.rule is not rule else gate.Go()

    return judged


def a_days_notifications_are_counted_without_precondition(patch: pytest.MonkeyPatch) -> None:
    count = MemoryPeople.count

    async def over(self: MemoryPeople, day: DaysNotifications, expire_at: datetime) -> None:
        there = self._days.get(day.id)
        await count(self, replace(day, version=None if there is None else there.version), expire_at)

    patch.setattr(MemoryPeople, "count", over)


def a_suppression_is_written_without_precondition(patch: pytest.MonkeyPatch) -> None:
    put = MemoryPeople.put_suppression

    async def over(self: MemoryPeople, suppression: Suppression) -> None:
        there = self.suppressed.get(suppression.id)
        await put(self, replace(suppression, version=None if there is None else there.version))

    patch.setattr(MemoryPeople, "put_suppression", over)


def what_is_given_back_has_no_due_time(patch: pytest.MonkeyPatch) -> None:
    given_back = state_machine.given_back
    patch.setattr(pipeline, "given_back", lambda *args: replace(given_back(*args), due_at=None))


def a_broadcast_goes_on_behind_a_page_that_failed(patch: pytest.MonkeyPatch) -> None:
    page = Broadcasting.page

    async def moved_on(self: Broadcasting, operation: Operation) -> Operation:
        try:
            return await page(self, operation)
        except StoreUnavailable:
            limit = (await self.gateway.plans.plan(operation.about["plan"])).per_second  # type: ignore[union-attr]
            next_one = await self.gateway.list_store.members("l", limit=limit, after=operation.after)
            done = OperationState.DONE if next_one.next is None else operation.state
            return replace(operation, after=next_one.next, state=done)

    patch.setattr(Broadcasting, "page", moved_on)


def a_page_of_a_broadcast_has_new_keys_each_time(patch: pytest.MonkeyPatch) -> None:
    numbers = itertools.count()
    patch.setattr(broadcasting, "key_of", lambda operation_id, _: f"broadcast:{operation_id}:{next(numbers)}")


def a_broadcast_goes_to_who_is_in_the_list_now(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Member, "in_audience", lambda self, _: self.is_in)


def a_pause_is_looked_for_once(patch: pytest.MonkeyPatch) -> None:
    async def once(self: ChannelStates, channel: str) -> bool:
        if self._known_at < 0:
            await self.states()
        return channel not in paused_of(self.known)

    patch.setattr(ChannelStates, "may_send", once)


def what_finds_its_channel_paused_once_claimed_is_sent(patch: pytest.MonkeyPatch) -> None:
    async def no(self: Pipeline, channel: str) -> bool:
        return False

    patch.setattr(Pipeline, "_is_paused", no)


def the_relay_forgets_what_was_paused(patch: pytest.MonkeyPatch) -> None:
    states_of = Relay._states

    async def never_again(self: Relay) -> Mapping[str, ChannelState]:
        states = await states_of(self)
        spoken_of = {name: state for name, state in states.items() if state.since is not None}
        return {**states, **{name: replace(s, activity=Activity.PAUSED) for name, s in spoken_of.items()}}

    patch.setattr(Relay, "_states", never_again)


def a_probe_has_its_place_for_ever(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(breakers, "probing", lambda b, now, by, _: breaker.probing(b, now, by, timedelta(days=9)))


def a_probe_is_made_without_a_place(patch: pytest.MonkeyPatch) -> None:
    async def made(self: Breakers, provider: str) -> str:
        return "nobody's"

    patch.setattr(Breakers, "_take_probe", made)


def the_relay_publishes_no_probe(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Relay, "_wants_probe", lambda self, state: False)


def what_finds_its_provider_down_once_claimed_is_sent(patch: pytest.MonkeyPatch) -> None:
    async def as_it_was(self: Breakers, turn: Turn) -> Turn:
        return turn

    patch.setattr(Breakers, "still", as_it_was)


def what_one_provider_may_have_waits_whichever_is_there(patch: pytest.MonkeyPatch) -> None:
    async def left(self: Pipeline, claimed: Delivery, calling: object) -> None:
        return None

    patch.setattr(Pipeline, "_choose", left)


def what_one_provider_may_have_goes_to_another_unsaid(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(pipeline, "_waiting", lambda attempts: ())


def a_message_is_taken_that_another_has_on_record(patch: pytest.MonkeyPatch) -> None:
    async def nobodys(self: MemoryStore, channel: str, message_id: str) -> None:
        return None

    patch.setattr(MemoryStore, "sent_as", nobodys)


def nobody_tells_what_a_dead_process_has_not(patch: pytest.MonkeyPatch) -> None:
    async def nothing(_: UntoldEvents) -> int:
        return 0

    patch.setattr(UntoldEvents, "sweep", nothing)


def an_event_is_on_no_record(patch: pytest.MonkeyPatch) -> None:
    """It is published after the write, as ever; who dies in between, or is not heard, has lost it."""

    async def update(self: Any, delivery: Delivery) -> int:
        written = noted(delivery, self._now(), self._grace)
        version: int = await self._store.update(replace(written, untold=(), tell_at=None))
        with contextlib.suppress(HarkError):
            messages = [event_message(written, event) for event in written.untold]
            await self._publisher().publish_events(messages)
        return version

    patch.setattr(telling_store._TellingStore, "update", update)


def a_claim_forgets_what_is_untold(patch: pytest.MonkeyPatch) -> None:
    def forgetting(delivery: Delivery, now: datetime, grace: timedelta) -> Delivery:
        written = noted(delivery, now, grace)
        return replace(written, untold=(), tell_at=None) if written.status is DeliveryStatus.SENDING else written

    patch.setattr(telling_store, "noted", forgetting)


def what_pubsub_did_not_take_counts_as_told(patch: pytest.MonkeyPatch) -> None:
    tell = telling_store.tell

    class Taking:
        def __init__(self, inner: Any) -> None:
            self._inner = inner

        async def publish_events(self, events: Any) -> None:
            with contextlib.suppress(HarkError):
                await self._inner.publish_events(events)

    async def told(store: Any, publisher: Any, deliveries: Any) -> Any:
        return await tell(store, Taking(publisher), deliveries)

    patch.setattr(telling_store, "tell", told)


BUGS: dict[Plant, Invariant] = {
    nobody_tells_what_a_dead_process_has_not: Invariant.EVENTS,
    an_event_is_on_no_record: Invariant.EVENTS,
    a_claim_forgets_what_is_untold: Invariant.EVENTS,
    what_pubsub_did_not_take_counts_as_told: Invariant.EVENTS,
    what_one_provider_may_have_waits_whichever_is_there: Invariant.QUIET,
    what_one_provider_may_have_goes_to_another_unsaid: Invariant.FAILOVER,
    a_message_is_taken_that_another_has_on_record: Invariant.TRUTH,
    a_probe_has_its_place_for_ever: Invariant.QUIET,
    a_probe_is_made_without_a_place: Invariant.DOWN,
    the_relay_publishes_no_probe: Invariant.QUIET,
    what_finds_its_provider_down_once_claimed_is_sent: Invariant.DOWN,
    ack_before_the_send: Invariant.ACKED,
    ack_whatever_happens: Invariant.ACKED,
    delete_the_record_when_the_publish_fails: Invariant.ENDS,
    relay_off: Invariant.QUIET,
    timeout_taken_as_permanent: Invariant.TRUTH,
    reset_taken_as_refusal: Invariant.DUPLICATE,
    claim_without_precondition: Invariant.DUPLICATE,
    lease_shorter_than_the_send: Invariant.LEASE,
    idempotency_off: Invariant.ONE_ID,
    a_batch_forgets_its_keys: Invariant.ONE_ID,
    a_batch_is_answered_whether_it_is_on_record_or_not: Invariant.ENDS,
    dead_letter_dropped: Invariant.ACKED,
    lost_attempt_not_counted: Invariant.TRIES,
    lost_attempt_not_on_record: Invariant.DUPLICATE,
    try_too_early: Invariant.TRIES,
    refused_and_tried_again: Invariant.TRIES,
    no_due_time_between_tries: Invariant.QUIET,
    receipt_moves_a_state_back: Invariant.EDGES,
    receipt_of_another_message_counts: Invariant.TRUTH,
    receipt_of_another_message_counts_unseen: Invariant.TRUTH,
    receipt_that_waits_is_dropped: Invariant.TRUTH,
    cancelled_under_a_live_lease: Invariant.CANCELLED,
    sent_whatever_the_record_says: Invariant.CANCELLED,
    the_gate_ignores_deliver_by: Invariant.TIME,
    the_gate_ignores_that_it_is_cancelled: Invariant.CANCELLED,
    a_cancel_writes_over_a_live_lease: Invariant.CANCELLED,
    send_at_is_ignored: Invariant.TIME,
    the_next_in_an_order_goes_while_one_is_retried: Invariant.ORDER,
    the_next_in_an_order_goes_when_the_one_between_is_cancelled: Invariant.ORDER,
    two_follow_the_same_one: Invariant.ORDER,
    an_older_one_with_the_collapse_key_is_sent: Invariant.COLLAPSE,
    a_step_goes_whatever_the_one_before_does: Invariant.ESCALATION,
    what_waits_for_another_has_no_due_time: Invariant.QUIET,
    the_person_is_not_asked: Invariant.PERSON,
    the_person_is_as_they_were_when_the_process_first_asked: Invariant.PERSON,
    what_cannot_be_read_is_no_reason: Invariant.PERSON,
    quiet_hours_are_over_at_once: Invariant.PERSON,
    preferences_are_ignored: Invariant.PERSON,
    a_days_notifications_are_counted_without_precondition: Invariant.PERSON,
    a_suppression_is_written_without_precondition: Invariant.TOLD,
    what_is_given_back_has_no_due_time: Invariant.QUIET,
    a_broadcast_goes_on_behind_a_page_that_failed: Invariant.AUDIENCE,
    a_page_of_a_broadcast_has_new_keys_each_time: Invariant.AUDIENCE,
    a_broadcast_goes_to_who_is_in_the_list_now: Invariant.AUDIENCE,
    a_pause_is_looked_for_once: Invariant.PAUSED,
    what_finds_its_channel_paused_once_claimed_is_sent: Invariant.PAUSED,
    the_relay_forgets_what_was_paused: Invariant.QUIET,
}


@pytest.mark.parametrize("plant", BUGS, ids=lambda plant: plant.__name__)
def test_it_finds(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    found: dict[Invariant, int] = {}
    first = FIRST.get(plant.__name__, 0)
    for seed in range(first, first + SEEDS):
        violation = simulate(seed).violation
        if violation is not None:
            found.setdefault(violation.invariant, seed)
        if BUGS[plant] in found:
            return
    pytest.fail(f"not found in {SEEDS} histories; but {found}")
