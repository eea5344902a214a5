"""What Hark asks of its records. `shared/google/firestore` answers on Firestore, `tests/fakes/store.py` in memory.

Every write says what it expects to find (nothing, or a version), so no write needs a transaction and none can
overwrite what it has not seen. Any method may raise StoreUnavailable; a write may have landed all the same.

A record that this version cannot read is an UnreadableRecord to whoever asks for it by its id (or by the provider's);
a listing leaves it out, says so in the log, and goes on behind it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Generic, Protocol, TypeVar

from shared.delivery.gate import Facts
from shared.delivery.model import Attachment, Delivery, DeliveryStatus, Notification, Recipient

T = TypeVar("T")
P = TypeVar("P")

SHARDS = 16
"""Queries by a growing time go through a random `shard`: Firestore takes about 500 writes/s into one index range
(https://cloud.google.com/firestore/docs/best-practices#hotspots). 16 carry 8,000/s; `IN` takes at most 30."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page ended: the time it is ordered by, and the id that breaks ties."""

    at: datetime
    id: str


@dataclass(frozen=True, slots=True)
class Key:
    """What a collapse or an ordering key was last used for.

    latest: the id of that notification; version: of the record as read
    """

    latest: str
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[T, P]):
    """One page of a listing, bounded by number and by bytes. next: where it ended; None on the last."""

    items: Sequence[T]
    next: P | None = None


@dataclass(frozen=True, slots=True)
class Search:
    """What a listing of notifications is to have besides; by default nothing. Of address, word and message_id at most
    one, and with one of them neither a recipient nor a status: for more there is no index.

    start, end: it was accepted at `start` or later, and before `end`
    address: the hash of an address that it goes to (`Delivery.address_hash`)
    word: one of those that it is found by (`Notification.found_by`)
    message_id: the provider's id of a delivery of it, over one of `channels`, thirty at most
    """

    start: datetime | None = None
    end: datetime | None = None
    address: str | None = None
    word: str | None = None
    message_id: str | None = None
    channels: tuple[str, ...] = ()


ANYTHING = Search()
MOST_SENT_AS = 100
"""Deliveries with one provider's id of a message: one, or a few whose provider counts for each conversation anew."""


class Store(Protocol):
    async def create(
        self,
        notification: Notification,
        deliveries: Sequence[Delivery],
        attachments: Mapping[str, Sequence[Attachment]] = MappingProxyType({}),
        keys: Mapping[str, int | None] = MappingProxyType({}),
    ) -> int:
        """Write a notification and all its deliveries, or nothing. Returns the deliveries' version.

        attachments: of each channel that has some, each at most 700 KiB: a record takes 1 MiB
        keys: the ids of keys whose last notification it becomes, and the version of each as read, None: there was none
        Raises AlreadyExists when the id is taken, Conflict or AlreadyExists when another was faster with a key.
        """
        ...

    async def create_all(self, many: Sequence[tuple[Notification, Sequence[Delivery]]]) -> int:
        """`create` for many plain ones at once, all or nothing. At most 500 records and 5 MB in all."""
        ...

    async def notifications_of(self, ids: Sequence[str]) -> Mapping[str, Notification]:
        """By id, those of these that there are and that can be read."""
        ...

    async def keys(self, ids: Sequence[str]) -> Mapping[str, Key]:
        """Those of these keys that have been used."""
        ...

    async def cancel(self, notification_id: str, at: datetime) -> None:
        """Mark a notification as cancelled, for every later claim to see. Raises NotFound."""
        ...

    async def facts(self, notification: Notification, delivery: Delivery) -> Facts:
        """What the gate has to know of others; of a plain delivery this reads nothing."""
        ...

    async def unsent_of(self, made_of: str, limit: int, after: str | None) -> Page[Delivery, str]:
        """Deliveries made of this version of a template that may still be sent, be it by a replay, in an order of their
        own.
        """
        ...

    async def to_address(self, channel: str, address: str, limit: int, after: str | None) -> Page[Delivery, str]:
        """Deliveries to this address, whoever asked for them, in an order of their own."""
        ...

    async def erase(self, notification: Notification | None, deliveries: Sequence[Delivery]) -> None:
        """Write what a notification and its deliveries say of a person, as `shared.delivery.erasure` has emptied it,
        and delete these deliveries' attachments: all of it or nothing.

        notification: None: it is not to be written. Of a delivery the record must still have `delivery.version`.
        Raises Conflict when it has not, NotFound or Conflict when a record is gone.
        """
        ...

    async def followers(self, delivery: Delivery) -> Sequence[Delivery]:
        """Those that follow this one in its order: one, as a rule, or none yet."""
        ...

    async def scheduled(self, shard: int | None, start: datetime, end: datetime, limit: int) -> Sequence[Delivery]:
        """Deliveries of one shard (None: as `overdue`) that are scheduled for this time or later, and before the end,
        the soonest first.
        """
        ...

    async def attachments(self, notification_id: str, channel: str, count: int) -> Sequence[Attachment]:
        """The first `count` of a delivery, in order, without those that are gone."""
        ...

    async def notification(self, notification_id: str) -> Notification | None: ...

    async def deliveries_of(self, notification: Notification) -> Sequence[Delivery]:
        """In the order of its channels."""
        ...

    async def deliveries(self, notifications: Sequence[Notification]) -> Mapping[str, Sequence[Delivery]]:
        """For a listing: those of the first of these notifications (all, but for bytes beyond a page; one at least),
        by notification id. None of a notification of which one cannot be read.
        """
        ...

    async def load(self, notification_id: str, channel: str) -> tuple[Notification, Delivery] | None:
        """One delivery and its notification, read together; None unless both are there."""
        ...

    async def load_all(self, keys: Sequence[tuple[str, str]]) -> Sequence[tuple[Notification, Delivery]]:
        """`load` for many at once, by notification id and channel; in any order, without those that cannot be read."""
        ...

    async def update(self, delivery: Delivery) -> int:
        """Write the delivery's state if the record still has `delivery.version`. Returns the new version.

        Raises Conflict when it has not, NotFound or Conflict when there is no such record (Firestore's emulator
        makes no difference between the two).
        """
        ...

    async def update_all(self, deliveries: Sequence[Delivery]) -> Sequence[int | None]:
        """`update` for many at once, each for itself: the new versions, None where it was refused. At most 500."""
        ...

    async def overdue(
        self, shard: int | None, now: datetime, limit: int, channels: Sequence[str] | None = None
    ) -> Sequence[Delivery]:
        """Deliveries of one shard whose `due_at` has passed, the longest overdue first.

        None: of all shards, for which Firestore has no index, and its emulator needs none.
        channels: of these alone, thirty at most; None: of all
        """
        ...

    async def untold(self, shard: int | None, now: datetime, limit: int) -> Sequence[Delivery]:
        """Deliveries of one shard (None: as `overdue`) whose `tell_at` has passed, the longest ago first."""
        ...

    async def notifications(
        self,
        *,
        caller: str | None,
        recipient: str | None,
        status: DeliveryStatus | None,
        limit: int,
        after: Position | None,
        search: Search = ANYTHING,
    ) -> Page[Notification, Position]:
        """Newest first. `caller`: those that it asked for; `status`: those with a delivery in that status.

        Of more than MOST_SENT_AS deliveries with one `search.message_id` some are not found.
        """
        ...

    async def dead(
        self, *, caller: str | None, channel: str | None, limit: int, after: Position | None
    ) -> Page[Delivery, Position]:
        """Dead deliveries, the latest first."""
        ...

    async def sent_twice(
        self, *, caller: str | None, start: datetime, end: datetime | None, limit: int, after: Position | None
    ) -> Page[Delivery, Position]:
        """Deliveries that may have arrived a second time, at `start` or later and before the end (None: until now), the
        latest first.
        """
        ...

    async def in_status(
        self, *, caller: str | None, status: DeliveryStatus, limit: int, after: Position | None
    ) -> Page[Delivery, Position]:
        """A caller's deliveries in this status (None: everybody's), the latest accepted first."""
        ...

    async def sent_as(self, channel: str, provider_message_id: str) -> Delivery | None:
        """The delivery that a provider accepted under this id."""
        ...

    async def take_message(self, delivery: Delivery, provider_message_id: str) -> bool:
        """Whether this is the delivery that the provider has under this id: the first that asks is, as long as its
        record is kept.
        """
        ...

    async def recipient(self, name: str) -> Recipient | None: ...

    async def recipients_of(self, names: Sequence[str]) -> Mapping[str, Recipient]:
        """By name, those of these that there are and that can be read."""
        ...

    async def create_recipient(self, recipient: Recipient) -> None:
        """Raises AlreadyExists."""
        ...

    async def replace_recipient(self, recipient: Recipient) -> None:
        """Write all but `created_at`, if the record still has `recipient.version`; None: whichever it has.

        Raises Conflict when it has not, NotFound or Conflict when there is no such record.
        """
        ...

    async def delete_recipient(self, name: str, version: int | None = None) -> None:
        """Delete it if the record still has this version; None: whichever it has. Raises as `replace_recipient`."""
        ...

    async def recipients(self, *, limit: int, after: str | None, prefix: str = "") -> Page[Recipient, str]:
        """By name, those after `after` whose names begin with `prefix`."""
        ...
