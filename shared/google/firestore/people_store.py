"""People's records on Firestore.

recipients/{name}       see `records.py`
categories/{name}
suppressions/{channel}.{hash}  by the keyed hash of channel and address
frequencies/{hash}      what a person has had of a category on a day
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from shared.delivery.model import CategoryClass, Delivery, SuppressionReason
from shared.delivery.store import Page
from shared.google.firestore import pages, queries, writes
from shared.google.firestore.records import (
    category_name,
    document_id,
    known_values,
    read_one,
    readable,
    recipient_name,
    to_recipient,
)
from shared.google.firestore.rpc import Rpc, Write, to_version
from shared.google.rpc_batching import Batches
from shared.people.category import Category
from shared.people.frequency import DaysNotifications
from shared.people.permission import Person
from shared.people.suppression import AddressHash, Entry, Suppression, SuppressionClass, suppression_key

_AT_ONCE = 100  # documents of a read


class FirestorePeople:
    """See `shared.people.people_store.PeopleStore`."""

    def __init__(self, rpc: Rpc, address_hash: AddressHash) -> None:
        self._rpc = rpc
        self.suppression_id = address_hash
        # Each claim asks: those of the same time share a read.
        self._reads: Batches[str, Any] = Batches(self._read, most=_AT_ONCE, most_bytes=_AT_ONCE, size=lambda _: 1)

    async def _read(self, names: Sequence[str]) -> Sequence[Any]:
        found = await self._rpc.batch_get(list(dict.fromkeys(names)))
        return [found.get(name) for name in names]

    async def person(self, delivery: Delivery) -> Person:
        documents = self._rpc.documents
        address = self.suppression_id(delivery.channel, delivery.address)
        names = [self._suppression(suppression_key(delivery.channel, address))]
        if delivery.category is None:
            (suppression,) = await self._reads.send(names)
            return Person(None if suppression is None else read_one(suppression, _to_suppression))
        names.append(category_name(documents, delivery.category))
        if delivery.recipient is not None:
            names.append(recipient_name(documents, delivery.recipient))
        suppression, category, *recipients = await self._reads.send(names)
        recipient = next((doc for doc in recipients if doc is not None), None)
        return Person(
            None if suppression is None else read_one(suppression, _to_suppression),
            None if recipient is None else read_one(recipient, to_recipient),
            None if category is None else read_one(category, _to_category),
        )

    async def days_notifications(self, frequency_id: str) -> DaysNotifications:
        (found,) = await self._reads.send([self._frequency(frequency_id)])
        return DaysNotifications(frequency_id) if found is None else read_one(found, _to_day)

    async def count(self, day: DaysNotifications, expire_at: datetime) -> None:
        values = {"notifications": day.notifications, "expire_at": expire_at}
        await self._rpc.commit([writes.put(self._frequency(day.id), values, day.version)])

    async def suppression(self, channel: str, suppression_id: str) -> Suppression | None:
        name = self._suppression(suppression_key(channel, suppression_id))
        found = await self._rpc.batch_get([name])
        return read_one(found[name], _to_suppression) if name in found else None

    async def put_suppression(self, suppression: Suppression) -> None:
        name = self._suppression(suppression.key)
        if suppression.entries:
            write = writes.put(name, _suppression_values(suppression), suppression.version)
        elif suppression.version is not None:
            write = Write(delete=name, current_document=writes.at_version(suppression.version))
        else:
            return
        await self._rpc.commit([write])

    async def suppressions(self, *, channel: str | None, limit: int, after: str | None) -> Page[Suppression, str]:
        cursor = [] if after is None else [queries.reference(self._suppression(after))]
        query = queries.select("suppressions", after=cursor)
        if channel is not None:
            query = queries.beginning_with(query, f"{self._rpc.documents}/suppressions", suppression_key(channel, ""))
        found, more = await pages.first(self._rpc, query, limit)
        return Page(list(readable(found, _to_suppression)), document_id(found[-1]) if more else None)

    async def category(self, name: str) -> Category | None:
        path = category_name(self._rpc.documents, name)
        (found,) = await self._reads.send([path])
        return None if found is None else read_one(found, _to_category)

    async def put_category(self, category: Category) -> None:
        path = category_name(self._rpc.documents, category.name)
        await self._rpc.commit([writes.put(path, _category_values(category), category.version)])

    async def delete_category(self, name: str) -> None:
        path = category_name(self._rpc.documents, name)
        await self._rpc.commit([Write(delete=path, current_document=writes.PRESENT)])

    async def categories(self, *, limit: int, after: str | None) -> Page[Category, str]:
        cursor = [] if after is None else [queries.reference(category_name(self._rpc.documents, after))]
        found, more = await pages.first(self._rpc, queries.select("categories", after=cursor), limit)
        return Page(list(readable(found, _to_category)), document_id(found[-1]) if more else None)

    def _suppression(self, key: str) -> str:
        return f"{self._rpc.documents}/suppressions/{key}"

    def _frequency(self, frequency_id: str) -> str:
        return f"{self._rpc.documents}/frequencies/{frequency_id}"


def _suppression_values(s: Suppression) -> Mapping[str, Any]:
    entries = {
        str(reason): {
            "class_": str(e.class_),
            "at": e.at,
            "evidence": e.evidence,
            "categories": e.categories,
            "except_for": e.except_for,
        }
        for reason, e in s.entries.items()
    }
    return {"channel": s.channel, "entries": entries}


def _to_suppression(doc: Any) -> Suppression:
    values = known_values(doc, Suppression)
    entries = [_to_entry(SuppressionReason(reason), entry) for reason, entry in values["entries"].items()]
    by_reason = {entry.reason: entry for entry in entries}
    return Suppression(document_id(doc).partition(".")[2], values["channel"], by_reason, to_version(doc.update_time))


def _to_entry(reason: SuppressionReason, values: Mapping[str, Any]) -> Entry:
    return Entry(
        reason,
        SuppressionClass(values["class_"]),
        values["at"],
        values["evidence"],
        tuple(values["categories"]),
        tuple(values.get("except_for", ())),
    )


def _category_values(c: Category) -> Mapping[str, Any]:
    return {
        "class_": str(c.class_),
        "description": c.description,
        "max_per_day": c.max_per_day,
        "created_at": c.created_at,
        "updated_at": c.updated_at,
        "updated_by": c.updated_by,
    }


def _to_category(doc: Any) -> Category:
    values = known_values(doc, Category)
    values["class_"] = CategoryClass(values["class_"])
    return Category(name=document_id(doc), **values, version=to_version(doc.update_time))


def _to_day(doc: Any) -> DaysNotifications:
    values = known_values(doc, DaysNotifications)
    return DaysNotifications(document_id(doc), tuple(values["notifications"]), to_version(doc.update_time))
