"""How every channel function sends: claim → send under a total deadline → record → answer Pub/Sub.

What if the process dies
- before the claim is written: Pub/Sub pushes again, and the delivery is still due;
- after the claim: the lease runs out, the relay publishes, and the next claim puts the lost attempt on record as
  unknown, because the provider may have accepted it;
- after the record: Pub/Sub pushes again, the delivery is terminal, the push is acked.
"""

import asyncio
import dataclasses
import random
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.delivery.errors import (
    Conflict,
    NotFound,
    Permanent,
    Refused,
    Retryable,
    SendError,
    StoreUnavailable,
    Throttled,
    Unknown,
    UnreadableRecord,
)
from shared.delivery.gate import NOTHING, Facts, Go, Later, No, is_late
from shared.delivery.model import (
    FAILOVER_AFTER_UNKNOWN,
    Attachment,
    Attempt,
    Delivery,
    DeliveryStatus,
    Outcome,
    Rule,
    SuppressionReason,
    Told,
    replace,
)
from shared.delivery.retries import Policy
from shared.delivery.state_machine import (
    Done,
    Early,
    Held,
    Leased,
    Own,
    Write,
    decide,
    free_since,
    given_back,
    reconciled,
    settle,
)
from shared.delivery.store import Store
from shared.people.people_store import PeopleStore
from shared.people.permission import NOBODY, Person, class_of
from shared.people.suppression import CLASS_BY_REASON, Entry
from shared.runtime import failpoints, telemetry
from shared.runtime.failpoints import Failpoint
from shared.runtime.logs import get_logger, place
from shared.runtime.telemetry import Kind
from shared.sending.asking_people import Asking
from shared.sending.asking_providers import Perhaps, There, ask, unsure
from shared.sending.breakers import Breakers, Turn, Wait
from shared.sending.channel_states import ChannelStates, paused_of, resumed_at, until_let
from shared.sending.earlier_messages import resolved
from shared.sending.messages import Answer, Content, Message, Publisher, content_of
from shared.sending.order import with_its_turn
from shared.sending.provider import Earlier, Outgoing, Provider, Sent
from shared.sending.simulated_provider import SIMULATED
from shared.sending.suppressing import suppress
from shared.sending.waiting_deliveries import is_waited_for, publish_waiting

log = get_logger(__name__)

_NEAR = timedelta(minutes=5)
"""So long before its deliver_by a message goes to another provider, although one may have it."""
_WAITS_FOR_ANSWER = timedelta(minutes=5)  # between two tries to ask a provider that cannot tell
NO_TIME = "no time was left to send it"
"""The one attempt on record of which no provider was asked."""

_WRITE_PAUSE = 0.2  # seconds between tries of a write whose fate is unknown
_CLAIM_SECONDS = 8.0  # for losing to others or to the network; more than a write's timeout and the read after it
_SHORTEST_PAUSE = 1.0  # seconds before a throttling provider is asked again


@dataclass(slots=True)
class _Calling:
    """Of a provider, in the course of one push. last: its last attempt, None while none was made"""

    turn: Turn
    last: Attempt | None = None


@dataclass(frozen=True, slots=True)
class Pipeline:
    """One channel's sending. The clock, tokens, pauses and chance come in, so that tests can hold them.

    publisher: opens it, for what waits for a delivery to end; None: that is left to the relay
    people: asked about each delivery's person; None: nobody has said anything
    unsubscribes: whether one can over its channel
    channel_states: asked whether its channel is paused; None: nobody can pause it
    breakers: of its providers; None: they have none
    others: the providers that send while the breaker of the first is open, in their order
    """

    store: Store
    provider: Provider
    policy: Policy
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    token: Callable[[], str] = lambda: uuid.uuid4().hex
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    chance: Callable[[], float] = field(default=random.random)
    publisher: Callable[[], Publisher] | None = None
    people: PeopleStore | None = None
    unsubscribes: bool = True
    channel_states: ChannelStates | None = None
    breakers: Breakers | None = None
    others: Sequence[Provider] = ()

    async def deliver(self, message: Message) -> Answer:
        """Take one message as far as it can go now, and say whether Pub/Sub may forget it.

        Raises StoreUnavailable when the records cannot be reached; the caller nacks.
        """
        if self._is_known_paused(message.channel) and await self._is_paused(message.channel):
            return Answer.ACK  # it stays due, and the relay publishes it when its channel is resumed
        turn = Turn(self.provider.name) if self.breakers is None else await self.breakers.turn()
        if isinstance(turn, Wait):
            if message.content is None or not message.content.simulated:
                return Answer.NACK if turn.alone else Answer.ACK  # as above, or somebody else gets through
            turn = Turn(self.provider.name)
        calling = _Calling(turn)
        try:
            return await self._deliver(message, calling)
        finally:
            if self.breakers is not None:
                await self.breakers.over(calling.turn, calling.last)

    async def _deliver(self, message: Message, calling: _Calling) -> Answer:
        claimed = await self._claim(message, calling)
        if isinstance(claimed, Answer):
            return claimed
        delivery, content, person, paused = claimed
        if paused:
            return await self._give_back(delivery, until_let(self.now(), Rule.CHANNEL_PAUSED), None)
        turn: Turn | Later = calling.turn
        if self.breakers is not None and not delivery.simulated:
            turn = await self.breakers.still(calling.turn)
        if isinstance(turn, Later):
            return await self._give_back(delivery, turn, None)
        provider, calling.turn = calling.turn.provider, turn
        if turn.provider != provider:  # the claim names the one that is asked, should this process die
            return await self._give_back(delivery, until_let(self.now(), Rule.PROVIDER_DOWN), None)
        let = await self._let_for(delivery, person)
        return let if isinstance(let, Answer) else await self._send_and_record(let, content, person or NOBODY, calling)

    async def _claim(
        self, message: Message, calling: _Calling
    ) -> tuple[Delivery, Content, Person | None, bool] | Answer:
        """The delivery claimed for us, what to send, what is on record of whom it is for, and whether its channel is
        paused; or the answer when there is nothing to send now.
        """
        token = self.token()
        content = message.content
        delivery = _first(message, content) if content else None
        facts = NOTHING
        give_up_at = time.monotonic() + _CLAIM_SECONDS
        while time.monotonic() < give_up_at:
            if delivery is None or content is None:
                loaded = await self._load(message)
                if loaded is None:
                    log.error("no such delivery", **_ids(message))
                    return Answer.ACK
                delivery, content, facts = loaded
            match decide(delivery, token, self.now(), self.policy, facts):
                case Done():
                    await self._publish_waiting(delivery)  # whoever ended it may have died before
                    return Answer.ACK
                case Held():
                    return Answer.ACK
                case Leased():
                    # A live lease has a due time: if its holder dies the relay publishes again. A nack would
                    # only slow the whole subscription down.
                    telemetry.count(telemetry.LEASE_CONFLICTS, {"channel": message.channel})
                    return Answer.ACK
                case Early(pause):
                    if pause > self.policy.wait_in_place:
                        return Answer.ACK  # the relay publishes it when it is due
                    await self.sleep(pause.total_seconds())
                    give_up_at += pause.total_seconds()
                case Own():
                    return delivery, content, *await asyncio.gather(*self._beside(delivery))
                case Write(written):
                    await self._choose(written, calling)
                    written = _with_provider(written, calling.turn.provider)
                    lost = written.attempts[len(delivery.attempts) :]
                    writing = self._write(written, lost)
                    recorded, person, paused = await asyncio.gather(writing, *self._beside(written))
                    if recorded is None:
                        delivery = None  # another was faster, or our own write had landed: the record tells
                    else:
                        return (recorded, content, person, paused) if await self._is_let(recorded) else Answer.ACK
        log.warning("not claimed in time", **_ids(message))
        return Answer.NACK

    async def _choose(self, claimed: Delivery, calling: _Calling) -> None:
        """The provider that may have it, while that one is there: for another it would have to wait."""
        if self.breakers is None or claimed.simulated or claimed.status is not DeliveryStatus.SENDING:
            return
        last = {attempt.provider: attempt for attempt in _waiting(unsure(claimed))}  # what it said is on its last
        left = [attempt for attempt in last.values() if attempt.asked is not Told.NOT_THERE]
        whose = max(left, key=lambda attempt: attempt.number).provider if left else None
        if whose in {None, calling.turn.provider} or whose not in self._names:
            return
        turn = await self.breakers.turn_of(str(whose))
        if turn is not None:
            await self.breakers.over(calling.turn, None)  # it makes no probe of the other
            calling.turn = turn

    async def _load(self, message: Message) -> tuple[Delivery, Content, Facts] | None:
        loaded = await self.store.load(message.notification_id, message.channel)
        if loaded is None:
            return None
        notification, delivery = loaded
        facts = await with_its_turn(self.store, await self.store.facts(notification, delivery))
        if delivery.follows is not None and self.channel_states is not None:
            states = await self.channel_states.states()
            facts = dataclasses.replace(facts, resumed_at=resumed_at(states, delivery.channel))
        return delivery, content_of(notification, delivery), facts

    async def _is_let(self, recorded: Delivery) -> bool:
        """Whether it was claimed; else the gate holds it back, or it has ended."""
        if recorded.status is DeliveryStatus.SENDING:
            failpoints.reached(Failpoint.CLAIMED)
            return True
        failpoints.reached(Failpoint.NOT_LET)
        ids = {"notification_id": recorded.notification_id, "channel": recorded.channel}
        if recorded.status is DeliveryStatus.DEAD:
            log.error("dead", reason=recorded.error, **ids)
        else:
            log.info("not sent", status=recorded.status, rule=recorded.reason, **ids)
        await self._publish_waiting(recorded)
        return False

    def _beside(self, claimed: Delivery) -> tuple[Awaitable[Person | None], Awaitable[bool]]:
        """What is read beside the claim's write; nothing when it was not claimed."""
        return self._person(claimed), self._is_held(claimed)

    def _is_known_paused(self, channel: str) -> bool:
        """Whether it was at the last look: then nothing is claimed before another."""
        return self.channel_states is not None and channel in paused_of(self.channel_states.known)

    async def _is_held(self, claimed: Delivery) -> bool:
        return claimed.status is DeliveryStatus.SENDING and await self._is_paused(claimed.channel)

    async def _is_paused(self, channel: str) -> bool:
        return self.channel_states is not None and not await self.channel_states.may_send(channel)

    async def _person(self, claimed: Delivery) -> Person | None:
        """None when it cannot be read; not asked when it was not claimed."""
        if self.people is None or claimed.status is not DeliveryStatus.SENDING:
            return NOBODY
        return await Asking(self.people, self.now).person(claimed)

    async def _let_for(self, claimed: Delivery, person: Person | None) -> Delivery | Answer:
        """The claimed delivery where it may be sent to this person; else it is given back, and this is the answer."""
        if self.people is None:
            return claimed
        said = await Asking(self.people, self.now, unsubscribes=self.unsubscribes).permission(claimed, person)
        judged_by = None if person is None else person.judged_by()
        if isinstance(said, Go):
            return replace(claimed, judged_by=judged_by, reason=said.rule or claimed.reason)
        return await self._give_back(claimed, said, judged_by)

    async def _give_back(self, claimed: Delivery, said: Later | No, judged_by: Mapping[str, str] | None) -> Answer:
        back = replace(given_back(claimed, said, self.now()), judged_by=judged_by)
        assert claimed.lease_until is not None  # noqa: S101 - every claim sets it
        if not await self._record(back, claimed.lease_until):
            return Answer.NACK
        await self._is_let(back)
        return Answer.ACK

    async def _publish_waiting(self, ended: Delivery) -> None:
        if self.publisher is not None and is_waited_for(ended):
            await publish_waiting(self.store, self.publisher(), ended)

    async def _write(self, written: Delivery, lost: Sequence[Attempt]) -> Delivery | None:
        """It as it is on record now, with the lost attempts that it adds; None when it is not sure to be there."""
        try:
            version = await self.store.update(written)
        except (Conflict, NotFound):
            return None
        except StoreUnavailable:
            await self.sleep(_WRITE_PAUSE)
            return None
        self._count(written, lost)
        return replace(written, version=version)

    async def _send_and_record(self, claimed: Delivery, content: Content, person: Person, calling: _Calling) -> Answer:
        provider = self._provider_of(claimed, calling.turn)
        if unsure(claimed) and not claimed.simulated:
            asked = await self._ask(claimed, content, provider)
            if isinstance(asked, Answer):
                return asked
            claimed = asked
        made, error, sent = await self._send(claimed, content, person, calling)
        if isinstance(error, Permanent) and error.suppresses is not None and not claimed.simulated:
            await self._suppress(claimed, error.suppresses, provider)
        settled = settle(
            claimed,
            made,
            self.now(),
            self.policy,
            provider=provider.name,
            provider_message_id=sent.id,
            provider_conversation=sent.conversation,
            retry_after=_retry_after(error),
            jitter=self.chance(),
        )
        assert claimed.lease_until is not None  # noqa: S101 - every claim sets it
        recorded = await self._record(settled, claimed.lease_until)
        failpoints.reached(Failpoint.RECORDED)
        self._log(settled, error, recorded)
        if not recorded:
            return Answer.NACK
        self._count(settled, made)
        await self._publish_waiting(settled)
        # What used its attempts up is nacked too: if this was the message's fifth push, its dead-letter topic keeps it
        # as well. A refusal comes at the first push as a rule: its nack would only bring one push more, and slow the
        # whole subscription down.
        refused = bool(made) and made[-1].outcome is Outcome.REFUSED
        retry = settled.status in {DeliveryStatus.RETRYING, DeliveryStatus.DEAD} and not refused
        return Answer.NACK if retry else Answer.ACK

    async def _ask(self, claimed: Delivery, content: Content, provider: Provider) -> Delivery | Answer:
        """The claimed delivery, with what was said of its unsure attempts; or the answer: it is not to be sent now."""
        parts = content.everything()
        subject, text = parts.pop("subject", None), parts.pop("message")
        outgoing = Outgoing(
            *(claimed.notification_id, claimed.address, subject, text),
            timeout=self._send_seconds(claimed) / 3,
            parts=parts,
        )
        # What goes with an earlier message is not found where others are.
        providers = () if content.earlier else (self.provider, *self.others)
        said = await ask(self.store, providers, claimed, outgoing, self.now(), self.policy)
        if isinstance(said, Perhaps):
            return await self._give_back(claimed, Later(said.until, Rule.BEING_ASKED), None)
        if isinstance(said, There):
            return await self._reconcile(claimed, said)
        marked = replace(claimed, attempts=_marked(claimed, said))
        cannot_tell = {a.provider for a in _waiting(unsure(marked)) if said.get(a.provider) is Told.CANNOT_TELL} - {
            None
        }
        # Of several that may have it, any one is no other: two would wait for each other.
        if not cannot_tell or provider.name in cannot_tell:
            return marked
        return await self._fail_over(marked, cannot_tell)

    async def _reconcile(self, claimed: Delivery, there: There) -> Answer:
        marked = replace(claimed, attempts=_marked(claimed, {there.provider: Told.RECONCILED}))
        sent = there.found.sent
        settled = reconciled(
            marked, self.now(), provider=there.provider, message_id=sent.id, conversation=sent.conversation
        )
        assert claimed.lease_until is not None  # noqa: S101 - every claim sets it
        recorded = await self._record(settled, claimed.lease_until)
        failpoints.reached(Failpoint.RECORDED)
        ids = {"notification_id": claimed.notification_id, "channel": claimed.channel}
        log.info("reconciled", provider=there.provider, status=settled.status, recorded=recorded, **ids)
        if not recorded:
            return Answer.NACK
        self._count(settled, ())
        await self._publish_waiting(settled)
        return Answer.ACK

    async def _fail_over(self, claimed: Delivery, elsewhere: AbstractSet[str | None]) -> Delivery | Answer:
        """To another provider, although one may have it that cannot be asked: only when there is no time to wait for
        that one, or nobody calls it any more, and with the reason on record before the call.
        """
        now, comes_back = self.now(), sorted(str(name) for name in elsewhere & self._names)
        if comes_back and (claimed.deliver_by is None or claimed.deliver_by - now > _NEAR):
            until = now + _WAITS_FOR_ANSWER
            if claimed.deliver_by is not None:
                until = min(until, claimed.deliver_by - _NEAR)
            waiting = replace(claimed, error=f"{' and '.join(comes_back)} may have it, and cannot be asked")
            return await self._give_back(waiting, Later(until, Rule.PROVIDER_DOWN), None)
        attempts = tuple(
            dataclasses.replace(a, reason=FAILOVER_AFTER_UNKNOWN)
            if a.outcome is Outcome.UNKNOWN and a.provider in elsewhere
            else a
            for a in claimed.attempts
        )
        try:
            version = await self.store.update(replace(claimed, attempts=attempts))
        except (Conflict, NotFound):
            return Answer.ACK  # it was cancelled or the like, or another has it
        failpoints.reached(Failpoint.FAILED_OVER)
        return replace(claimed, attempts=attempts, version=version)

    async def _send(
        self, claimed: Delivery, content: Content, person: Person, calling: _Calling
    ) -> tuple[Sequence[Attempt], SendError | None, Sent]:
        """The attempts made under this claim, and how the last ended: several when short throttles were waited out,
        none when its deliver_by is past.
        """
        made: list[Attempt] = []
        provider = self._provider_of(claimed, calling.turn)
        deadline = time.monotonic() + self._send_seconds(claimed)
        parts = content.everything()
        subject, text = parts.pop("subject", None), parts.pop("message")
        attachments = await self._attachments(claimed, content)
        error: SendError | None = None
        while True:
            sent = Sent(None)
            # Read before the clock is: a read takes its time.
            earlier: Mapping[str, Earlier] | SendError = {}
            if content.earlier:
                earlier = await resolved(self.store, claimed.channel, content.earlier, provider.name, self.now())
            if is_late(claimed, self.now()):
                return made, error, sent
            # In this order: `at` and the duration together are not over before the call is.
            began, at = time.monotonic(), self.now()
            error, is_called = None, False
            number = len(claimed.attempts) + len(made) + 1
            before = [attempt.traceparent for attempt in (*claimed.attempts, *made)[-1:]]
            with telemetry.span(f"send {provider.name}", Kind.CLIENT, {"hark.attempt": number}, before) as span:
                try:
                    if isinstance(attachments, SendError):
                        raise attachments
                    if isinstance(earlier, SendError):
                        raise earlier
                    outgoing = Outgoing(
                        claimed.notification_id,
                        claimed.address,
                        subject,
                        text,
                        timeout=deadline - time.monotonic(),
                        parts=parts,
                        attachments=attachments,
                        earlier=earlier,
                        category=claimed.category,
                        category_class=None if claimed.category is None else class_of(claimed, person),
                        recipient=claimed.recipient,
                        locale=None if person.recipient is None else person.recipient.locale,
                        deliver_by=claimed.deliver_by,
                        collapse=claimed.collapse,
                    )
                    is_called = outgoing.timeout > 0
                    sent = await call(provider, outgoing)
                    failpoints.reached(Failpoint.ACCEPTED)
                except SendError as raised:
                    error = raised
                    span.fail(str(error.outcome))
                span.note({"hark.outcome": str(error.outcome if error else Outcome.ACCEPTED)})
            made.append(
                Attempt(
                    number=number,
                    at=at,
                    outcome=error.outcome if error else Outcome.ACCEPTED,
                    error=str(error) if error else None,
                    duration_ms=round((time.monotonic() - began) * 1000),
                    traceparent=span.traceparent,
                    provider=provider.name,
                    probe=calling.turn.probe is not None and not claimed.simulated,
                )
            )
            if is_called and self.breakers is not None and not claimed.simulated:
                calling.last = made[-1]
                self.breakers.note(calling.turn, made[-1], claimed.address)
            pause = error.retry_after if isinstance(error, Throttled) else None
            # Waited out once a claim, if as much time again is left for the call: "now" is no time to come back at,
            # and a provider that throttles again wants more than a moment.
            longest = min(self.policy.wait_in_place.total_seconds(), (deadline - time.monotonic()) / 2)
            if pause is None or len(made) > 1 or max(pause, _SHORTEST_PAUSE) > longest:
                return made, error, sent
            await self.sleep(max(pause, _SHORTEST_PAUSE))

    async def _suppress(self, claimed: Delivery, reason: SuppressionReason, provider: Provider) -> None:
        """The address, before the outcome is on record. Where that fails the provider will say it again."""
        if self.people is None:
            return
        evidence = f"{provider.name} refused notification {claimed.notification_id}"
        entry = Entry(reason, CLASS_BY_REASON[reason], self.now(), evidence)
        address = self.people.suppression_id(claimed.channel, claimed.address)
        try:
            await suppress(self.people, claimed.channel, address, entry)
        except (StoreUnavailable, UnreadableRecord) as failed:
            log.warning("not suppressed", error=str(failed), notification_id=claimed.notification_id)
        failpoints.reached(Failpoint.SUPPRESSED)

    async def _attachments(self, claimed: Delivery, content: Content) -> Sequence[Attachment] | SendError:
        """The files that go with it, or why it cannot go without them. Who has none pays nothing."""
        if not content.attachments:
            return ()
        try:
            found = await self.store.attachments(claimed.notification_id, claimed.channel, content.attachments)
        except (StoreUnavailable, UnreadableRecord):
            return Retryable("its attachments could not be read")
        return found if len(found) == content.attachments else Refused("its attachments are no longer on record")

    def _send_seconds(self, claimed: Delivery) -> float:
        """The send deadline, less what a slow claim has used of the lease: no call may outlive it."""
        assert claimed.lease_until is not None  # noqa: S101 - every claim sets it
        left = claimed.lease_until - self.now() - (self.policy.lease - self.policy.send_deadline) / 2
        return max(0.0, min(self.policy.send_deadline, left).total_seconds())

    @property
    def _names(self) -> AbstractSet[str]:
        return {provider.name for provider in (self.provider, *self.others)}

    def _provider_of(self, claimed: Delivery, turn: Turn) -> Provider:
        if claimed.simulated:
            return SIMULATED
        return next(provider for provider in (self.provider, *self.others) if provider.name == turn.provider)

    async def _record(self, settled: Delivery, lease_until: datetime) -> bool:
        """Write the outcome, trying as long as the lease holds; False when it could not be written or was lost.

        An outcome that is not on record costs a duplicate, so this is worth all the time the lease leaves.
        """
        give_up_at = time.monotonic() + (lease_until - self.now()).total_seconds()
        while True:
            try:
                await self.store.update(settled)
            except (Conflict, NotFound):
                return await self._landed(settled)
            except StoreUnavailable:
                if time.monotonic() >= give_up_at:
                    return False
                await self.sleep(_WRITE_PAUSE)
            else:
                return True

    async def _landed(self, settled: Delivery) -> bool:
        """Whether the record refused us because an earlier try of ours is already there."""
        try:
            loaded = await self.store.load(settled.notification_id, settled.channel)
        except (StoreUnavailable, UnreadableRecord):
            return False
        if loaded is None:
            return False
        return loaded[1].attempts[: len(settled.attempts)] == settled.attempts

    def _count(self, written: Delivery, made: Sequence[Attempt]) -> None:
        """What is now on record."""
        by = {
            "channel": written.channel,
            "provider": written.provider or (SIMULATED if written.simulated else self.provider).name,
        }
        for attempt in made:
            whose = {**by, "provider": attempt.provider or by["provider"]}
            telemetry.count(telemetry.ATTEMPTS, {**whose, "outcome": str(attempt.outcome)})
        if written.status is DeliveryStatus.SENT:
            telemetry.record(telemetry.ACCEPT_TO_SENT, _waited(written).total_seconds(), by)

    def _log(self, settled: Delivery, error: SendError | None, recorded: bool) -> None:
        ids = {"notification_id": settled.notification_id, "channel": settled.channel}
        if settled.status is DeliveryStatus.EXPIRED:
            log.info("not sent", status=settled.status, rule=settled.reason, recorded=recorded, **ids)
            return
        attempt = settled.attempts[-1]
        event: dict[str, Any] = {
            "outcome": attempt.outcome,
            "attempt": attempt.number,
            "provider": settled.provider,
            **ids,
        }
        if not recorded:
            log.error("outcome not recorded: another may send this again", **event)
        elif isinstance(error, Retryable) and error.credentials:
            log.error("the provider refuses our credentials", error=str(error), status=settled.status, **event)
        elif settled.status is DeliveryStatus.DEAD:
            log.error("dead", reason=settled.error, **event)
        else:
            if settled.status is DeliveryStatus.SENT:
                event["accept_to_sent_ms"] = round(_waited(settled).total_seconds() * 1000)
            log.info("attempt", error=attempt.error, status=settled.status, **event)


async def call(provider: Provider, outgoing: Outgoing) -> Sent:
    """The provider's `send`, with its time bounded and every stray error named unknown."""
    if outgoing.timeout <= 0:
        # Frozen meanwhile. A call would be cut short at its first await, and over a connection that is open the
        # request may have left by then.
        raise Retryable(NO_TIME)
    try:
        async with asyncio.timeout(outgoing.timeout):
            said = await provider.send(outgoing)
            return said if isinstance(said, Sent) else Sent(said)
    except SendError:
        raise
    except TimeoutError:
        raise Unknown(f"no answer within {outgoing.timeout:.1f} s") from None
    except Exception as stray:
        # A provider that lets a foreign error out is at fault; the message may have left all the same.
        log.error("the provider raised what it must not", error=place(stray), provider=provider.name)
        raise Unknown(f"{provider.name} failed with {type(stray).__name__}") from None


def _with_provider(claimed: Delivery, provider: str) -> Delivery:
    """Named by the claim: if this process dies, nobody else knows which one may have the message."""
    sends = claimed.status is DeliveryStatus.SENDING and not claimed.simulated
    return replace(claimed, provider=provider) if sends else claimed


def _waiting(attempts: Sequence[Attempt]) -> Sequence[Attempt]:
    """Those whose provider is waited for: of the others it is on record already that another was called."""
    return [attempt for attempt in attempts if attempt.reason != FAILOVER_AFTER_UNKNOWN]


def _marked(claimed: Delivery, said: Mapping[str | None, Told]) -> tuple[Attempt, ...]:
    """Its attempts; of those that nobody knows of, the last of each provider has what that said."""
    last = {attempt.provider: attempt.number for attempt in unsure(claimed)}
    return tuple(
        dataclasses.replace(a, asked=said[a.provider]) if a.provider in said and last.get(a.provider) == a.number else a
        for a in claimed.attempts
    )


def _first(message: Message, content: Content) -> Delivery:
    """The delivery as the gateway wrote it, known from the message alone."""
    return Delivery(
        notification_id=message.notification_id,
        channel=message.channel,
        address=content.address,
        created_at=content.created_at,
        simulated=content.simulated,
        attachments=content.attachments,
        deliver_by=content.deliver_by,
        queued_at=content.send_at or content.created_at,
        next_try_at=content.send_at,
        category=content.category,
        category_class=content.category_class,
        recipient=content.recipient,
        expire_at=content.expire_at,
        version=content.version,
    )


def _waited(settled: Delivery) -> timedelta:
    return (settled.updated_at or settled.created_at) - free_since(settled)


def _retry_after(error: SendError | None) -> timedelta | None:
    if isinstance(error, Throttled) and error.retry_after is not None:
        return timedelta(seconds=error.retry_after)
    return None


def _ids(message: Message) -> dict[str, str]:
    return {"notification_id": message.notification_id, "channel": message.channel}
