"""Pages of Firestore's records are bounded by bytes, and what is beyond one is not read."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest
from google.cloud.firestore_v1.types import firestore

from shared.google.firestore import pages, queries
from shared.google.firestore.pages import FIRST, PAGE_BYTES
from shared.google.firestore.records import document
from shared.google.firestore.rpc import Rpc

LIMITS = (1, 2, FIRST - 1, FIRST, FIRST + 1, 50, 100)
MANY = 120


class Answers:
    """A stream of answers, of which the client may have enough."""

    def __init__(self, answers: Sequence[Any]) -> None:
        self._answers = answers
        self.read = 0
        self.cancelled = False

    async def __aiter__(self) -> AsyncIterator[Any]:
        for answer in self._answers:
            self.read += answer.ByteSize()
            yield answer

    def cancel(self) -> None:
        self.cancelled = True


class Channel:
    """Firestore with records n0000, n0001, …, of such sizes."""

    def __init__(self, sizes: Sequence[int]) -> None:
        self.names = [f"db/documents/notes/n{number:04}" for number in range(len(sizes))]
        self._documents = {
            name: document(name, {"at": number, "text": "x" * size})
            for number, (name, size) in enumerate(zip(self.names, sizes, strict=True))
        }
        self.streams: list[Answers] = []

    def unary_unary(self, *_: object, **__: object) -> None:
        """Nothing is written here."""

    def unary_stream(self, method: str, **_: object) -> Callable[..., Answers]:
        find = self._query if method.endswith("/RunQuery") else self._get

        def call(request: Any, **_: object) -> Answers:
            self.streams.append(Answers(find(request)))
            return self.streams[-1]

        return call

    def _query(self, request: Any) -> list[Any]:
        query = request.structured_query
        names = self.names
        if query.HasField("start_at"):
            at, name = query.start_at.values
            assert self._documents[name.reference_value].fields["at"] == at
            names = names[names.index(name.reference_value) + 1 :]
        answer = firestore.RunQueryResponse.pb()
        return [answer(document=self._documents[name]) for name in names[: query.limit.value]]

    def _get(self, request: Any) -> list[Any]:
        answer = firestore.BatchGetDocumentsResponse.pb()
        found = [answer(found=self._documents[name]) for name in reversed(request.documents) if name in self._documents]
        return [answer(missing="db/documents/notes/none"), *found]


SIZES = {
    "small": [100] * MANY,
    "200 kB": [200_000] * MANY,
    "the largest": [PAGE_BYTES] * 5,
    "small, then large": [10] * FIRST + [300_000] * 40,
    "large, then small": [700_000] * 3 + [10] * 50,
    "all kinds": [(7**n % 1009) * 500 for n in range(MANY)],
    "none": [],
}


async def walked(channel: Channel, limit: int) -> list[list[str]]:
    """The names on each page."""
    rpc = Rpc(channel, "db")
    found: list[list[str]] = []
    after: list[Any] = []
    while True:
        documents, more = await pages.first(rpc, queries.select("notes", order="at", after=after), limit)
        found.append([each.name for each in documents])
        assert len(documents) <= limit
        assert sum(each.ByteSize() for each in documents[:-1]) <= PAGE_BYTES
        if not more:
            return found
        assert documents, "a page that goes on has something on it"
        after = [documents[-1].fields["at"], queries.reference(documents[-1].name)]


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("sizes", SIZES)
async def test_pages_go_on_from_each_other_without_a_record_twice_or_left_out(sizes: str, limit: int) -> None:
    channel = Channel(SIZES[sizes])
    found = await walked(channel, limit)
    assert [name for page in found for name in page] == channel.names
    largest = max(SIZES[sizes], default=0)
    for stream in channel.streams:
        assert stream.read <= PAGE_BYTES + 2 * largest + 1000 * FIRST


async def test_a_page_of_large_records_reads_no_more_of_them_than_it_shows_and_one() -> None:
    channel = Channel(SIZES["200 kB"])
    documents, more = await pages.first(Rpc(channel, "db"), queries.select("notes", order="at"), 100)
    assert (len(documents), more) == (5, True)
    (stream,) = channel.streams
    assert stream.cancelled
    assert stream.read < 6 * 201_000


@pytest.mark.parametrize(
    ("stored", "limit", "calls"), [(3, 50, 1), (FIRST - 1, 50, 1), (50, FIRST - 1, 1), (50, 100, 2)]
)
async def test_small_records_take_one_query_or_two(stored: int, limit: int, calls: int) -> None:
    channel = Channel([100] * stored)
    await pages.first(Rpc(channel, "db"), queries.select("notes", order="at"), limit)
    assert len(channel.streams) == calls


@pytest.mark.parametrize("sizes", SIZES)
async def test_groups_are_read_whole_and_as_many_as_fit(sizes: str) -> None:
    channel = Channel(SIZES[sizes])
    groups = [[*channel.names[n : n + 3], "db/documents/notes/none"] for n in range(0, len(channel.names), 3)]
    read = 0
    while read < len(groups):
        found, of = await pages.first_groups(Rpc(channel, "db"), groups[read:])
        assert of >= 1
        assert sorted(found) == [
            name for group in groups[read : read + of] for name in group[:3] if name in channel.names
        ]
        assert of == 1 or sum(each.ByteSize() for each in found.values()) <= PAGE_BYTES
        read += of
    assert all(stream.read <= PAGE_BYTES + 3 * max(SIZES[sizes]) + 1000 for stream in channel.streams)


async def test_small_groups_take_one_read() -> None:
    channel = Channel(SIZES["small"])
    found, of = await pages.first_groups(Rpc(channel, "db"), [[name] for name in channel.names])
    assert (len(found), of, len(channel.streams)) == (MANY, MANY, 1)
    assert await pages.first_groups(Rpc(channel, "db"), []) == ({}, 0)
