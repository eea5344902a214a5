"""Firestore's RPCs on the official client's channel and generated protobufs, without its retry layers.

The client's `commit` retries by itself for a minute; a claim must know how often it was written, so every call
here is made once, with a deadline. Used directly the protobufs cost about half the CPU of the client's own
classes (0.5 against 0.9 ms an accept, 2026-11). Reference: googleapis google/firestore/v1/firestore.proto.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

import grpc
import grpc.aio
from google.api_core.gapic_v1 import routing_header

from shared.delivery.errors import AlreadyExists, Conflict, NotFound, StoreError, StoreUnavailable
from shared.google import grpc_channel
from shared.google.bare_packages import bare
from shared.google.rpc_batching import Batches, byte_size
from shared.runtime import telemetry
from shared.runtime.telemetry import Kind, Span

with bare("google.cloud.firestore_v1"):
    from google.cloud.firestore_v1.types import common, document, firestore, query, write

HOST = "firestore.googleapis.com"
SCOPES = ("https://www.googleapis.com/auth/cloud-platform", "https://www.googleapis.com/auth/datastore")

Document = document.Document.pb()
Value = document.Value.pb()
Write = write.Write.pb()
FieldTransform = write.DocumentTransform.FieldTransform.pb()
Precondition = common.Precondition.pb()
DocumentMask = common.DocumentMask.pb()
StructuredQuery = query.StructuredQuery.pb()
Cursor = query.Cursor.pb()
CommitRequest = firestore.CommitRequest.pb()
CommitResponse = firestore.CommitResponse.pb()
BatchWriteRequest = firestore.BatchWriteRequest.pb()
BatchWriteResponse = firestore.BatchWriteResponse.pb()
RunQueryRequest = firestore.RunQueryRequest.pb()
RunQueryResponse = firestore.RunQueryResponse.pb()
RunAggregationQueryRequest = firestore.RunAggregationQueryRequest.pb()
RunAggregationQueryResponse = firestore.RunAggregationQueryResponse.pb()
BatchGetDocumentsRequest = firestore.BatchGetDocumentsRequest.pb()
BatchGetDocumentsResponse = firestore.BatchGetDocumentsResponse.pb()

WRITE_TIMEOUT = 3.0  # seconds
READ_TIMEOUT = 5.0
BULK_TIMEOUT = 10.0
_MOST_WRITES = 500  # Firestore's limit on a BatchWrite
_MOST_BYTES = 5_000_000  # half of its limit

_WRITE_ERRORS = {
    grpc.StatusCode.ALREADY_EXISTS: AlreadyExists,
    grpc.StatusCode.FAILED_PRECONDITION: Conflict,
    grpc.StatusCode.NOT_FOUND: NotFound,
}

_routing: Callable[..., tuple[str, str]] = routing_header.to_grpc_metadata

_CODES: Mapping[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}


def connect(emulator_host: str | None, interceptors: Sequence[grpc.aio.ClientInterceptor] = ()) -> grpc.aio.Channel:
    """A channel to the emulator at host:port, or to Firestore with the process's own credentials."""
    return grpc_channel.connect(emulator_host, HOST, SCOPES, interceptors)


class Rpc:
    """The five RPCs that the stores use, bounded, and with their errors translated: a write is sent once, a read once
    more where the connection was gone.

    `commit` and `write` raise AlreadyExists, Conflict and NotFound; all raise StoreUnavailable for whatever else goes
    wrong.
    """

    def __init__(self, channel: grpc.aio.Channel, database: str, *, emulated: bool = False) -> None:
        self._channel = channel
        self._emulated = emulated
        self.database = database
        self.documents = f"{database}/documents"
        prefix: tuple[tuple[str, str], ...] = (("google-cloud-resource-prefix", database),)
        if emulated:
            # Without it the emulator refuses BatchWrite (PERMISSION_DENIED), and only that (1.19.9).
            prefix += (("authorization", "Bearer owner"),)
        # The request's field that says where it goes, as firestore.proto names it for each RPC (google.api.http).
        self._metadata = (*prefix, _routing({"database": database}))
        self._prefix = prefix
        unary: Callable[..., Any] = channel.unary_unary
        stream: Callable[..., Any] = channel.unary_stream
        self._commit: Callable[..., Awaitable[Any]] = unary(
            "/google.firestore.v1.Firestore/Commit",
            request_serializer=CommitRequest.SerializeToString,
            response_deserializer=CommitResponse.FromString,
        )
        self._batch_write: Callable[..., Awaitable[Any]] = unary(
            "/google.firestore.v1.Firestore/BatchWrite",
            request_serializer=BatchWriteRequest.SerializeToString,
            response_deserializer=BatchWriteResponse.FromString,
        )
        self._run_query: Callable[..., AsyncIterator[Any]] = stream(
            "/google.firestore.v1.Firestore/RunQuery",
            request_serializer=RunQueryRequest.SerializeToString,
            response_deserializer=RunQueryResponse.FromString,
        )
        self._run_aggregation: Callable[..., AsyncIterator[Any]] = stream(
            "/google.firestore.v1.Firestore/RunAggregationQuery",
            request_serializer=RunAggregationQueryRequest.SerializeToString,
            response_deserializer=RunAggregationQueryResponse.FromString,
        )
        self._batch_get: Callable[..., AsyncIterator[Any]] = stream(
            "/google.firestore.v1.Firestore/BatchGetDocuments",
            request_serializer=BatchGetDocumentsRequest.SerializeToString,
            response_deserializer=BatchGetDocumentsResponse.FromString,
        )

        self._writes = Batches(
            self._write_each,
            most=_MOST_WRITES,
            most_bytes=_MOST_BYTES,
            size=byte_size,
            key=lambda write: write.update.name,
        )

    def beside(self, database: str | None) -> "Rpc":
        """Another database of the project, over the same connection. None: this one."""
        name = f"{self.database.rpartition('/')[0]}/{database}"
        return self if database is None or name == self.database else Rpc(self._channel, name, emulated=self._emulated)

    async def commit(self, writes: Sequence[Any]) -> Any:
        """All writes or none. Returns the CommitResponse."""
        with _call("Commit", _WRITE_ERRORS):
            return await self._commit(
                CommitRequest(database=self.database, writes=writes),
                timeout=WRITE_TIMEOUT,
                metadata=self._metadata,
            )

    async def write(self, write: Any) -> int:
        """One write; it goes with others that are asked for meanwhile. Returns the document's new version."""
        with _call("BatchWrite") as span:
            ((version, refused),) = await self._writes.send([write])
            if refused is not None:
                span.note({"rpc.response.status_code": refused.name})
        if refused is not None:
            raise _WRITE_ERRORS.get(refused, StoreUnavailable)(f"Firestore answered {refused.name}")
        return version

    async def batch_write(self, writes: Sequence[Any]) -> Sequence[int | None]:
        """Each write for itself: the document's new version, or None where it was refused."""
        with _call("BatchWrite"):
            results = await self._write_each(writes, BULK_TIMEOUT)
        return [version if refused is None else None for version, refused in results]

    async def _write_each(
        self, writes: Sequence[Any], timeout: float = WRITE_TIMEOUT
    ) -> Sequence[tuple[int, grpc.StatusCode | None]]:
        """The new versions, and why there is none."""
        request = BatchWriteRequest(database=self.database, writes=writes)
        response = await self._batch_write(request, timeout=timeout, metadata=self._metadata)
        if not len(response.status) == len(response.write_results) == len(writes):
            raise StoreUnavailable("Firestore answered for more or fewer writes than were asked for")
        results = zip(response.status, response.write_results, strict=True)
        return [
            (to_version(result.update_time), _CODES.get(status.code, grpc.StatusCode.UNKNOWN) if status.code else None)
            for status, result in results
        ]

    async def run_query(
        self,
        structured_query: Any,
        most_bytes: int | None = None,
        parent: str | None = None,
        timeout: float | None = None,
    ) -> list[Any]:
        """The Documents that match, in their order. most_bytes: see `_documents`

        parent: the document whose collection is asked; None: it is one of the database's own
        """
        parent = parent or self.documents
        request = RunQueryRequest(parent=parent, structured_query=structured_query)
        metadata = (*self._prefix, _routing({"parent": parent}))
        with _call("RunQuery"):
            return await _read(
                lambda: self._run_query(request, timeout=timeout or BULK_TIMEOUT, metadata=metadata),
                "document",
                most_bytes,
            )

    async def count(self, structured_query: Any, most: int) -> int:
        """How many documents match; `most` when there are more, which are not looked at."""
        request = RunAggregationQueryRequest(parent=self.documents)
        asked = request.structured_aggregation_query
        asked.structured_query.CopyFrom(structured_query)
        asked.aggregations.add(alias="count").count.up_to.value = most
        metadata = (*self._prefix, _routing({"parent": self.documents}))
        with _call("RunAggregationQuery"):
            (result,) = await _read(
                lambda: self._run_aggregation(request, timeout=BULK_TIMEOUT, metadata=metadata), "result", None
            )
            return int(result.aggregate_fields["count"].integer_value)

    async def batch_get(self, names: Sequence[str], most_bytes: int | None = None) -> dict[str, Any]:
        """The Documents that exist, by name, in any order. most_bytes: see `_documents`."""
        request = BatchGetDocumentsRequest(database=self.database, documents=names)
        with _call("BatchGetDocuments"):
            found = await _read(
                lambda: self._batch_get(request, timeout=READ_TIMEOUT, metadata=self._metadata), "found", most_bytes
            )
            return {document.name: document for document in found}


async def _read(call: Callable[[], Any], field: str, most_bytes: int | None) -> list[Any]:
    """The Documents, or what else the field holds, asked for once more when the connection turns out to be gone:
    Google's servers close one that was idle, and a function that slept finds out with its first call. A read changes
    nothing, so it may be repeated.
    """
    try:
        return await _documents(call(), field, most_bytes)
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.UNAVAILABLE:
            raise
    return await _documents(call(), field, most_bytes)


async def _documents(answers: Any, field: str, most_bytes: int | None) -> list[Any]:
    """The Documents in a stream's answers.

    most_bytes: those up to the first that goes beyond it, and two at least; what follows is not read
    """
    found: list[Any] = []
    size = 0
    async for answer in answers:
        if not answer.HasField(field):
            continue
        found.append(getattr(answer, field))
        if most_bytes is not None:
            size += found[-1].ByteSize()
            if size > most_bytes and len(found) > 1:
                answers.cancel()
                break
    return found


@contextmanager
def _call(method: str, errors: Mapping[grpc.StatusCode, type[StoreError]] = MappingProxyType({})) -> Iterator[Span]:
    """Its span, and its errors translated.

    errors: what a code means here. A read's FAILED_PRECONDITION is a missing index, and no conflict
    """
    refused = None
    with telemetry.span(f"firestore {method}", Kind.CLIENT) as span:
        try:
            yield span
        except grpc.aio.AioRpcError as error:
            refused = error.code()
            # A precondition that does not hold is an answer, and no failure of the call.
            span.note({"rpc.response.status_code": refused.name}) if refused in errors else span.fail(refused.name)
    if refused is not None:
        # The details hold document names, which hold ids only; they still stay out, as Google may change them.
        raise errors.get(refused, StoreUnavailable)(f"Firestore answered {refused.name}")


def to_version(timestamp: Any) -> int:
    """An update time as one number, ns since the epoch: a datetime would drop its nanoseconds."""
    return int(timestamp.seconds * 1_000_000_000 + timestamp.nanos)
