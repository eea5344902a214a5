"""The values that travel through Hark: notifications, deliveries, attempts, recipients.

Everything here is immutable and knows nothing of HTTP, Pub/Sub or Firestore. Times are aware datetimes in UTC.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from operator import attrgetter
from typing import TYPE_CHECKING, Any


class DeliveryStatus(StrEnum):
    """Where one delivery stands. A delivery that is not terminal always has a `due_at`."""

    SCHEDULED = "scheduled"  # accepted; its time has not come
    QUEUED = "queued"  # accepted; no attempt has begun (or a replay has asked for a fresh set)
    SENDING = "sending"  # a channel function holds the lease
    RETRYING = "retrying"  # the last attempt did not get through; another will follow
    DEFERRED = "deferred"  # the provider asked us to come back later, or the gate holds it back (`Delivery.reason`)
    SENT = "sent"  # the provider accepted it
    DELIVERED = "delivered"  # the provider reported that it reached the person
    UNDELIVERED = "undelivered"  # the provider accepted it and later reported that it did not arrive
    FAILED = "failed"  # the provider refuses it for good
    DEAD = "dead"  # refused, attempts used up, or nobody took it for a day; can be replayed
    EXPIRED = "expired"  # its time ran out before it was sent
    CANCELLED = "cancelled"  # withdrawn before it was sent; an attempt of which nobody knows may have arrived
    SUPERSEDED = "superseded"  # not sent, as a newer one with its collapse key was accepted
    SUPPRESSED = "suppressed"  # not sent, as the person does not want it, or the address is known not to work
    DISCARDED = "discarded"  # an operator gave a dead delivery up


PENDING = frozenset(
    {
        DeliveryStatus.SCHEDULED,
        DeliveryStatus.QUEUED,
        DeliveryStatus.SENDING,
        DeliveryStatus.RETRYING,
        DeliveryStatus.DEFERRED,
    }
)
MAY_BE_SENT = PENDING | {DeliveryStatus.DEAD, DeliveryStatus.FAILED}
"""By itself, or replayed."""
SUCCESS = frozenset({DeliveryStatus.SENT, DeliveryStatus.DELIVERED})


class NotificationStatus(StrEnum):
    """What all deliveries of a notification amount to; derived when read, never stored."""

    SCHEDULED = "scheduled"  # no delivery's time has come
    QUEUED = "queued"  # no delivery has begun
    SENDING = "sending"  # some delivery is not terminal
    SENT = "sent"  # every delivery was sent or delivered
    FAILED = "failed"  # no delivery was
    PARTIAL = "partial"  # some were, some were not
    EXPIRED = "expired"  # every delivery expired
    CANCELLED = "cancelled"  # every delivery was cancelled
    SUPERSEDED = "superseded"  # every delivery was superseded
    SUPPRESSED = "suppressed"  # every delivery was suppressed


class Rule(StrEnum):
    """Why a delivery is held back, or was not sent: the gate's rules (`shared/delivery/gate.py`), as on record."""

    ORDER = "order"  # held back: one before it with its ordering key has not ended
    ORDER_BOUND = "order_bound"  # sent all the same, as that one took too long
    ESCALATION = "escalation"  # held back: the channel before it may still get there
    NOT_NEEDED = "not_needed"  # cancelled: that channel got there
    CANCELLED = "cancelled"  # the notification was cancelled
    DELIVER_BY = "deliver_by"  # expired: its time ran out
    COLLAPSE_KEY = "collapse_key"  # superseded
    SUPPRESSION = "suppression"  # suppressed: one is on record for its address
    PREFERENCE = "preference"  # suppressed: the recipient does not want its category over its channel
    NO_UNSUBSCRIBE = (
        "no_unsubscribe"  # suppressed: its category has become marketing, and one cannot leave by its channel
    )
    QUIET_HOURS = "quiet_hours"  # held back until the recipient's end, or expired as they end too late
    FREQUENCY = "frequency"  # held back until tomorrow: the person has had the day's; or sent, as nobody could tell
    PEOPLE_UNREAD = "people_unread"  # held back: what the person wants could not be read
    CHANNEL_PAUSED = "channel_paused"  # held back until an operator resumes its channel
    BEING_ASKED = "being_asked"  # held back: its provider has a message that may be it, or another's
    PROVIDER_DOWN = "provider_down"  # held back until a probe of the provider is answered


class Outcome(StrEnum):
    """How one attempt ended."""

    ACCEPTED = "accepted"  # the provider took the message
    RETRYABLE = "retryable"  # it did not, and may later
    THROTTLED = "throttled"  # it did not, and named (or implied) a time to come back
    PERMANENT = "permanent"  # it never will
    REFUSED = "refused"  # it does not until an operator changes something: the message itself is good
    UNKNOWN = "unknown"  # nobody can tell: the one reason a duplicate can have


class Told(StrEnum):
    """What a provider says when it is asked what became of an attempt."""

    RECONCILED = "reconciled"  # it has the message: the delivery is sent
    NOT_THERE = "not_there"  # not yet, at least: it is sent again
    CANNOT_TELL = "cannot_tell"  # or cannot be asked


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call of a provider. `duration_ms` is None when the process died before it could tell.

    traceparent: of its span, where one was recorded; the next attempt's links to it
    reason: why the person may have got the message twice because of it, where its outcome does not say so
    provider: that was called
    asked: what its provider said when it was asked what had become of it (`asking_providers.py`)
    probe: it was made while the provider was down, to see whether it is still, and uses none of the delivery's tries up
    """

    number: int
    at: datetime
    outcome: Outcome
    error: str | None = None
    duration_ms: int | None = None
    traceparent: str | None = None
    reason: str | None = None
    provider: str | None = None
    asked: Told | None = None
    probe: bool = False


REPLAY = "replay"
FAILOVER_AFTER_UNKNOWN = "failover_after_unknown"
"""`Attempt.reason`: its provider could not be asked, and another was given the message, as its deliver_by was near."""
LEASE_RAN_OUT = "the lease ran out before an outcome was recorded"
"""`Attempt.error` of one whose process died, or froze, before it was on record."""
ESCALATION_AFTER_RECEIPT = "escalation_after_receipt"
"""`Attempt.reason`: it turned out to have arrived when the next channel had already been tried."""


@dataclass(frozen=True, slots=True)
class Step:
    """One channel of an escalation.

    after: seconds that the one before has for it; None: until it has ended
    unless: what that one has to reach meanwhile, SENT or DELIVERED
    """

    channel: str
    after: int | None = None
    unless: DeliveryStatus = DeliveryStatus.SENT


@dataclass(frozen=True, slots=True)
class TemplateUsed:
    """What a notification was made of. locale: whose texts"""

    name: str
    version: int
    locale: str

    @property
    def id(self) -> str:
        return f"{self.name}/{self.version}"


class CategoryClass(StrEnum):
    """What may stop a message of a category: `shared/people/permission.py` has the table."""

    TRANSACTIONAL = "transactional"
    SERVICE = "service"
    MARKETING = "marketing"


class SuppressionReason(StrEnum):
    """Why nothing, or not everything, is sent to an address any more."""

    HARD_BOUNCE = "hard_bounce"
    INVALID = "invalid"  # there is no such address, says the provider
    COMPLAINT = "complaint"
    STOP = "stop"  # they answered STOP
    UNSUBSCRIBED = "unsubscribed"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True)
class Notification:
    """What was asked; written once by the gateway, and but for `cancelled_at` never changed.

    caller: the id of who asked; simulated: asked with a test key, so no provider is called.
    message, subject: None where a template was used; data: what that was filled with, as JSON
    send_at: None is at once; deliver_by: no attempt begins after it
    escalation: the channels of this list go one after the other, the others of `channels` at once
    cancelled_at: every later claim sees it; what has no attempt under way is cancelled besides
    found_by: the words that a search finds it by (`shared/delivery/search_words.py`)
    """

    id: str
    channels: tuple[str, ...]
    message: str | None
    created_at: datetime
    expire_at: datetime
    fingerprint: str
    shard: int
    caller: str = ""
    simulated: bool = False
    recipient: str | None = None
    subject: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    send_at: datetime | None = None
    deliver_by: datetime | None = None
    collapse_key: str | None = None
    ordering_key: str | None = None
    escalation: tuple[Step, ...] = ()
    cancelled_at: datetime | None = None
    template: TemplateUsed | None = None
    data: str | None = None
    category: str | None = None
    found_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Segments:
    """What a message is cut into, where a provider is paid by the piece.

    count: how many; encoding: of its letters, as people call it ("GSM-7", "UCS-2")
    """

    count: int
    encoding: str


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with a message.

    type: its media type, "application/pdf"
    """

    name: str
    type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Event:
    """One change of a delivery's state, for whoever wants to know of it (`shared/delivery/events.py`).

    id: made of what has changed, so it is the same however often the change is told
    status: the new one; at: since when
    attempts: how many there are on record; error: in words that hold no address
    """

    id: str
    status: str
    at: datetime
    attempts: int = 0
    reason: str | None = None
    error: str | None = None
    provider: str | None = None
    provider_message_id: str | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """A notification on its way over one channel.

    The fields up to `expire_at` are written once; the rest is the state machine's (`shared/delivery/state_machine.py`).
    `version` is the record's version as last read or written (Firestore's update time, ns since the epoch).
    `traceparent` is of the request that was answered with 202: whatever is done later belongs to its trace.
    `segments` and `encoding` are None where the channel has none (`Segments`).
    `content` is what this channel's message has, as JSON, frozen at accept; None: the notification's subject and
    message, and nothing else. `attachments` is how many files lie beside it (`Store.attachments`), `earlier` which
    earlier notifications it goes with, by the part of `content` that names them.
    `collapse` and `ordering` are the ids of its keys' records (`Store.keys`); `follows` is the notification before it
    in its order. `escalates_from`, `escalates_to`: the channels before and after it; `after`, `unless`: as `Step`.
    `made_of` is its template and version, "order-shipped/3".
    `category_class` is its category's as of the 202: it holds when the category is gone. None: it has no category.
    `bulk`: it is one of many, which wait in a queue of their own.
    `address_hash`: the keyed hash that a search finds its address by; None: it was accepted before there was one, or is
    emptied.
    `judged_by` says which records of the person's decided, by kind, and as of when each was.
    `provider_conversation` is where the provider says that the message is, for what goes with it later.
    `untold` are the events of it that may not have been published yet; `tell_at` is when the relay publishes them,
    `last_event` the id of the latest. All are None, or none, where events are off.
    """

    notification_id: str
    channel: str
    address: str
    created_at: datetime
    caller: str = ""
    simulated: bool = False
    recipient: str | None = None
    shard: int = 0
    expire_at: datetime | None = None
    traceparent: str | None = None
    segments: int | None = None
    encoding: str | None = None
    content: str | None = None
    attachments: int = 0
    deliver_by: datetime | None = None
    collapse: str | None = None
    ordering: str | None = None
    follows: str | None = None
    escalates_from: str | None = None
    escalates_to: str | None = None
    after: int | None = None
    unless: DeliveryStatus | None = None
    made_of: str | None = None
    earlier: Mapping[str, str] = field(default_factory=dict)
    category: str | None = None
    category_class: CategoryClass | None = None
    bulk: bool = False
    address_hash: str | None = None

    status: DeliveryStatus = DeliveryStatus.QUEUED
    attempts: tuple[Attempt, ...] = ()
    round_start: int = 0  # attempts before this index belong to rounds before a replay
    queued_at: datetime | None = None  # when this round of attempts was asked for
    updated_at: datetime | None = None  # the last change of state; the relay's touch is none
    due_at: datetime | None = None  # when the relay publishes it again; None once terminal
    next_try_at: datetime | None = None  # not before this, when retrying or deferred
    relays: int = 0  # how often the relay has published it since the last change of state
    claim: str | None = None  # token of the last claim; kept afterwards, so a repeated write knows itself
    claimed_at: datetime | None = None
    lease_until: datetime | None = None
    provider: str | None = None
    provider_message_id: str | None = None
    provider_conversation: str | None = None
    error: str | None = None
    dead_at: datetime | None = None
    scheduled_for: datetime | None = None  # while scheduled, when the relay publishes it to the second
    reason: str | None = None  # the rule of the gate that holds it back, or that ended it
    judged_by: Mapping[str, str] | None = None
    twice_at: datetime | None = None  # when it first may have arrived a second time (`duplicates.py`)
    held_until: datetime | None = None  # what the person wants has held it back until then
    untold: tuple[Event, ...] = ()
    last_event: str | None = None
    tell_at: datetime | None = None

    version: int | None = None

    @property
    def pending(self) -> bool:
        return self.status in PENDING

    @property
    def is_plain(self) -> bool:
        """Whether no other record has a say in whether it may be sent, and none waits for it to end."""
        alone = self.collapse is None and self.ordering is None
        return alone and self.escalates_from is None and self.escalates_to is None

    @property
    def ended_untried(self) -> bool:
        return not self.pending and not self.attempts

    @property
    def sent(self) -> bool:
        """Whether the provider accepted it, whatever it has reported since."""
        return self.status in SUCCESS or self.status is DeliveryStatus.UNDELIVERED


if TYPE_CHECKING:
    from dataclasses import replace as replace  # noqa: PLC0414 - others import it from here
else:
    _FIELDS = tuple(f.name for f in fields(Delivery))
    _PLACES = {name: place for place, name in enumerate(_FIELDS)}
    _values = attrgetter(*_FIELDS)

    def replace(delivery: Delivery, **changes: Any) -> Delivery:
        """`dataclasses.replace` for deliveries, in half of its time: each send takes three."""
        values = list(_values(delivery))
        for name, value in changes.items():
            values[_PLACES[name]] = value
        return Delivery(*values)


@dataclass(frozen=True, slots=True)
class QuietHours:
    """Hours of the week in which nothing but what is urgent is to arrive, by the clock on the wall.

    days: on which they begin, 0 is Monday; start, end: minutes since midnight. An end that is not later than the start
    is the next day's.
    """

    days: tuple[int, ...]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Recipient:
    """A name that stands for a person's addresses, by channel.

    locale, time_zone: BCP 47 and IANA; attributes: what templates may say of them
    quiet_hours: in their time zone
    preferences: by category, whether they want it over a channel; what is not there they do
    erased_at: it is being erased, and takes no new notification
    updated_by: the id of the caller that wrote it last; None in a record from before this was kept
    version: of the record as read
    """

    name: str
    addresses: Mapping[str, str]
    created_at: datetime
    updated_at: datetime
    updated_by: str | None = None
    locale: str | None = None
    time_zone: str | None = None
    attributes: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    quiet_hours: tuple[QuietHours, ...] = ()
    preferences: Mapping[str, Mapping[str, bool]] = field(default_factory=dict)
    erased_at: datetime | None = None
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """A provider's word that a message which it accepted was delivered, or was not.

    status: DELIVERED or UNDELIVERED
    provider_message_id, notification_id: theirs and ours, of which one at least is there
    reason: why it was not delivered, in codes and words that hold no address
    overrules: it is the one that holds when a provider says both of a message. Exactly one of its two statuses does
    suppresses: what it says of the address for the future
    """

    channel: str
    provider: str
    provider_message_id: str | None
    status: DeliveryStatus
    notification_id: str | None = None
    reason: str | None = None
    overrules: bool = False
    suppresses: SuppressionReason | None = None


def notification_status(deliveries: Iterable[Delivery]) -> NotificationStatus:
    """The status of a notification with these deliveries (at least one)."""
    deliveries = list(deliveries)
    # What was not needed says nothing of those that were.
    needed = [delivery for delivery in deliveries if delivery.reason != Rule.NOT_NEEDED] or deliveries
    statuses = frozenset(delivery.status for delivery in needed)
    if statuses <= {DeliveryStatus.QUEUED, DeliveryStatus.SCHEDULED}:
        waiting = DeliveryStatus.QUEUED not in statuses
        return NotificationStatus.SCHEDULED if waiting else NotificationStatus.QUEUED
    if statuses & PENDING:
        return NotificationStatus.SENDING
    if statuses <= SUCCESS:
        return NotificationStatus.SENT
    if statuses & SUCCESS:
        return NotificationStatus.PARTIAL
    return _ALL_ALIKE.get(statuses, NotificationStatus.FAILED)


_ALL_ALIKE = {
    frozenset({DeliveryStatus.EXPIRED}): NotificationStatus.EXPIRED,
    frozenset({DeliveryStatus.CANCELLED}): NotificationStatus.CANCELLED,
    frozenset({DeliveryStatus.SUPERSEDED}): NotificationStatus.SUPERSEDED,
    frozenset({DeliveryStatus.SUPPRESSED}): NotificationStatus.SUPPRESSED,
}
"""Nobody tried and failed: it was not to be sent."""
