"""The store in memory, as strict as Firestore about versions, with faults to order."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import count
from types import MappingProxyType
from typing import Any, TypeVar

from shared.delivery.erasure import OF_DELIVERY, OF_NOTIFICATION
from shared.delivery.errors import AlreadyExists, Conflict, NotFound, StoreError, UnreadableRecord
from shared.delivery.gate import Facts
from shared.delivery.model import MAY_BE_SENT, Attachment, Delivery, DeliveryStatus, Notification, Recipient
from shared.delivery.store import ANYTHING, Key, Page, Position, Search
from shared.google.firestore.records import STATE_FIELDS
from tests.fakes.ordered_faults import OrderedFaults

R = TypeVar("R", Notification, Delivery, Recipient)
P = TypeVar("P", bound=Notification | Delivery | Recipient | None)


class MemoryStore(OrderedFaults):
    """See `shared.delivery.store.Store` for what each method promises."""

    def __init__(self) -> None:
        super().__init__()
        self._notifications: dict[str, Notification] = {}
        self._deliveries: dict[tuple[str, str], Delivery] = {}
        self._keys: dict[str, Key] = {}
        self._taken: dict[tuple[str, str], str] = {}
        self._attachments: dict[tuple[str, str], tuple[Attachment, ...]] = {}
        self._recipients: dict[str, Recipient] = {}
        self._versions = count(1_767_323_045_678_901_000, 1_000)

    def get(self, notification_id: str, channel: str) -> Delivery:
        """A delivery as it stands on record, for a test to look at."""
        return self._deliveries[notification_id, channel]

    def all_notifications(self) -> list[Notification]:
        return list(self._notifications.values())

    def all_deliveries(self) -> list[Delivery]:
        return list(self._deliveries.values())

    async def create(
        self,
        notification: Notification,
        deliveries: Sequence[Delivery],
        attachments: Mapping[str, Sequence[Attachment]] = MappingProxyType({}),
        keys: Mapping[str, int | None] = MappingProxyType({}),
    ) -> int:
        async with self._call("create"):
            names = [(d.notification_id, d.channel) for d in deliveries]
            if notification.id in self._notifications or any(name in self._deliveries for name in names):
                raise AlreadyExists(notification.id)
            for key, known in keys.items():
                if (self._keys[key].version if key in self._keys else None) != known:
                    raise Conflict(key)
            version = next(self._versions)
            self._keys |= {key: Key(notification.id, version) for key in keys}
            self._notifications[notification.id] = notification
            self._deliveries |= {name: replace(d, version=version) for name, d in zip(names, deliveries, strict=True)}
            self._attachments |= {(notification.id, channel): tuple(each) for channel, each in attachments.items()}
            return version

    async def create_all(self, many: Sequence[tuple[Notification, Sequence[Delivery]]]) -> int:
        async with self._call("create_all"):
            names = [(d.notification_id, d.channel) for _, deliveries in many for d in deliveries]
            ids = [notification.id for notification, _ in many]
            taken = any(i in self._notifications for i in ids) or any(name in self._deliveries for name in names)
            if taken or len(set(ids)) < len(ids):
                raise AlreadyExists("one of many")
            version = next(self._versions)
            self._notifications |= {notification.id: notification for notification, _ in many}
            for _, deliveries in many:
                self._deliveries |= {(d.notification_id, d.channel): replace(d, version=version) for d in deliveries}
            return version

    async def notifications_of(self, ids: Sequence[str]) -> Mapping[str, Notification]:
        async with self._call("notifications_of"):
            there = [self._notifications[i] for i in ids if i in self._notifications]
            return {notification.id: notification for notification in self._readable(there)}

    async def attachments(self, notification_id: str, channel: str, count: int) -> Sequence[Attachment]:
        async with self._call("attachments"):
            return list(self._attachments.get((notification_id, channel), ())[:count])

    async def keys(self, ids: Sequence[str]) -> Mapping[str, Key]:
        async with self._call("keys"):
            return {key: self._keys[key] for key in ids if key in self._keys}

    async def cancel(self, notification_id: str, at: datetime) -> None:
        async with self._call("cancel"):
            if notification_id not in self._notifications:
                raise NotFound(notification_id)
            self._notifications[notification_id] = replace(self._notifications[notification_id], cancelled_at=at)

    async def facts(self, notification: Notification, delivery: Delivery) -> Facts:
        if delivery.is_plain:
            return Facts(cancelled_at=notification.cancelled_at)
        async with self._call("facts"):
            newest = self._keys.get(delivery.collapse or "")
            return Facts(
                cancelled_at=notification.cancelled_at,
                newest=None if newest is None else newest.latest,
                before=self._one(self._deliveries.get((delivery.follows or "", delivery.channel))),
                step_before=self._one(self._deliveries.get((delivery.notification_id, delivery.escalates_from or ""))),
            )

    async def unsent_of(self, made_of: str, limit: int, after: str | None) -> Page[Delivery, str]:
        async with self._call("unsent_of"):
            unsent = [d for d in self._deliveries.values() if d.made_of == made_of and d.status in MAY_BE_SENT]
            return self._by_name(unsent, limit, after)

    async def to_address(self, channel: str, address: str, limit: int, after: str | None) -> Page[Delivery, str]:
        async with self._call("to_address"):
            there = [d for d in self._deliveries.values() if (d.channel, d.address) == (channel, address)]
            return self._by_name(there, limit, after)

    async def erase(self, notification: Notification | None, deliveries: Sequence[Delivery]) -> None:
        async with self._call("erase"):
            if notification is not None and notification.id not in self._notifications:
                raise NotFound(notification.id)
            for d in deliveries:
                self._at_version(d)
            if notification is not None:
                values: dict[str, Any] = {name: getattr(notification, name) for name in OF_NOTIFICATION}
                self._notifications[notification.id] = replace(self._notifications[notification.id], **values)
            for d in deliveries:
                values = {name: getattr(d, name) for name in OF_DELIVERY}
                key = d.notification_id, d.channel
                self._deliveries[key] = replace(self._deliveries[key], **values, version=next(self._versions))
                self._attachments.pop(key, None)

    async def followers(self, delivery: Delivery) -> Sequence[Delivery]:
        async with self._call("followers"):
            mine = (delivery.channel, delivery.notification_id)
            return [d for d in self._readable(self._deliveries.values()) if (d.channel, d.follows) == mine]

    async def scheduled(self, shard: int | None, start: datetime, end: datetime, limit: int) -> Sequence[Delivery]:
        async with self._call("scheduled"):
            due = [
                (d.scheduled_for, d.notification_id, d.channel, d)
                for d in self._readable(self._deliveries.values())
                if shard in {None, d.shard} and d.scheduled_for is not None and start <= d.scheduled_for < end
            ]
            return [d for *_, d in sorted(due, key=lambda entry: entry[:3])[:limit]]

    async def notification(self, notification_id: str) -> Notification | None:
        async with self._call("notification"):
            return self._one(self._notifications.get(notification_id))

    async def deliveries_of(self, notification: Notification) -> Sequence[Delivery]:
        async with self._call("deliveries_of"):
            return [self._one(delivery) for delivery in self._of(notification)]

    async def deliveries(self, notifications: Sequence[Notification]) -> Mapping[str, Sequence[Delivery]]:
        async with self._call("deliveries"):
            of = {n.id: self._of(n) for n in notifications}
            return {i: group if self._readable(group) == group else [] for i, group in of.items()}

    async def load(self, notification_id: str, channel: str) -> tuple[Notification, Delivery] | None:
        async with self._call("load"):
            notification = self._notifications.get(notification_id)
            delivery = self._deliveries.get((notification_id, channel))
            return (self._one(notification), self._one(delivery)) if notification and delivery else None

    async def load_all(self, keys: Sequence[tuple[str, str]]) -> Sequence[tuple[Notification, Delivery]]:
        async with self._call("load_all"):
            pairs = [(self._notifications.get(key[0]), self._deliveries.get(key)) for key in keys]
            there = [(n, d) for n, d in pairs if n is not None and d is not None]
            return [(n, d) for n, d in there if _path(n) not in self._spoilt and _path(d) not in self._spoilt]

    async def update(self, delivery: Delivery) -> int:
        async with self._call("update"):
            return self._update(delivery)

    async def update_all(self, deliveries: Sequence[Delivery]) -> Sequence[int | None]:
        async with self._call("update_all"):
            return [self._updated(d) for d in deliveries]

    async def overdue(
        self, shard: int | None, now: datetime, limit: int, channels: Sequence[str] | None = None
    ) -> Sequence[Delivery]:
        async with self._call("overdue"):
            due = [
                (d.due_at, d.notification_id, d.channel, d)
                for d in self._readable(self._deliveries.values())
                if shard in {None, d.shard} and d.due_at is not None and d.due_at < now
                if channels is None or d.channel in channels
            ]
            return [d for *_, d in sorted(due, key=lambda entry: entry[:3])[:limit]]

    async def untold(self, shard: int | None, now: datetime, limit: int) -> Sequence[Delivery]:
        async with self._call("untold"):
            due = [
                (d.tell_at, d.notification_id, d.channel, d)
                for d in self._readable(self._deliveries.values())
                if shard in {None, d.shard} and d.tell_at is not None and d.tell_at < now
            ]
            return [d for *_, d in sorted(due, key=lambda entry: entry[:3])[:limit]]

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
        async with self._call("notifications"):
            with_it = {
                d.notification_id
                for d in self._readable(self._deliveries.values())
                if status in {None, d.status} and search.address in {None, d.address_hash}
                if search.message_id is None
                or (d.provider_message_id == search.message_id and d.channel in search.channels)
            }
            of_deliveries = status is not None or search.address is not None or search.message_id is not None
            rows = [
                (Position(n.created_at, n.id), n)
                for n in self._notifications.values()
                if caller in {None, n.caller}
                and recipient in {None, n.recipient}
                and (not of_deliveries or n.id in with_it)
                and (search.word is None or search.word in n.found_by)
                and (search.start is None or search.start <= n.created_at)
                and (search.end is None or n.created_at < search.end)
            ]
            return self._page(rows, limit, after)

    async def dead(
        self, *, caller: str | None, channel: str | None, limit: int, after: Position | None
    ) -> Page[Delivery, Position]:
        async with self._call("dead"):
            rows = [
                (Position(d.dead_at, f"{d.notification_id}/deliveries/{d.channel}"), d)
                for d in self._deliveries.values()
                if d.status is DeliveryStatus.DEAD and d.dead_at is not None
                if caller in {None, d.caller} and channel in {None, d.channel}
            ]
            return self._page(rows, limit, after)

    async def sent_twice(
        self, *, caller: str | None, start: datetime, end: datetime | None, limit: int, after: Position | None
    ) -> Page[Delivery, Position]:
        async with self._call("sent_twice"):
            rows = [
                (Position(d.twice_at, f"{d.notification_id}/deliveries/{d.channel}"), d)
                for d in self._deliveries.values()
                if d.twice_at is not None and d.twice_at >= start and (end is None or d.twice_at < end)
                if caller in {None, d.caller}
            ]
            return self._page(rows, limit, after)

    async def in_status(
        self, *, caller: str | None, status: DeliveryStatus, limit: int, after: Position | None
    ) -> Page[Delivery, Position]:
        async with self._call("in_status"):
            rows = [
                (Position(d.created_at, f"{d.notification_id}/deliveries/{d.channel}"), d)
                for d in self._deliveries.values()
                if d.status is status and caller in {None, d.caller}
            ]
            return self._page(rows, limit, after)

    async def sent_as(self, channel: str, provider_message_id: str) -> Delivery | None:
        async with self._call("sent_as"):
            found = (
                d
                for d in self._deliveries.values()
                if d.channel == channel and d.provider_message_id == provider_message_id
            )
            return self._one(next(found, None))

    async def take_message(self, delivery: Delivery, provider_message_id: str) -> bool:
        async with self._call("take_message"):
            taken = self._taken.setdefault((delivery.channel, provider_message_id), delivery.notification_id)
            return taken == delivery.notification_id

    async def recipient(self, name: str) -> Recipient | None:
        async with self._call("recipient"):
            return self._one(self._recipients.get(name))

    async def recipients_of(self, names: Sequence[str]) -> Mapping[str, Recipient]:
        async with self._call("recipients_of"):
            there = [self._recipients[name] for name in names if name in self._recipients]
            return {recipient.name: recipient for recipient in self._readable(there)}

    def recipient_now(self, name: str) -> Recipient | None:
        """As it stands on record, for `tests/fakes/people.py`."""
        return self._one(self._recipients.get(name))

    async def create_recipient(self, recipient: Recipient) -> None:
        async with self._call("create_recipient"):
            if recipient.name in self._recipients:
                raise AlreadyExists(recipient.name)
            self._recipients[recipient.name] = replace(recipient, version=next(self._versions))

    async def replace_recipient(self, recipient: Recipient) -> None:
        async with self._call("replace_recipient"):
            stored = self._recipient_at(recipient.name, recipient.version)
            changed = replace(recipient, created_at=stored.created_at, version=next(self._versions))
            self._recipients[recipient.name] = changed

    async def delete_recipient(self, name: str, version: int | None = None) -> None:
        async with self._call("delete_recipient"):
            self._recipient_at(name, version)
            del self._recipients[name]

    async def recipients(self, *, limit: int, after: str | None, prefix: str = "") -> Page[Recipient, str]:
        async with self._call("recipients"):
            names = sorted(n for n in self._recipients if (after is None or n > after) and n.startswith(prefix))
            found = [self._recipients[name] for name in names[:limit]]
            return Page(self._readable(found), names[limit - 1] if len(names) > limit else None)

    def _one(self, record: P) -> P:
        if record is not None and _path(record) in self._spoilt:
            raise UnreadableRecord(f"{_path(record)}: spoilt")
        return record

    def _readable(self, found: Iterable[R]) -> list[R]:
        return [record for record in found if _path(record) not in self._spoilt]

    def _page(self, rows: Sequence[tuple[Position, R]], limit: int, after: Position | None) -> Page[R, Position]:
        """The latest first; ids break ties, in the same direction."""
        ordered = sorted(rows, key=lambda row: _order(row[0]), reverse=True)
        rest = [row for row in ordered if after is None or _order(row[0]) < _order(after)]
        items = rest[:limit]
        return Page(self._readable(item for _, item in items), items[-1][0] if len(rest) > limit else None)

    def _by_name(self, found: Iterable[Delivery], limit: int, after: str | None) -> Page[Delivery, str]:
        there = {f"{d.notification_id}/deliveries/{d.channel}": d for d in found}
        names = sorted(name for name in there if after is None or name > after)[:limit]
        last = names[-1] if len(names) == limit else None
        return Page(self._readable(there[name] for name in names), last)

    def _of(self, n: Notification) -> list[Delivery]:
        return [self._deliveries[n.id, c] for c in n.channels if (n.id, c) in self._deliveries]

    def _recipient_at(self, name: str, version: int | None) -> Recipient:
        if name not in self._recipients:
            raise NotFound(name)
        if version not in {None, self._recipients[name].version}:
            raise Conflict(name)
        return self._recipients[name]

    def _updated(self, delivery: Delivery) -> int | None:
        try:
            return self._update(delivery)
        except StoreError:
            return None

    def _update(self, delivery: Delivery) -> int:
        stored = self._at_version(delivery)
        version = next(self._versions)
        # What was written once stays as it is, whatever the caller knows of it.
        self._deliveries[delivery.notification_id, delivery.channel] = replace(
            stored, **{name: getattr(delivery, name) for name in STATE_FIELDS}, version=version
        )
        return version

    def _at_version(self, delivery: Delivery) -> Delivery:
        if delivery.version is None:
            raise ValueError("a delivery without a version cannot be updated")
        key = delivery.notification_id, delivery.channel
        stored = self._deliveries.get(key)
        if stored is None:
            raise NotFound("/".join(key))
        if stored.version != delivery.version:
            raise Conflict("/".join(key))
        return stored


def _path(record: Notification | Delivery | Recipient) -> str:
    match record:
        case Notification():
            return f"notifications/{record.id}"
        case Delivery():
            return f"notifications/{record.notification_id}/deliveries/{record.channel}"
        case Recipient():
            return f"recipients/{record.name}"


def _order(position: Position) -> tuple[datetime, list[str]]:
    return position.at, position.id.split("/")  # Firestore compares names part by part
