"""What providers report back about messages that they accepted.

    sent ─delivered─▶ delivered        sent ─undelivered─▶ undelivered
    delivered ─undelivered─▶ undelivered, or undelivered ─delivered─▶ delivered: as `Receipt.overrules` says
    a delivery not sent, nobody at it, with an unknown attempt ─delivered─▶ delivered: that attempt did arrive

Only receipts of the message that is on record count, so whatever the order of a delivery's receipts, and however often
each comes, they end in the same state.

A channel's folder reads its provider's requests: `Channel.receipts` names the module, whose `receipts()` gives a
ReceiptReader. A receipt may come before our own record of the send, twice, late, in any order, or for a message that
is none of ours. The gateway takes it; one that cannot be applied yet waits on record, and the relay comes back to it.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from starlette.datastructures import Headers

from shared.delivery.errors import Conflict, NotFound, UnreadableRecord
from shared.delivery.model import ESCALATION_AFTER_RECEIPT, SUCCESS, Delivery, DeliveryStatus, Outcome, Receipt
from shared.delivery.state_machine import out_of_turn, with_lost_attempt
from shared.delivery.store import Store
from shared.people.people_store import PeopleStore
from shared.people.suppression import CLASS_BY_REASON, Entry
from shared.runtime import failpoints, telemetry
from shared.runtime.failpoints import Failpoint
from shared.runtime.logs import get_logger
from shared.sending.messages import Publisher
from shared.sending.suppressing import suppress
from shared.sending.waiting_deliveries import is_waited_for, publish_waiting

log = get_logger(__name__)

NOTIFICATION_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""The form of our ids: what a provider hands back as one may be anything."""

FIRST_PAUSE = timedelta(seconds=5)  # before a waiting receipt is looked at again; doubled each time
KEPT = timedelta(days=3)  # longer than any delivery can stay undecided
# What does not name a notification is found once its send is on record, which takes at most a lease; most of it is not
# ours at all: a provider may report all that its account sends.
FIRST_PAUSE_UNNAMED = timedelta(seconds=60)
KEPT_UNNAMED = timedelta(hours=1)
_TRIES = 5  # of a write that others are faster than


@dataclass(frozen=True, slots=True)
class ReceiptRequest:
    """A provider's HTTP request, not yet verified.

    target: path and query as they came, e.g. `/v1/receipts/twilio?notification_id=…`
    headers: by any case; `getlist` tells whether one came twice
    at: when it arrived
    """

    target: str
    headers: Headers
    body: bytes
    at: datetime


class ReceiptReader(Protocol):
    """Whatever it does before it knows a request to be the provider's, anybody can have it do: it costs 3 ms at most.

    body_limit: bytes, by what the provider sends; whoever has more does not ask
    """

    body_limit: int

    def check_head(self, target: str, headers: Headers, at: datetime) -> None:
        """What can be said before the body is read. Raises ForgedReceipt when no body makes it the provider's."""
        ...

    def read(self, request: ReceiptRequest) -> Sequence[Receipt]:
        """The receipts in it that say delivered or undelivered, or what else goes to the address; what says neither is
        left out.

        Raises ForgedReceipt when it is not the provider's, MalformedReceipt when it is and cannot be read.
        """
        ...


class ReceiptModule(Protocol):
    """A provider's receipts file. SETTINGS: those that it needs"""

    SETTINGS: Sequence[str]

    def receipts(self) -> ReceiptReader | None:
        """Reads its settings; None when those that it needs are not set. SystemExit when one is wrong."""
        ...


@dataclass(frozen=True, slots=True)
class Waiting:
    """A receipt on record until it can be applied. `looks`: how often it could not."""

    receipt: Receipt
    id: str
    shard: int
    due_at: datetime
    expire_at: datetime
    looks: int = 0


class ReceiptStore(Protocol):
    """Any method may raise StoreUnavailable; a write may have landed all the same."""

    async def keep(self, waiting: Waiting) -> None:
        """Write it, over an earlier one of the same id."""
        ...

    async def due(self, shard: int | None, now: datetime, limit: int) -> Sequence[Waiting]:
        """Those of a shard (None: of all, as `Store.overdue` has it) whose `due_at` has passed."""
        ...

    async def forget(self, waiting: Waiting) -> None:
        """Delete it, if it is there."""
        ...


_SENT = SUCCESS | {DeliveryStatus.UNDELIVERED}
_ENDED_UNSENT = frozenset(
    {
        DeliveryStatus.DISCARDED,
        DeliveryStatus.EXPIRED,
        DeliveryStatus.CANCELLED,
        DeliveryStatus.SUPERSEDED,
        DeliveryStatus.SUPPRESSED,
    }
)


def reported(delivery: Delivery, receipt: Receipt, now: datetime) -> Delivery | timedelta | None:
    """The delivery to write, None when the receipt changes nothing and never will, or how long to wait at least."""
    perhaps_sent = any(attempt.outcome is Outcome.UNKNOWN for attempt in delivery.attempts)
    # Where the answer had no id, there must be no other message that the receipt could be of.
    without_id = delivery.provider_message_id is None and not perhaps_sent
    same = without_id or receipt.provider_message_id in {None, delivery.provider_message_id}
    delivered = receipt.status is DeliveryStatus.DELIVERED
    match delivery.status:
        case DeliveryStatus.SENT:
            return _moved(delivery, receipt, now) if same else None
        case DeliveryStatus.DELIVERED | DeliveryStatus.UNDELIVERED:
            news = same and receipt.status is not delivery.status and receipt.overrules
            return _moved(delivery, receipt, now) if news else None
        case status if status in _ENDED_UNSENT:
            return None
        case DeliveryStatus.SENDING if delivery.lease_until is not None:
            if delivery.lease_until > now:
                # Whoever holds the lease is about to record more than we know.
                return delivery.lease_until - now
            delivery = with_lost_attempt(delivery)
            perhaps_sent = True
    if perhaps_sent and delivered:
        return _moved(delivery, receipt, now)
    return FIRST_PAUSE if perhaps_sent or delivery.pending else None


def _moved(delivery: Delivery, receipt: Receipt, now: datetime) -> Delivery:
    return replace(
        delivery,
        status=receipt.status,
        provider=receipt.provider,
        provider_message_id=receipt.provider_message_id or delivery.provider_message_id,
        error=receipt.reason,
        reason=out_of_turn(delivery),
        scheduled_for=None,
        updated_at=now,
        due_at=None,
        next_try_at=None,
        claimed_at=None,
        lease_until=None,
        dead_at=None,
    )


async def take(
    store: Store,
    waiting: ReceiptStore,
    people: PeopleStore,
    receipt: Receipt,
    now: datetime,
    publisher: Publisher | None = None,
) -> None:
    """Apply a receipt, or put it on record until it can be. Raises StoreUnavailable.

    What if the process dies: the provider has no answer and sends it again, and applying it twice is applying it once.
    """
    pause = await apply(store, people, receipt, now, publisher)
    if pause is not None:
        receipt_id = _id(receipt)
        shard = int(receipt_id[0], 16)  # of 16, like the store's
        kept = KEPT if receipt.notification_id is not None else KEPT_UNNAMED
        await waiting.keep(Waiting(receipt, receipt_id, shard, now + pause, now + kept))
    failpoints.reached(Failpoint.APPLIED)


def first_pause(receipt: Receipt) -> timedelta:
    return FIRST_PAUSE if receipt.notification_id is not None else FIRST_PAUSE_UNNAMED


async def apply(
    store: Store, people: PeopleStore, receipt: Receipt, now: datetime, publisher: Publisher | None = None
) -> timedelta | None:
    """None when it is done with, else how long to wait at least before the next look. Raises StoreUnavailable.

    What it says of the address goes on record first: the state alone would let a repeat of it change nothing.
    publisher: for what waits for the delivery to end; None: that is left to the relay
    """
    for _ in range(_TRIES):
        try:
            delivery = await _delivery(store, receipt)
        except UnreadableRecord as error:
            # It must keep no other receipt from being applied, here or at the relay.
            log.error("a receipt waits for a record that cannot be read", error=str(error))
            delivery = None
        if delivery is None:
            return first_pause(receipt)
        await _suppress(people, delivery, receipt, now)
        outcome = reported(delivery, receipt, now)
        if not isinstance(outcome, Delivery):
            return outcome
        if delivery.status not in _SENT and not await _is_its_own(store, outcome, receipt):
            receipt = replace(receipt, notification_id=None)
            continue
        outcome = await _after_the_next_channel(store, outcome, now)
        ids = {"notification_id": outcome.notification_id, "channel": outcome.channel}
        try:
            with telemetry.span(f"receipt {outcome.channel}", attributes=_attributes(outcome), links=_sent(outcome)):
                await store.update(outcome)
        except (Conflict, NotFound):
            continue  # somebody moved it on meanwhile: look again
        log.info("receipt", status=outcome.status, was=delivery.status, provider=outcome.provider, **ids)
        if publisher is not None and is_waited_for(outcome):
            await publish_waiting(store, publisher, outcome)
        return None
    return first_pause(receipt)


async def _is_its_own(store: Store, arrived: Delivery, receipt: Receipt) -> bool:
    """Whether the message that arrived after all is this delivery's. Another with the same text may have been found to
    be sent by it (`asking_providers.py`): then this one is not, or one of the two would be lost.
    """
    message_id = receipt.provider_message_id
    return message_id is None or await store.take_message(arrived, message_id)


async def _suppress(people: PeopleStore, delivery: Delivery, receipt: Receipt, now: datetime) -> None:
    if receipt.suppresses is None or delivery.simulated:
        return
    if not delivery.address:
        log.info("not suppressed: its recipient is erased", notification_id=delivery.notification_id)
        return
    evidence = f"a receipt of {receipt.provider} for notification {delivery.notification_id}"
    entry = Entry(receipt.suppresses, CLASS_BY_REASON[receipt.suppresses], now, evidence)
    address = people.suppression_id(delivery.channel, delivery.address)
    try:
        await suppress(people, delivery.channel, address, entry)
    except UnreadableRecord as error:
        log.error("a suppression that cannot be read", error=str(error))
    failpoints.reached(Failpoint.SUPPRESSED)


async def _after_the_next_channel(store: Store, delivery: Delivery, now: datetime) -> Delivery:
    """The delivery, with it on record if it arrived when its escalation had already tried the next channel."""
    if delivery.escalates_to is None or delivery.status is not DeliveryStatus.DELIVERED or not delivery.attempts:
        return delivery
    loaded = await store.load(delivery.notification_id, delivery.escalates_to)
    if loaded is None or not loaded[1].attempts:
        return delivery
    *others, last = delivery.attempts
    attempts = (*others, replace(last, reason=ESCALATION_AFTER_RECEIPT))
    return replace(delivery, attempts=attempts, twice_at=delivery.twice_at or now)


def _attributes(delivery: Delivery) -> telemetry.Attributes:
    return {"hark.notification_id": delivery.notification_id, "hark.status": str(delivery.status)}


def _sent(delivery: Delivery) -> list[str | None]:
    """The span of the attempt that the receipt is about."""
    return [attempt.traceparent for attempt in delivery.attempts[-1:]]


async def _delivery(store: Store, receipt: Receipt) -> Delivery | None:
    """By our id where the provider gave it back, else by its own."""
    if receipt.notification_id is not None:
        loaded = await store.load(receipt.notification_id, receipt.channel)
        if loaded is not None:
            return loaded[1]
    if receipt.provider_message_id is None:
        return None
    return await store.sent_as(receipt.channel, receipt.provider_message_id)


def _id(receipt: Receipt) -> str:
    """The same for the same receipt: one that comes twice waits once."""
    message = receipt.provider_message_id or receipt.notification_id or ""
    parts = [receipt.channel, receipt.provider, message, receipt.status]
    if receipt.suppresses is not None:
        parts.append(receipt.suppresses)  # a complaint says delivered, too, and is another one
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
