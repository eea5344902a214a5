"""The callers' records, and how much each has used.

callers/{id}        one caller; written by /v1/callers
uses/{id}           its last use, in a record of its own: a use is no conflict for whoever changes the caller
usage/{id}-{day}    what it has used on one day (UTC), added up by every gateway (`caller_quotas.py`)
usage/{key}-{hour}  how many messages went to one address in one hour, likewise (`address_quotas.py`)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, Protocol

from functions.gateway.access.caller import Caller, CallerKind, Key, Scope
from shared.delivery.store import Page
from shared.google.firestore import pages, queries, writes
from shared.google.firestore.records import document, document_id, known_values, read_one, readable
from shared.google.firestore.rpc import DocumentMask, FieldTransform, Rpc, Write, to_version
from shared.google.firestore.value_encoding import decode, encode

_USAGE_DAYS = 40  # how long a day's usage is kept, by TTL


@dataclass(frozen=True, slots=True)
class Usage:
    """Of one caller: requests in the minute of `at`, notifications and segments on its day."""

    caller: str
    at: datetime
    requests: int
    notifications: int
    segments: int = 0


class CallerStore(Protocol):
    """Any method may raise StoreUnavailable; a write may have landed all the same."""

    async def create(self, caller: Caller, by: Caller | None = None) -> None:
        """Raises AlreadyExists; Conflict when the record of `by`, who makes it, has not `by.version` any more."""
        ...

    async def read(self, ids: Sequence[str]) -> Mapping[str, Caller]:
        """Those that exist. Raises UnreadableRecord when one of them cannot be read."""
        ...

    async def look_up(self, ids: Sequence[str]) -> Mapping[str, Caller]:
        """Those that exist and can be read: for what is said beside others' records."""
        ...

    async def replace(self, caller: Caller, by: Caller | None = None) -> None:
        """Raises Conflict when the record has not `caller.version` any more, or that of `by` not `by.version`."""
        ...

    async def replace_all(self, callers: Sequence[Caller]) -> Sequence[bool]:
        """`replace` for many at once, each for itself: whether it was written. At most 500."""
        ...

    async def callers(self, *, limit: int, after: str | None) -> Page[Caller, str]:
        """By id; a page has fewer where a record cannot be read."""
        ...

    async def last_uses(self, ids: Sequence[str]) -> Mapping[str, datetime]:
        """Of those that have been used; up to a minute behind."""
        ...

    async def add(self, usage: Usage) -> Usage:
        """Add to what the caller has used, and note its last use. Returns the new totals."""
        ...

    async def add_messages(self, key: str, hour: datetime, count: int) -> int:
        """Add to the messages of this hour to the address that the key stands for. Returns the new total."""
        ...


class FirestoreCallers:
    """See CallerStore."""

    def __init__(self, rpc: Rpc) -> None:
        """rpc: to the callers' database (CALLERS_DATABASE)"""
        self._rpc = rpc

    async def create(self, caller: Caller, by: Caller | None = None) -> None:
        await self._rpc.commit([writes.create(self._name(caller.id), _values(caller)), *self._unchanged(caller, by)])

    async def read(self, ids: Sequence[str]) -> Mapping[str, Caller]:
        found = await self._rpc.batch_get([self._name(i) for i in ids])
        return {caller.id: caller for caller in (read_one(doc, _caller) for doc in found.values())}

    async def look_up(self, ids: Sequence[str]) -> Mapping[str, Caller]:
        found = await self._rpc.batch_get([self._name(i) for i in ids])
        return {caller.id: caller for caller in readable(found.values(), _caller)}

    async def replace(self, caller: Caller, by: Caller | None = None) -> None:
        await self._rpc.commit([self._change(caller), *self._unchanged(caller, by)])

    async def replace_all(self, callers: Sequence[Caller]) -> Sequence[bool]:
        written = await self._rpc.batch_write([self._change(caller) for caller in callers]) if callers else []
        return [version is not None for version in written]

    async def callers(self, *, limit: int, after: str | None) -> Page[Caller, str]:
        cursor = [] if after is None else [queries.reference(self._name(after))]
        found, more = await pages.first(self._rpc, queries.select("callers", after=cursor), limit)
        return Page(list(readable(found, _caller)), document_id(found[-1]) if more else None)

    async def last_uses(self, ids: Sequence[str]) -> Mapping[str, datetime]:
        found = await self._rpc.batch_get([self._use_name(i) for i in ids]) if ids else {}
        return dict(readable(found.values(), _use))

    async def add(self, usage: Usage) -> Usage:
        day = {"caller": usage.caller, "expire_at": usage.at + timedelta(days=_USAGE_DAYS)}
        name = f"{self._rpc.documents}/usage/{usage.caller}-{usage.at:%Y%m%d}"
        response = await self._rpc.commit(
            [
                Write(
                    update=document(name, day),
                    update_mask=DocumentMask(field_paths=list(day)),
                    # Added up by Firestore: two gateways that write at once lose nothing.
                    update_transforms=[
                        FieldTransform(field_path=f"requests.m{usage.at:%H%M}", increment=encode(usage.requests)),
                        FieldTransform(field_path="notifications", increment=encode(usage.notifications)),
                        FieldTransform(field_path="segments", increment=encode(usage.segments)),
                    ],
                ),
                Write(update=document(self._use_name(usage.caller), {"at": usage.at})),
            ]
        )
        return Usage(usage.caller, usage.at, *map(decode, response.write_results[0].transform_results))

    async def add_messages(self, key: str, hour: datetime, count: int) -> int:
        values = {"expire_at": hour + timedelta(hours=1)}
        name = f"{self._rpc.documents}/usage/{key}-{hour:%Y%m%d%H}"
        write = Write(
            update=document(name, values),
            update_mask=DocumentMask(field_paths=list(values)),
            update_transforms=[FieldTransform(field_path="messages", increment=encode(count))],
        )
        response = await self._rpc.commit([write])
        total: int = decode(response.write_results[0].transform_results[0])
        return total

    def _change(self, caller: Caller) -> Any:
        return writes.change(self._name(caller.id), _values(caller), writes.at_version(caller.version))

    def _unchanged(self, caller: Caller, by: Caller | None) -> Sequence[Any]:
        """A write that says again what is on record of `by`: the others land only if that is as it was read."""
        if by is None or by.id == caller.id:
            return []
        return [writes.change(self._name(by.id), {"kind": str(by.kind)}, writes.at_version(by.version))]

    def _name(self, caller_id: str) -> str:
        return f"{self._rpc.documents}/callers/{caller_id}"

    def _use_name(self, caller_id: str) -> str:
        return f"{self._rpc.documents}/uses/{caller_id}"


def _use(doc: Any) -> tuple[str, datetime]:
    at = decode(doc.fields["at"])
    if not isinstance(at, datetime):
        raise TypeError("at")
    return document_id(doc), at


def _values(caller: Caller) -> dict[str, Any]:
    values = {f.name: getattr(caller, f.name) for f in fields(caller) if f.name not in {"id", "version"}}
    return values | {
        "kind": str(caller.kind),
        "scopes": sorted(map(str, caller.scopes)),
        "channels": None if caller.channels is None else sorted(caller.channels),
        "keys": [{f.name: getattr(key, f.name) for f in fields(key)} for key in caller.keys],
    }


def _caller(doc: Any) -> Caller:
    values = known_values(doc, Caller)
    scopes = frozenset(Scope(scope) for scope in values["scopes"] if scope in set(Scope))  # a newer one grants nothing
    channels = None if values.get("channels") is None else frozenset(values["channels"])
    recipients = None if values.get("recipients") is None else tuple(values["recipients"])
    changed = {
        "kind": CallerKind(values["kind"]),
        "scopes": scopes,
        "channels": channels,
        "recipients": recipients,
        "addresses": {channel: tuple(many) for channel, many in values.get("addresses", {}).items()},
        "keys": tuple(Key(**key) for key in values.get("keys", ())),
    }
    return Caller(**{**values, **changed}, id=document_id(doc), version=to_version(doc.update_time))
