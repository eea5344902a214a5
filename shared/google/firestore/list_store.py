"""Lists of recipients on Firestore.

lists/{name}
lists/{id}/members/{recipient}    by the list's id: a later list of the same name has none of them
"""

from collections.abc import Mapping, Sequence
from typing import Any

from shared.delivery.errors import UnreadableRecord
from shared.delivery.store import Page
from shared.google.firestore import pages, queries, writes
from shared.google.firestore.records import (
    document_id,
    known_values,
    read_one,
    readable,
    recipient_name,
    to_recipient,
)
from shared.google.firestore.rpc import Rpc, Write, to_version
from shared.people.lists import Member, RecipientList, Span

_AT_ONCE = 100  # lists of a read


class FirestoreLists:
    """See `shared.people.lists.ListStore`."""

    def __init__(self, rpc: Rpc) -> None:
        self._rpc = rpc

    async def recipient_list(self, name: str) -> RecipientList | None:
        path = self._list(name)
        found = await self._rpc.batch_get([path])
        return read_one(found[path], _to_list) if path in found else None

    async def put_list(self, wanted: RecipientList) -> None:
        await self._rpc.commit([writes.put(self._list(wanted.name), _list_values(wanted), wanted.version)])

    async def delete_list(self, there: RecipientList) -> None:
        name, at = self._list(there.name), writes.at_version(there.version)
        await self._rpc.commit([Write(delete=name, current_document=at)])

    async def lists(self, *, limit: int, after: str | None, prefix: str = "") -> Page[RecipientList, str]:
        query = queries.select("lists", after=[] if after is None else [queries.reference(self._list(after))])
        query = queries.beginning_with(query, f"{self._rpc.documents}/lists", prefix)
        found, more = await pages.first(self._rpc, query, limit)
        return Page(list(readable(found, _to_list)), document_id(found[-1]) if more else None)

    async def candidates(self, list_id: str, names: Sequence[str]) -> tuple[frozenset[str], Mapping[str, Member]]:
        recipients = {recipient_name(self._rpc.documents, name): name for name in names}
        members = {self._member(list_id, name): name for name in names}
        found = await self._rpc.batch_get([*recipients, *members])
        there = frozenset(name for path, name in recipients.items() if path in found and _is_there(found[path]))
        return there, {name: read_one(found[path], _to_member) for path, name in members.items() if path in found}

    async def put_members(self, list_id: str, members: Sequence[Member]) -> Sequence[bool]:
        if not members:
            return []
        each = [writes.put(self._member(list_id, m.recipient), _member_values(m), m.version) for m in members]
        return [version is not None for version in await self._rpc.batch_write(each)]

    async def forget(self, recipient: str) -> None:
        after: str | None = None
        while True:
            page = await self.lists(limit=_AT_ONCE, after=after)
            names = [self._member(each.id, recipient) for each in page.items]
            found = await self._rpc.batch_get(names) if names else {}
            if found:
                # Without a precondition: whatever another has made of it meanwhile goes, too.
                await self._rpc.batch_write([Write(delete=name) for name in found])
            if page.next is None:
                return
            after = page.next

    async def members(self, list_id: str, *, limit: int, after: str | None, prefix: str = "") -> Page[Member, str]:
        parent = self._list(list_id)
        cursor = [] if after is None else [queries.reference(self._member(list_id, after))]
        query = queries.beginning_with(queries.select("members", after=cursor), f"{parent}/members", prefix)
        found, more = await pages.first(self._rpc, query, limit, parent)
        return Page(list(readable(found, _to_member)), document_id(found[-1]) if more else None)

    def _list(self, name: str) -> str:
        return f"{self._rpc.documents}/lists/{name}"

    def _member(self, list_id: str, recipient: str) -> str:
        return f"{self._list(list_id)}/members/{recipient}"


def _is_there(recipient: Any) -> bool:
    try:
        return read_one(recipient, to_recipient).erased_at is None
    except UnreadableRecord:
        return True


def _list_values(wanted: RecipientList) -> Mapping[str, Any]:
    return {
        "id": wanted.id,
        "description": wanted.description,
        "created_at": wanted.created_at,
        "updated_at": wanted.updated_at,
    }


def _to_list(doc: Any) -> RecipientList:
    values = known_values(doc, RecipientList)
    return RecipientList(name=document_id(doc), **values, version=to_version(doc.update_time))


def _member_values(member: Member) -> Mapping[str, Any]:
    spans = [{"start": span.start, "end": span.end} for span in member.spans]
    return {"spans": spans, "expire_at": member.expire_at}


def _to_member(doc: Any) -> Member:
    values = known_values(doc, Member)
    spans = tuple(Span(span["start"], span["end"]) for span in values["spans"])
    return Member(document_id(doc), spans, values.get("expire_at"), to_version(doc.update_time))
