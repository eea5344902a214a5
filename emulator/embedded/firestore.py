"""Firestore in memory, by gRPC: the five RPCs that Hark makes, with the rules that it relies on.

Reference: googleapis google/firestore/v1/{firestore,write}.proto. Where Firestore and its emulator differ, it is like
the emulator: it needs no indexes. It forgets everything with the process.

`python -m emulator.embedded.firestore PORT` is one in a process of its own, for FIRESTORE_EMULATOR_HOST.
"""

import asyncio
import itertools
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio

from emulator.config import HOST
from emulator.embedded import queries
from shared.google.firestore.rpc import (
    BatchGetDocumentsRequest,
    BatchGetDocumentsResponse,
    BatchWriteRequest,
    BatchWriteResponse,
    CommitRequest,
    CommitResponse,
    Document,
    RunAggregationQueryRequest,
    RunAggregationQueryResponse,
    RunQueryRequest,
    RunQueryResponse,
    Value,
)

LARGEST = 1024 * 1024  # bytes of a document: https://firebase.google.com/docs/firestore/quotas


@asynccontextmanager
async def serving(port: int = 0) -> AsyncIterator[str]:
    """A Firestore of its own at host:port; 0 lets the system choose."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((FirestoreServer(Records()),))
    bound = server.add_insecure_port(f"{HOST}:{port}")
    await server.start()
    try:
        yield f"{HOST}:{bound}"
    finally:
        await server.stop(None)


class Refused(Exception):
    """A write that is not made."""

    def __init__(self, code: grpc.StatusCode, why: str) -> None:
        super().__init__(why)
        self.code = code


class Records:
    """All documents, by database and collection id. One of each name; a write replaces it by another object."""

    def __init__(self, clock: Callable[[], int] = time.time_ns) -> None:
        self._clock = clock
        self._collections: dict[tuple[str, str], dict[str, Any]] = {}
        self._indexes: dict[tuple[str, str], dict[tuple[str, ...], queries.Index]] = {}  # those that were asked for
        self._last = 0

    def now(self) -> int:
        """ns since the epoch, of a whole µs as Firestore's, and later than any before: it is a version."""
        self._last = max(self._clock() // 1000 * 1000, self._last + 1000)
        return self._last

    def get(self, name: str) -> Any | None:
        return self._collection(name).get(name)

    def found(self, parent: str, query: Any) -> list[Any]:
        """What a query under `parent` (a document, or the root of all) finds. Raises Unsupported."""
        limit = query.limit.value if query.HasField("limit") else None
        return [queries.selected(query, d) for d in itertools.islice(self._matching(parent, query), limit)]

    def count(self, parent: str, asked: Any) -> dict[str, int]:
        """Of a StructuredAggregationQuery what each of its counts finds, by its alias. Raises Unsupported."""
        if any(each.WhichOneof("operator") != "count" for each in asked.aggregations):
            raise queries.Unsupported("an aggregation that is no count")
        if asked.structured_query.HasField("limit"):
            raise queries.Unsupported("a limit of what is counted, but as up_to")
        most = {a.alias: a.count.up_to.value if a.count.HasField("up_to") else None for a in asked.aggregations}
        return {
            alias: sum(1 for _ in itertools.islice(self._matching(parent, asked.structured_query), up_to))
            for alias, up_to in most.items()
        }

    def _matching(self, parent: str, query: Any) -> Iterator[Any]:
        (source,) = query.from_
        under = f"{parent}/{source.collection_id}/"
        collection = (parent.partition("/documents")[0], source.collection_id)
        documents = self._collections.get(collection, {})
        paths, keep = queries.indexed_by(query), queries.matches(query)
        indexes = self._indexes.setdefault(collection, {})
        if paths not in indexes:
            indexes[paths] = queries.Index(paths, documents.values())
        there = (documents[name] for name in indexes[paths].found(query, "" if source.all_descendants else under))
        return (d for d in there if keep(d) and (source.all_descendants or _is_right_under(under, d.name)))

    def commit(self, writes: Sequence[Any]) -> tuple[int, list[list[Any]], list[int]]:
        """All of them, or Refused. The time, and for each write what its transforms gave and its document's version."""
        now = self.now()
        changed: dict[str, Any | None] = {}
        given, versions = [], []
        for write in writes:
            name = write.delete or write.update.name
            before = changed[name] if name in changed else self.get(name)
            _check(write, before)
            after, values = _applied(write, before, now)
            if after is not None and after.ByteSize() > LARGEST:
                raise Refused(grpc.StatusCode.INVALID_ARGUMENT, "the document is too large")
            changed[name] = after
            given.append(values)
            versions.append(now if after is None else after.update_time.ToNanoseconds())
        for name, document in changed.items():
            for index in self._indexes.get(_collection_of(name), {}).values():
                index.change(self.get(name), document)
            if document is None:
                self._collection(name).pop(name, None)
            else:
                self._collection(name)[name] = document
        return now, given, versions

    def _collection(self, name: str) -> dict[str, Any]:
        return self._collections.setdefault(_collection_of(name), {})


def _collection_of(name: str) -> tuple[str, str]:
    root, _, path = name.partition("/documents/")
    return root, path.split("/")[-2]


def _is_right_under(prefix: str, name: str) -> bool:
    return name.startswith(prefix) and "/" not in name[len(prefix) :]


def _check(write: Any, before: Any | None) -> None:
    """Whether the document is as the write expects it. Raises Refused."""
    match write.current_document.WhichOneof("condition_type"):
        case "exists" if write.current_document.exists and before is None:
            raise Refused(grpc.StatusCode.NOT_FOUND, "there is no such document")
        case "exists" if not write.current_document.exists and before is not None:
            raise Refused(grpc.StatusCode.ALREADY_EXISTS, "the document is there already")
        case "update_time" if before is None or before.update_time != write.current_document.update_time:
            raise Refused(grpc.StatusCode.FAILED_PRECONDITION, "the document has another version")


def _applied(write: Any, before: Any | None, now: int) -> tuple[Any | None, list[Any]]:
    """The document after it, and what its transforms gave."""
    if write.delete:
        return None, []
    after = Document(name=write.update.name)
    if write.HasField("update_mask"):
        if before is not None:
            after.CopyFrom(before)
        for path in write.update_mask.field_paths:
            _set(after.fields, queries.path_of(path), queries.field(write.update, path))
    else:
        after.MergeFrom(write.update)
    given = [_transformed(after, transform) for transform in write.update_transforms]
    after.create_time.FromNanoseconds(now if before is None else before.create_time.ToNanoseconds())
    after.update_time.FromNanoseconds(now)
    if before is not None and before.fields == after.fields:
        return before, given  # a write that changes nothing makes no version
    return after, given


def _transformed(document: Any, transform: Any) -> Any:
    kind = transform.WhichOneof("transform_type")
    if kind != "increment" or not transform.increment.HasField("integer_value"):
        raise Refused(grpc.StatusCode.UNIMPLEMENTED, f"the transform {kind} is not there, but an increment by integers")
    before = queries.field(document, transform.field_path)
    total = Value(integer_value=(before.integer_value if before is not None else 0) + transform.increment.integer_value)
    _set(document.fields, queries.path_of(transform.field_path), total)
    return total


def _set(fields: Any, path: Sequence[str], value: Any | None) -> None:
    """None takes the field out."""
    *outer, last = path
    for part in outer:
        if not fields[part].HasField("map_value"):
            fields[part].map_value.SetInParent()
        fields = fields[part].map_value.fields
    if value is None:
        fields.pop(last, None)
    else:
        fields[last].CopyFrom(value)


class FirestoreServer(grpc.GenericRpcHandler):  # type: ignore[misc] # it has no types
    """The RPCs over these records."""

    def __init__(self, records: Records) -> None:
        self._records = records
        unary, stream = grpc.unary_unary_rpc_method_handler, grpc.unary_stream_rpc_method_handler
        self._handlers = {
            f"/google.firestore.v1.Firestore/{name}": kind(handler, request.FromString, answer.SerializeToString)
            for name, kind, handler, request, answer in (
                ("Commit", unary, self._commit, CommitRequest, CommitResponse),
                ("BatchWrite", unary, self._batch_write, BatchWriteRequest, BatchWriteResponse),
                ("BatchGetDocuments", stream, self._batch_get, BatchGetDocumentsRequest, BatchGetDocumentsResponse),
                ("RunQuery", stream, self._run_query, RunQueryRequest, RunQueryResponse),
                (
                    "RunAggregationQuery",
                    stream,
                    self._run_aggregation,
                    RunAggregationQueryRequest,
                    RunAggregationQueryResponse,
                ),
            )
        }

    def service(self, details: Any) -> Any:
        return self._handlers.get(details.method)

    async def _commit(self, request: Any, context: Any) -> Any:
        response = CommitResponse()
        try:
            now, given, versions = self._records.commit(request.writes)
        except Refused as refused:
            await context.abort(refused.code, str(refused))
        response.commit_time.FromNanoseconds(now)
        for values, version in zip(given, versions, strict=True):
            response.write_results.add(transform_results=values).update_time.FromNanoseconds(version)
        return response

    async def _batch_write(self, request: Any, _: Any) -> Any:
        response = BatchWriteResponse()
        for write in request.writes:
            result, status = response.write_results.add(), response.status.add()
            try:
                _, (values,), (version,) = self._records.commit([write])
            except Refused as refused:
                status.code, status.message = refused.code.value[0], str(refused)
            else:
                result.transform_results.extend(values)
                result.update_time.FromNanoseconds(version)
        return response

    async def _batch_get(self, request: Any, _: Any) -> AsyncIterator[Any]:
        now = self._records.now()
        for name in request.documents:
            document = self._records.get(name)
            answer = BatchGetDocumentsResponse(**({"missing": name} if document is None else {"found": document}))
            answer.read_time.FromNanoseconds(now)
            yield answer

    async def _run_query(self, request: Any, context: Any) -> AsyncIterator[Any]:
        now = self._records.now()
        try:
            found = self._records.found(request.parent, request.structured_query)
        except queries.Unsupported as error:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, str(error))
        for document in found:
            answer = RunQueryResponse(document=document)
            answer.read_time.FromNanoseconds(now)
            yield answer
        if not found:
            answer = RunQueryResponse()
            answer.read_time.FromNanoseconds(now)
            yield answer

    async def _run_aggregation(self, request: Any, context: Any) -> AsyncIterator[Any]:
        now = self._records.now()
        try:
            counts = self._records.count(request.parent, request.structured_aggregation_query)
        except queries.Unsupported as error:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, str(error))
        answer = RunAggregationQueryResponse()
        for alias, number in counts.items():
            answer.result.aggregate_fields[alias].integer_value = number
        answer.read_time.FromNanoseconds(now)
        yield answer


async def _serve(port: int) -> None:
    async with serving(port):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
