"""The store on Firestore. Each write carries its precondition, so none needs a transaction."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, TypeVar

from shared.delivery.erasure import OF_DELIVERY, OF_NOTIFICATION
from shared.delivery.errors import AlreadyExists, Conflict
from shared.delivery.gate import Facts
from shared.delivery.model import MAY_BE_SENT, Attachment, Delivery, DeliveryStatus, Notification, Recipient
from shared.delivery.store import ANYTHING, MOST_SENT_AS, Key, Page, Position, Search
from shared.google.firestore import pages, queries, records, writes
from shared.google.firestore.rpc import Rpc, Write, to_version
from shared.google.firestore.value_encoding import decode, encode

T = TypeVar("T")

_MOST_FOLLOWERS = 10  # a key's record knows one; two follow the same one when that had expired
_BEFORE_ANY_CHANNEL = "!"  # sorts before every channel's name, so a cursor on it is past all of a notification's


class FirestoreStore:
    """See `shared.delivery.store.Store` for what each method promises."""

    def __init__(self, rpc: Rpc) -> None:
        self._rpc = rpc
        self._documents = rpc.documents

    async def create(
        self,
        notification: Notification,
        deliveries: Sequence[Delivery],
        attachments: Mapping[str, Sequence[Attachment]] = MappingProxyType({}),
        keys: Mapping[str, int | None] = MappingProxyType({}),
    ) -> int:
        beside = [
            writes.create(
                records.attachment_name(self._documents, notification.id, channel, i),
                records.attachment_values(each, notification.expire_at),
            )
            for channel, files in attachments.items()
            for i, each in enumerate(files)
        ]
        for key, version in keys.items():
            values = {"latest": notification.id, "expire_at": notification.expire_at}
            beside.append(writes.put(records.key_name(self._documents, key), values, version))
        return await self._commit([*beside, *self._creations(notification, deliveries)])

    async def create_all(self, many: Sequence[tuple[Notification, Sequence[Delivery]]]) -> int:
        return await self._commit([write for one in many for write in self._creations(*one)])

    async def notifications_of(self, ids: Sequence[str]) -> Mapping[str, Notification]:
        found = await self._rpc.batch_get([records.notification_name(self._documents, i) for i in ids])
        return {n.id: n for n in records.readable(found.values(), records.to_notification)}

    async def keys(self, ids: Sequence[str]) -> Mapping[str, Key]:
        names = {records.key_name(self._documents, key): key for key in ids}
        found = await self._rpc.batch_get(list(names))
        return {names[name]: records.read_one(doc, records.to_key) for name, doc in found.items()}

    async def cancel(self, notification_id: str, at: datetime) -> None:
        name = records.notification_name(self._documents, notification_id)
        await self._rpc.write(writes.change(name, {"cancelled_at": at}))

    async def facts(self, notification: Notification, delivery: Delivery) -> Facts:
        if delivery.is_plain:
            return Facts(cancelled_at=notification.cancelled_at)
        before, step_before = (
            None if of is None else records.delivery_name(self._documents, *of)
            for of in (
                delivery.follows and (delivery.follows, delivery.channel),
                delivery.escalates_from and (delivery.notification_id, delivery.escalates_from),
            )
        )
        key = None if delivery.collapse is None else records.key_name(self._documents, delivery.collapse)
        names = [name for name in (before, step_before, key) if name is not None]
        found = await self._rpc.batch_get(names) if names else {}

        def read(name: str | None, of: Callable[[Any], T]) -> T | None:
            return None if name is None or name not in found else records.read_one(found[name], of)

        newest = read(key, records.to_key)
        return Facts(
            cancelled_at=notification.cancelled_at,
            newest=None if newest is None else newest.latest,
            before=read(before, records.to_delivery),
            step_before=read(step_before, records.to_delivery),
        )

    async def unsent_of(self, made_of: str, limit: int, after: str | None) -> Page[Delivery, str]:
        query = queries.select(
            "deliveries",
            group=True,
            filters=[*queries.given(made_of=made_of), queries.any_of("status", sorted(MAY_BE_SENT))],
            fields=records.WITHOUT_CONTENT,
            limit=limit,
            after=[] if after is None else [queries.reference(f"{self._documents}/notifications/{after}")],
        )
        return self._by_name(await self._rpc.run_query(query), limit)

    async def to_address(self, channel: str, address: str, limit: int, after: str | None) -> Page[Delivery, str]:
        query = queries.select(
            "deliveries",
            group=True,
            filters=queries.given(channel=channel, address=address),
            fields=records.WITHOUT_CONTENT,
            limit=limit,
            after=[] if after is None else [queries.reference(f"{self._documents}/notifications/{after}")],
        )
        return self._by_name(await self._rpc.run_query(query), limit)

    async def erase(self, notification: Notification | None, deliveries: Sequence[Delivery]) -> None:
        all_of_it = []
        if notification is not None:
            name = records.notification_name(self._documents, notification.id)
            # Nobody else writes these fields after the 202, so any version will do.
            all_of_it.append(writes.change(name, {field: getattr(notification, field) for field in OF_NOTIFICATION}))
        for d in deliveries:
            values = {field: getattr(d, field) for field in OF_DELIVERY}
            all_of_it.append(writes.change(self._delivery_name(d), values, writes.at_version(d.version)))
            all_of_it += [Write(delete=name) for name in self._attachment_names(d)]
        if all_of_it:
            await self._rpc.commit(all_of_it)

    async def followers(self, delivery: Delivery) -> Sequence[Delivery]:
        query = queries.select(
            "deliveries",
            group=True,
            filters=queries.given(channel=delivery.channel, follows=delivery.notification_id),
            fields=records.WITHOUT_CONTENT,
            limit=_MOST_FOLLOWERS,
        )
        return list(records.readable(await self._rpc.run_query(query), records.to_delivery))

    async def scheduled(self, shard: int | None, start: datetime, end: datetime, limit: int) -> Sequence[Delivery]:
        query = queries.select(
            "deliveries",
            group=True,
            filters=[*queries.given(shard=shard), queries.before("scheduled_for", end)],
            order="scheduled_for",
            fields=records.WITHOUT_CONTENT,
            after=[encode(start)],
        )
        query.start_at.before = True
        return await pages.first_readable(self._rpc, query, limit, records.to_delivery)

    async def notification(self, notification_id: str) -> Notification | None:
        name = records.notification_name(self._documents, notification_id)
        found = await self._rpc.batch_get([name])
        return records.read_one(found[name], records.to_notification) if name in found else None

    async def deliveries_of(self, notification: Notification) -> Sequence[Delivery]:
        names = self._delivery_names(notification)
        found = await self._rpc.batch_get(names)
        return [records.read_one(found[name], records.to_delivery) for name in names if name in found]

    async def deliveries(self, notifications: Sequence[Notification]) -> Mapping[str, Sequence[Delivery]]:
        names = [self._delivery_names(n) for n in notifications]
        found, of = await pages.first_groups(self._rpc, names)
        there = [[found[name] for name in group if name in found] for group in names[:of]]
        read = [list(records.readable(group, records.to_delivery)) for group in there]
        # What some of them tell of a notification may be wrong: without the others it is left out.
        return {
            n.id: group if len(group) == len(docs) else []
            for n, group, docs in zip(notifications, read, there, strict=False)
        }

    async def load(self, notification_id: str, channel: str) -> tuple[Notification, Delivery] | None:
        notification = records.notification_name(self._documents, notification_id)
        delivery = records.delivery_name(self._documents, notification_id, channel)
        found = await self._rpc.batch_get([notification, delivery])
        if len(found) < 2:
            return None
        return (
            records.read_one(found[notification], records.to_notification),
            records.read_one(found[delivery], records.to_delivery),
        )

    async def load_all(self, keys: Sequence[tuple[str, str]]) -> Sequence[tuple[Notification, Delivery]]:
        names = [records.delivery_name(self._documents, *key) for key in keys]
        of = {records.notification_name(self._documents, key[0]) for key in keys}
        found = await self._rpc.batch_get([*of, *names])
        read = records.readable([found[name] for name in of if name in found], records.to_notification)
        notifications = {notification.id: notification for notification in read}
        deliveries = records.readable([found[name] for name in names if name in found], records.to_delivery)
        return [(notifications[d.notification_id], d) for d in deliveries if d.notification_id in notifications]

    async def attachments(self, notification_id: str, channel: str, count: int) -> Sequence[Attachment]:
        names = [records.attachment_name(self._documents, notification_id, channel, i) for i in range(count)]
        found = await self._rpc.batch_get(names)
        return [records.read_one(found[name], records.to_attachment) for name in names if name in found]

    async def update(self, delivery: Delivery) -> int:
        return await self._rpc.write(self._update(delivery))

    async def update_all(self, deliveries: Sequence[Delivery]) -> Sequence[int | None]:
        return await self._rpc.batch_write([self._update(d) for d in deliveries]) if deliveries else []

    async def overdue(
        self, shard: int | None, now: datetime, limit: int, channels: Sequence[str] | None = None
    ) -> Sequence[Delivery]:
        of_channels = [] if channels is None else [queries.any_of("channel", list(channels))]
        query = queries.select(
            "deliveries",
            group=True,
            filters=[*queries.given(shard=shard), *of_channels, queries.before("due_at", now)],
            order="due_at",
            fields=records.WITHOUT_CONTENT,
        )
        return await pages.first_readable(self._rpc, query, limit, records.to_delivery)

    async def untold(self, shard: int | None, now: datetime, limit: int) -> Sequence[Delivery]:
        query = queries.select(
            "deliveries",
            group=True,
            filters=[*queries.given(shard=shard), queries.before("tell_at", now)],
            order="tell_at",
            fields=records.WITHOUT_CONTENT,
        )
        return await pages.first_readable(self._rpc, query, limit, records.to_delivery)

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
        if search.message_id is not None:
            return await self._notifications_sent_as(search.message_id, search.channels, caller, limit, after)
        given = queries.given(caller=caller, recipient=recipient, status=status, address_hash=search.address)
        filters = [queries.any_shard(), *given, *_accepted(search)]
        if status is not None or search.address is not None:
            return await self._notifications_with(filters, limit, after)
        if search.word is not None:
            filters.append(queries.contains("found_by", search.word))
        cursor = [] if after is None else self._cursor(after.at, f"notifications/{after.id}")
        query = queries.select(
            "notifications",
            filters=filters,
            order="created_at",
            descending=True,
            after=cursor,
        )
        found, more = await pages.first(self._rpc, query, limit)
        items = list(records.readable(found, records.to_notification))
        return Page(items, self._position(found[-1], "created_at") if more else None)

    async def _notifications_with(
        self, filters: Sequence[Any], limit: int, after: Position | None
    ) -> Page[Notification, Position]:
        """Finds deliveries, several of which may be of one notification: asks on until enough of these are known."""
        created: dict[str, datetime] = {}
        more = True
        while more and len(created) <= limit:
            query = queries.select(
                "deliveries",
                group=True,
                filters=filters,
                order="created_at",
                descending=True,
                after=[] if after is None else self._delivery_cursor(after),
            )
            documents, more = await pages.first(self._rpc, query, limit + 1)
            batch = list(records.readable(documents, records.to_delivery))
            created |= {d.notification_id: d.created_at for d in batch}
            if len(documents) <= limit and (created or not more):  # the last, or so many bytes
                break
            last = self._position(documents[-1], "created_at")
            after = Position(last.at, last.id.partition("/")[0])
        return await self._page_of(created, limit, more=more)

    async def _notifications_sent_as(
        self, message_id: str, channels: Sequence[str], caller: str | None, limit: int, after: Position | None
    ) -> Page[Notification, Position]:
        """By an index that has no order: they are few, and put into theirs here."""
        query = queries.select(
            "deliveries",
            group=True,
            filters=[queries.any_of("channel", channels), *queries.given(provider_message_id=message_id)],
            fields=records.WITHOUT_CONTENT,
            limit=MOST_SENT_AS,
        )
        found = records.readable(await self._rpc.run_query(query), records.to_delivery)
        there = {(d.created_at, d.notification_id) for d in found if caller in {None, d.caller}}
        left = sorted((at for at in there if after is None or at < (after.at, after.id)), reverse=True)
        return await self._page_of({i: at for at, i in left}, limit, more=False)

    async def _page_of(
        self, created: Mapping[str, datetime], limit: int, *, more: bool
    ) -> Page[Notification, Position]:
        """created: by id, in their order, when each was; more: there are others behind them"""
        ids = list(created)[:limit]
        names = [records.notification_name(self._documents, i) for i in ids]
        found, of = await pages.first_groups(self._rpc, [[name] for name in names])
        there = [found[name] for name in names[:of] if name in found]
        items = list(records.readable(there, records.to_notification))
        return Page(items, Position(created[ids[of - 1]], ids[of - 1]) if more or len(created) > of else None)

    async def in_status(
        self, *, caller: str | None, status: DeliveryStatus, limit: int, after: Position | None
    ) -> Page[Delivery, Position]:
        query = queries.select(
            "deliveries",
            group=True,
            filters=[queries.any_shard(), *queries.given(caller=caller, status=status)],
            fields=records.WITHOUT_CONTENT,
            order="created_at",
            descending=True,
            limit=limit + 1,
            after=[] if after is None else self._cursor(after.at, f"notifications/{after.id}"),
        )
        docs = await self._rpc.run_query(query)
        items = list(records.readable(docs[:limit], records.to_delivery))
        return Page(items, self._position(docs[limit - 1], "created_at") if len(docs) > limit else None)

    async def dead(
        self, *, caller: str | None, channel: str | None, limit: int, after: Position | None
    ) -> Page[Delivery, Position]:
        filters = [queries.any_shard(), *queries.given(status=DeliveryStatus.DEAD, caller=caller, channel=channel)]
        query = queries.select(
            "deliveries",
            group=True,
            filters=filters,
            order="dead_at",
            descending=True,
            after=[] if after is None else self._cursor(after.at, f"notifications/{after.id}"),
        )
        found, more = await pages.first(self._rpc, query, limit)
        items = list(records.readable(found, records.to_delivery))
        return Page(items, self._position(found[-1], "dead_at") if more else None)

    async def sent_twice(
        self, *, caller: str | None, start: datetime, end: datetime | None, limit: int, after: Position | None
    ) -> Page[Delivery, Position]:
        filters = [queries.any_shard(), *queries.given(caller=caller), queries.from_on("twice_at", start)]
        query = queries.select(
            "deliveries",
            group=True,
            filters=filters if end is None else [*filters, queries.before("twice_at", end)],
            order="twice_at",
            descending=True,
            after=[] if after is None else self._cursor(after.at, f"notifications/{after.id}"),
            fields=records.WITHOUT_CONTENT,
        )
        found, more = await pages.first(self._rpc, query, limit)
        items = list(records.readable(found, records.to_delivery))
        return Page(items, self._position(found[-1], "twice_at") if more else None)

    async def recipient(self, name: str) -> Recipient | None:
        path = self._recipient_name(name)
        found = await self._rpc.batch_get([path])
        return records.read_one(found[path], records.to_recipient) if path in found else None

    async def recipients_of(self, names: Sequence[str]) -> Mapping[str, Recipient]:
        found = await self._rpc.batch_get([self._recipient_name(name) for name in names])
        return {r.name: r for r in records.readable(found.values(), records.to_recipient)}

    async def create_recipient(self, recipient: Recipient) -> None:
        await self._rpc.commit(
            [writes.create(self._recipient_name(recipient.name), records.recipient_values(recipient))]
        )

    async def replace_recipient(self, recipient: Recipient) -> None:
        values = records.recipient_values(recipient)
        del values["created_at"]
        expected = _as_read(recipient.version)
        await self._rpc.commit([writes.change(self._recipient_name(recipient.name), values, expected)])

    async def delete_recipient(self, name: str, version: int | None = None) -> None:
        await self._rpc.commit([Write(delete=self._recipient_name(name), current_document=_as_read(version))])

    async def recipients(self, *, limit: int, after: str | None, prefix: str = "") -> Page[Recipient, str]:
        query = queries.select("recipients", after=[] if after is None else [self._recipient(after)])
        query = queries.beginning_with(query, f"{self._documents}/recipients", prefix)
        found, more = await pages.first(self._rpc, query, limit)
        items = list(records.readable(found, records.to_recipient))
        return Page(items, records.document_id(found[-1]) if more else None)

    async def sent_as(self, channel: str, provider_message_id: str) -> Delivery | None:
        query = queries.select(
            "deliveries",
            group=True,
            filters=queries.given(channel=channel, provider_message_id=provider_message_id),
            limit=1,
        )
        found = await self._rpc.run_query(query)
        return records.read_one(found[0], records.to_delivery) if found else None

    async def take_message(self, delivery: Delivery, provider_message_id: str) -> bool:
        known_as = hashlib.sha256(f"{delivery.channel} {provider_message_id}".encode()).hexdigest()
        name = f"{self._documents}/found_messages/{known_as}"
        values = {"notification_id": delivery.notification_id, "expire_at": delivery.expire_at}
        try:
            await self._rpc.commit([writes.create(name, values)])
        except (AlreadyExists, Conflict):
            found = (await self._rpc.batch_get([name])).get(name)
            return found is not None and decode(found.fields["notification_id"]) == delivery.notification_id
        return True

    def _by_name(self, docs: Sequence[Any], limit: int) -> Page[Delivery, str]:
        last = docs[-1].name.removeprefix(f"{self._documents}/notifications/") if len(docs) == limit else None
        return Page(list(records.readable(docs, records.to_delivery)), last)

    def _recipient(self, name: str) -> Any:
        return queries.reference(self._recipient_name(name))

    def _recipient_name(self, name: str) -> str:
        return records.recipient_name(self._documents, name)

    def _delivery_names(self, n: Notification) -> list[str]:
        return [records.delivery_name(self._documents, n.id, channel) for channel in n.channels]

    def _attachment_names(self, d: Delivery) -> list[str]:
        return [records.attachment_name(self._documents, d.notification_id, d.channel, i) for i in range(d.attachments)]

    def _delivery_name(self, d: Delivery) -> str:
        return records.delivery_name(self._documents, d.notification_id, d.channel)

    def _creations(self, n: Notification, deliveries: Sequence[Delivery]) -> list[Any]:
        name = records.notification_name(self._documents, n.id)
        return [
            writes.create(name, records.notification_values(n)),
            *(
                writes.create(self._delivery_name(d), records.fixed_values(d) | records.state_values(d))
                for d in deliveries
            ),
        ]

    async def _commit(self, all_of_it: Sequence[Any]) -> int:
        """The version of the last record; a delivery's comes last."""
        response = await self._rpc.commit(all_of_it)
        return to_version(response.write_results[-1].update_time)

    def _update(self, d: Delivery) -> Any:
        return writes.change(self._delivery_name(d), records.state_values(d), writes.at_version(d.version))

    def _position(self, last: Any, order: str) -> Position:
        """Of the last Document of a page, whether or not it can be read."""
        path = last.name.removeprefix(f"{self._documents}/notifications/")
        return Position(decode(last.fields[order]), path)

    def _cursor(self, at: datetime, path: str) -> list[Any]:
        return [encode(at), queries.reference(f"{self._documents}/{path}")]

    def _delivery_cursor(self, after: Position) -> list[Any]:
        return self._cursor(after.at, f"notifications/{after.id}/deliveries/{_BEFORE_ANY_CHANNEL}")


def _as_read(version: int | None) -> Any:
    return writes.PRESENT if version is None else writes.at_version(version)


def _accepted(search: Search) -> Sequence[Any]:
    """When it was."""
    from_on = [] if search.start is None else [queries.from_on("created_at", search.start)]
    return from_on if search.end is None else [*from_on, queries.before("created_at", search.end)]
