"""What Hark relies on of Firestore beneath its stores: of its emulator, and of the one in memory."""

import uuid
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any

import grpc.aio
import pytest

from emulator.embedded.firestore import serving
from shared.delivery.errors import AlreadyExists, Conflict, NotFound, StoreUnavailable
from shared.google.firestore import queries, rpc, writes
from shared.google.firestore.records import document
from shared.google.firestore.rpc import FieldTransform, Rpc, Write, to_version
from shared.google.firestore.value_encoding import decode, encode
from tests.contract import stores


@pytest.fixture(params=["firestore", "embedded"])
async def firestore(request: pytest.FixtureRequest) -> AsyncIterator[Rpc]:
    async with stores.firestore_of(request) as host, rpc.connect(host) as channel:
        yield Rpc(channel, f"projects/test-{uuid.uuid4().hex[:12]}/databases/(default)", emulated=True)


async def written(firestore: Rpc, write: Any) -> int:
    return to_version((await firestore.commit([write])).write_results[0].update_time)


async def fields(firestore: Rpc, name: str) -> dict[str, Any]:
    found = await firestore.batch_get([name])
    return {field: decode(value) for field, value in found[name].fields.items()}


async def test_a_write_lands_if_the_document_is_as_it_says(firestore: Rpc) -> None:
    name = f"{firestore.documents}/things/a"
    with pytest.raises(NotFound):
        await firestore.commit([writes.change(name, {"n": 1})])
    version = await written(firestore, writes.create(name, {"n": 1}))
    with pytest.raises(AlreadyExists):
        await firestore.commit([writes.create(name, {"n": 2})])
    with pytest.raises(Conflict):
        await firestore.commit([writes.change(name, {"n": 2}, writes.at_version(version - 1000))])
    later = await written(firestore, writes.change(name, {"n": 2}, writes.at_version(version)))
    assert later > version
    assert await fields(firestore, name) == {"n": 2}


async def test_a_commit_lands_whole_or_not_at_all(firestore: Rpc) -> None:
    one, other = (f"{firestore.documents}/things/{name}" for name in "ab")
    await firestore.commit([writes.create(other, {})])
    with pytest.raises(AlreadyExists):
        await firestore.commit([writes.create(one, {}), writes.create(other, {})])
    assert list(await firestore.batch_get([one, other])) == [other]


async def test_a_batch_lands_each_write_for_itself(firestore: Rpc) -> None:
    one, other = (f"{firestore.documents}/things/{name}" for name in "ab")
    await firestore.commit([writes.create(other, {})])
    created, refused = await firestore.batch_write([writes.create(one, {}), writes.create(other, {})])
    assert created is not None
    assert refused is None


async def test_a_write_of_some_fields_leaves_the_others_and_takes_out_what_it_has_not(firestore: Rpc) -> None:
    name = f"{firestore.documents}/things/a"
    await firestore.commit([writes.create(name, {"kept": 1, "changed": 1, "taken": 1})])
    await firestore.commit([writes.change(name, {"changed": 2, "taken": None})])
    assert await fields(firestore, name) == {"kept": 1, "changed": 2}


async def test_what_is_added_is_added_up_and_told(firestore: Rpc) -> None:
    name = f"{firestore.documents}/things/a"
    totals = []
    for _ in range(2):
        added = [FieldTransform(field_path=path, increment=encode(2)) for path in ("n", "by.minute")]
        write = Write(update=document(name, {}), update_mask=rpc.DocumentMask(), update_transforms=added)
        response = await firestore.commit([write])
        totals.append([decode(value) for value in response.write_results[0].transform_results])
    assert totals == [[2, 2], [4, 4]]
    assert await fields(firestore, name) == {"n": 4, "by": {"minute": 4}}


async def test_what_is_deleted_is_gone_and_may_be_deleted_again(firestore: Rpc) -> None:
    name = f"{firestore.documents}/things/a"
    await firestore.commit([writes.create(name, {})])
    for _ in range(2):
        await firestore.commit([Write(delete=name)])
    assert await firestore.batch_get([name]) == {}


async def test_a_document_has_a_greatest_size(firestore: Rpc) -> None:
    name = f"{firestore.documents}/things/a"
    await firestore.commit([writes.create(name, {"text": "x" * 1_000_000})])
    with pytest.raises(StoreUnavailable, match="INVALID_ARGUMENT"):
        await firestore.commit([writes.change(name, {"text": "x" * 1_100_000})])


NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
VALUES: Sequence[Any] = [False, True, -1, 0, 7, NEW_YEAR, "", "B", "a", "ä", "\ue000", "🦜"]
"""In Firestore's order: by type, and texts by their bytes."""


@pytest.mark.parametrize("descending", [False, True])
async def test_values_are_found_in_order_and_from_a_cursor_on(firestore: Rpc, descending: bool) -> None:
    made = [writes.create(f"{firestore.documents}/things/{n}", {"v": value}) for n, value in enumerate(VALUES)]
    await firestore.commit([*reversed(made), writes.create(f"{firestore.documents}/things/none", {"w": 1})])

    async def found(**options: Any) -> list[Any]:
        query = queries.select("things", order="v", descending=descending, **options)
        return [decode(each.fields["v"]) for each in await firestore.run_query(query)]

    ordered = list(reversed(VALUES)) if descending else list(VALUES)
    assert await found() == ordered
    assert await found(limit=3) == ordered[:3]
    first = queries.select("things", order="v", descending=descending, limit=4)
    last = (await firestore.run_query(first))[-1]
    rest = queries.following(queries.select("things", order="v", descending=descending), last)
    assert [decode(each.fields["v"]) for each in await firestore.run_query(rest)] == ordered[4:]


async def test_a_query_finds_what_all_its_filters_let_through(firestore: Rpc) -> None:
    made = {
        f"outer/{n}/things/{n}": {"n": n, "even": n % 2 == 0, "at": datetime(2026, 1, 1 + n, tzinfo=UTC)}
        for n in range(6)
    }
    await firestore.commit([writes.create(f"{firestore.documents}/{path}", values) for path, values in made.items()])

    async def found(*filters: Any, **options: Any) -> list[Any]:
        query = queries.select("things", filters=filters, group=True, **options)
        return sorted(decode(each.fields["n"]) for each in await firestore.run_query(query))

    assert await found() == [0, 1, 2, 3, 4, 5]
    assert await found(queries.equal("even", True)) == [0, 2, 4]
    assert await found(queries.any_of("n", [1, 4, 9]), queries.equal("even", True)) == [4]
    assert await found(queries.before("at", datetime(2026, 1, 3, tzinfo=UTC)), order="at") == [0, 1]
    assert await found(queries.equal("n", "1")) == []
    assert await firestore.run_query(queries.select("things")) == [], "they are no collection of the root's"


@pytest.mark.parametrize("descending", [False, True])
async def test_a_query_finds_what_is_there_after_each_write(firestore: Rpc, descending: bool) -> None:
    def name(n: int) -> str:
        return f"{firestore.documents}/outer/o/things/{n}"

    async def found(*, after: Sequence[Any] = (), limit: int | None = None, even: bool = True) -> list[int]:
        query = queries.select(
            "things",
            filters=[queries.equal("even", even), queries.any_of("kind", ["a", "b"])],
            order="at",
            descending=descending,
            group=True,
            after=after,
            limit=limit,
        )
        return [int(each.name.rpartition("/")[2]) for each in await firestore.run_query(query)]

    def in_order(*numbers: int) -> list[int]:
        return list(reversed(numbers)) if descending else list(numbers)

    assert await found() == []
    things = [{"at": n // 2, "even": n % 4 < 2, "kind": "ab"[n % 2], "other": {"a": n}} for n in range(12)]
    await firestore.commit([writes.create(name(n), thing) for n, thing in enumerate(things)])
    assert await found() == in_order(0, 1, 4, 5, 8, 9)
    assert await found(limit=2) == in_order(0, 1, 4, 5, 8, 9)[:2]
    cursor = [encode(2), queries.reference(name(4))]
    assert await found(after=cursor) == ([1, 0] if descending else [5, 8, 9])
    assert await found(after=cursor[:1]) == ([1, 0] if descending else [8, 9])

    await firestore.commit([writes.change(name(0), {"at": 3}), writes.change(name(1), {"even": False})])
    await firestore.commit([writes.change(name(4), {"kind": "c"}), Write(delete=name(8))])
    await firestore.commit([Write(update=document(name(9), {"even": True, "kind": "b"}))])  # it has no `at` any more
    assert await found() == in_order(5, 0)
    assert await found(even=False) == in_order(1, 2, 3, 6, 7, 10, 11)
    await firestore.commit([writes.create(name(8), things[8])])
    assert await found() == in_order(5, 0, 8)


async def test_databases_and_projects_are_apart(firestore: Rpc) -> None:
    beside = firestore.beside("another")
    await beside.commit([writes.create(f"{beside.documents}/things/a", {})])
    assert await firestore.run_query(queries.select("things")) == []
    assert len(await beside.run_query(queries.select("things"))) == 1


async def test_a_call_that_is_not_there_says_so() -> None:
    async with serving() as host, grpc.aio.insecure_channel(host) as channel:
        call: Any = channel.unary_unary("/google.firestore.v1.Firestore/Rollback")
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call(b"")
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_query_that_hark_does_not_make_is_refused_and_not_half_answered() -> None:
    async with serving() as host, rpc.connect(host) as channel:
        firestore = Rpc(channel, "projects/p/databases/(default)", emulated=True)
        await firestore.commit([writes.create(f"{firestore.documents}/things/a", {"n": 1})])
        query = queries.select("things", filters=[queries.equal("n", 1)])
        query.where.composite_filter.filters[0].field_filter.op = rpc.StructuredQuery.FieldFilter.NOT_EQUAL
        with pytest.raises(StoreUnavailable, match="UNIMPLEMENTED"):
            await firestore.run_query(query)


async def test_a_count_ends_at_the_most_that_is_wanted(firestore: Rpc) -> None:
    for name in "abc":
        await firestore.commit([writes.create(f"{firestore.documents}/things/{name}", {"n": 1, "at": NEW_YEAR})])
    query = queries.select("things", filters=[queries.equal("n", 1), queries.from_on("at", NEW_YEAR)], order="at")
    assert [await firestore.count(query, most) for most in (1, 2, 3, 4)] == [1, 2, 3, 3]
    none = queries.select("things", filters=[queries.equal("n", 2)], order="at")
    assert await firestore.count(none, 9) == 0
