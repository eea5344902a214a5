"""What a BatchWrite's answer means for each write in it, and how often a read is asked for."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import grpc
import pytest
from google.cloud.firestore_v1.types import firestore
from grpc.aio import AioRpcError, Metadata

from shared.delivery.errors import AlreadyExists, Conflict, NotFound, StoreError, StoreUnavailable
from shared.google.firestore import writes
from shared.google.firestore.rpc import Rpc, StructuredQuery

Response = firestore.BatchWriteResponse.pb()


class Channel:
    """Answers every BatchWrite with this; counts the writes of each."""

    def __init__(self, answer: Callable[[int], Any]) -> None:
        self._answer = answer
        self.calls: list[int] = []

    def unary_unary(self, method: str, **_: object) -> Any:
        async def call(request: Any, **_: object) -> Any:
            assert method.endswith("/BatchWrite")
            await asyncio.sleep(0)
            self.calls.append(len(request.writes))
            return self._answer(len(request.writes))

        return call

    def unary_stream(self, *_: object, **__: object) -> None:
        """Nothing is read here."""


def written(*codes: grpc.StatusCode) -> Any:
    response = Response()
    for code in codes:
        response.status.add(code=code.value[0])
        response.write_results.add().update_time.FromNanoseconds(7)
    return response


async def ends(channel: Channel, count: int) -> Sequence[int | BaseException]:
    rpc = Rpc(channel, "projects/p/databases/d")
    asked = (rpc.write(writes.change(f"documents/{number}", {"a": 1})) for number in range(count))
    return await asyncio.gather(*asked, return_exceptions=True)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (grpc.StatusCode.FAILED_PRECONDITION, Conflict),
        (grpc.StatusCode.NOT_FOUND, NotFound),
        (grpc.StatusCode.ALREADY_EXISTS, AlreadyExists),
        (grpc.StatusCode.ABORTED, StoreUnavailable),
        (grpc.StatusCode.INVALID_ARGUMENT, StoreUnavailable),
    ],
)
async def test_a_refused_write_is_refused_alone(code: grpc.StatusCode, error: type[StoreError]) -> None:
    def answer(count: int) -> Any:
        return written(*[grpc.StatusCode.OK] * (count - 1), code if count > 1 else grpc.StatusCode.OK)

    channel = Channel(answer)
    assert [type(end) for end in await ends(channel, 4)] == [int, int, int, error]
    assert channel.calls == [1, 3]


@pytest.mark.parametrize("code", [grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.NOT_FOUND])
async def test_a_call_that_is_refused_says_nothing_of_its_writes(code: grpc.StatusCode) -> None:
    """Taken for a lost claim it would end the retries of an outcome, and the message would be sent again."""

    def refuse(_: int) -> Any:
        raise AioRpcError(code, Metadata(), Metadata())

    assert [type(end) for end in await ends(Channel(refuse), 3)] == [StoreUnavailable] * 3


async def test_an_answer_for_fewer_writes_is_none() -> None:
    channel = Channel(lambda count: written(*[grpc.StatusCode.OK] * (count - 1)))
    assert [type(end) for end in await ends(channel, 3)] == [StoreUnavailable] * 3


class Reading:
    """Fails the first of these reads with these codes, and answers the next with one document."""

    def __init__(self, *codes: grpc.StatusCode) -> None:
        self._codes = list(codes)
        self.calls = 0

    def unary_unary(self, *_: object, **__: object) -> None:
        """Nothing is written here."""

    def unary_stream(self, method: str, **_: object) -> Any:
        async def call(_: Any, **__: object) -> Any:
            self.calls += 1
            if self._codes:
                raise AioRpcError(self._codes.pop(0), Metadata(), Metadata())
            if method.endswith("/RunQuery"):
                answer = firestore.RunQueryResponse.pb()()
                answer.document.name = "documents/1"
            else:
                answer = firestore.BatchGetDocumentsResponse.pb()()
                answer.found.name = "documents/1"
            yield answer

        return call


async def read(channel: Reading, how: str) -> Any:
    rpc = Rpc(channel, "projects/p/databases/d")
    if how == "query":
        return [document.name for document in await rpc.run_query(StructuredQuery())]
    return list(await rpc.batch_get(["documents/1"]))


@pytest.mark.parametrize("how", ["query", "get"])
async def test_a_read_is_asked_for_once_more_when_its_connection_was_gone(how: str) -> None:
    channel = Reading(grpc.StatusCode.UNAVAILABLE)
    assert await read(channel, how) == ["documents/1"]
    assert channel.calls == 2


@pytest.mark.parametrize("how", ["query", "get"])
@pytest.mark.parametrize(
    ("codes", "calls"),
    [([grpc.StatusCode.UNAVAILABLE] * 2, 2), ([grpc.StatusCode.DEADLINE_EXCEEDED], 1), ([grpc.StatusCode.ABORTED], 1)],
)
async def test_a_read_is_repeated_once_and_for_nothing_else(
    how: str, codes: Sequence[grpc.StatusCode], calls: int
) -> None:
    channel = Reading(*codes)
    with pytest.raises(StoreUnavailable):
        await read(channel, how)
    assert channel.calls == calls
