"""The audit log's records.

audit/{chain}-{number}   one entry; written once, by precondition, and never changed

They are with the callers, where only what accepts notifications may write: a channel function that is taken over makes
itself no key, and takes no entry away.
"""

from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import datetime, timedelta
from typing import Any, Protocol

from functions.gateway.audit_trail.entry import AuditEntry, AuditResult, Head
from shared.delivery.store import Page, Position
from shared.google.firestore import pages, queries, writes
from shared.google.firestore.records import document_id, known_values, read_one, readable
from shared.google.firestore.rpc import Rpc
from shared.google.firestore.value_encoding import decode, encode

_ANY = "any"


class AuditStore(Protocol):
    """Any method may raise StoreUnavailable; a write may have landed all the same."""

    async def append(self, entries: Sequence[AuditEntry]) -> None:
        """All of them or none. Raises AlreadyExists when there is an entry at one of these places of the chain."""
        ...

    async def read(self, entry_id: str) -> AuditEntry | None:
        """Raises UnreadableRecord."""
        ...

    async def entries(
        self,
        *,
        limit: int,
        actor: str | None = None,
        action: str | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        after: Position | None = None,
    ) -> Page[AuditEntry, Position]:
        """Newest first: those of this actor and with this action, at `start` or later and before `end`."""
        ...


class FirestoreAudit:
    """See AuditStore."""

    def __init__(self, rpc: Rpc, kept: timedelta) -> None:
        """rpc: to the callers' database (CALLERS_DATABASE); kept: for how long an entry is, by TTL"""
        self._rpc = rpc
        self._kept = kept

    async def append(self, entries: Sequence[AuditEntry]) -> None:
        await self._rpc.commit([writes.create(self._name(e.id), entry_values(e, self._kept)) for e in entries])

    async def read(self, entry_id: str) -> AuditEntry | None:
        name = self._name(entry_id)
        found = await self._rpc.batch_get([name])
        return read_one(found[name], _entry) if name in found else None

    async def entries(
        self,
        *,
        limit: int,
        actor: str | None = None,
        action: str | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        after: Position | None = None,
    ) -> Page[AuditEntry, Position]:
        filters = [queries.contains("found_by", found_by(actor, action))]
        filters += [] if start is None else [queries.from_on("created_at", start)]
        filters += [] if end is None else [queries.before("created_at", end)]
        query = queries.select(
            "audit",
            filters=filters,
            order="created_at",
            descending=True,
            after=[] if after is None else [encode(after.at), queries.reference(self._name(after.id))],
        )
        found, more = await pages.first(self._rpc, query, limit)
        following = Position(decode(found[-1].fields["created_at"]), document_id(found[-1])) if more else None
        return Page(list(readable(found, _entry)), following)

    def _name(self, entry_id: str) -> str:
        return f"{self._rpc.documents}/audit/{entry_id}"


def found_by(actor: str | None, action: str | None) -> str:
    """The word of an entry by which a listing with these filters finds it: one index serves each combination."""
    return f"{actor or _ANY} {action or _ANY}"


def entry_values(entry: AuditEntry, kept: timedelta) -> dict[str, Any]:
    values = {f.name: getattr(entry, f.name) for f in fields(entry) if f.name != "at"}
    words = {found_by(actor, action) for actor in (None, entry.actor) for action in (None, entry.action)}
    return values | {
        "created_at": entry.at,
        "result": str(entry.result),
        "follows": [asdict(head) for head in entry.follows] or None,
        "found_by": sorted(words),
        "expire_at": entry.at + kept,
    }


def _entry(doc: Any) -> AuditEntry:
    values: dict[str, Any] = known_values(doc, AuditEntry)
    at = decode(doc.fields["created_at"])
    if not isinstance(at, datetime):
        raise TypeError("created_at")
    follows: Sequence[Head] = [Head(**head) for head in values.get("follows", ())]
    return AuditEntry(**{**values, "at": at, "result": AuditResult(values["result"]), "follows": tuple(follows)})
