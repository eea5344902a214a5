"""Operations on Firestore: operations/{id}. There are few at a time."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

from shared.delivery.store import Page, Position
from shared.google.firestore import pages, queries, writes
from shared.google.firestore.records import document_id, known_values, read_one, readable
from shared.google.firestore.rpc import Rpc, to_version
from shared.google.firestore.value_encoding import decode, encode
from shared.sending.operations import Operation, OperationState

_FIELDS = tuple(f.name for f in fields(Operation) if f.name not in {"id", "version"})


class FirestoreOperations:
    """See `shared.sending.operations.OperationStore`."""

    def __init__(self, rpc: Rpc) -> None:
        self._rpc = rpc

    async def create(self, operation: Operation) -> int:
        response = await self._rpc.commit([writes.create(self._name(operation.id), _values(operation))])
        return to_version(response.write_results[-1].update_time)

    async def read(self, operation_id: str) -> Operation | None:
        name = self._name(operation_id)
        found = await self._rpc.batch_get([name])
        return read_one(found[name], _operation) if name in found else None

    async def update(self, operation: Operation) -> int:
        at = writes.at_version(operation.version)
        return await self._rpc.write(writes.change(self._name(operation.id), _values(operation), at))

    async def due(self, now: datetime, limit: int, kinds: Collection[str]) -> Sequence[Operation]:
        def known(doc: Any) -> Operation:
            operation = _operation(doc)
            if operation.kind not in kinds:  # a newer version's: it is left out like one that cannot be read
                raise LookupError(operation.kind)
            return operation

        running = queries.equal("state", str(OperationState.RUNNING))
        query = queries.select("operations", filters=[running, queries.before("due_at", now)], order="due_at")
        return await pages.first_readable(self._rpc, query, limit, known)

    async def operations(self, *, caller: str | None, limit: int, after: Position | None) -> Page[Operation, Position]:
        query = queries.select(
            "operations",
            filters=[*queries.given(caller=caller), queries.any_of("state", sorted(OperationState))],
            order="created_at",
            descending=True,
            after=[] if after is None else [encode(after.at), queries.reference(self._name(after.id))],
        )
        found, more = await pages.first(self._rpc, query, limit)
        items = list(readable(found, _operation))
        if not more:
            return Page(items)
        last = found[-1]
        return Page(items, Position(decode(last.fields["created_at"]), document_id(last)))

    def _name(self, operation_id: str) -> str:
        return f"{self._rpc.documents}/operations/{operation_id}"


def _values(o: Operation) -> Mapping[str, Any]:
    return {name: getattr(o, name) for name in _FIELDS} | {"state": str(o.state)}


def _operation(doc: Any) -> Operation:
    values = known_values(doc, Operation)
    values["state"] = OperationState(values["state"])
    if "about" not in values:  # written before there was a kind but the recall
        values["about"] = {"template": decode(doc.fields["template"])}
    known = {"due_at": None, **values, "id": document_id(doc)}
    return Operation(**known, version=to_version(doc.update_time))
