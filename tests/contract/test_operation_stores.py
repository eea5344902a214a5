"""What every store of operations promises, in memory and on Firestore's emulator."""

import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.delivery.errors import AlreadyExists, Conflict, NotFound
from shared.google.firestore import rpc
from shared.google.firestore.operation_store import FirestoreOperations
from shared.google.firestore.records import document
from shared.sending.operations import AGAIN, Operation, OperationState, OperationStore, begun
from tests.contract import stores
from tests.fakes.clock import START
from tests.fakes.operations import MemoryOperations

SECOND = timedelta(seconds=1)
S = OperationState


@pytest.fixture(params=["memory", "firestore", "embedded"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[OperationStore]:
    if request.param == "memory":
        yield MemoryOperations()
        return
    async with stores.firestore_of(request) as host, rpc.connect(host) as channel:
        project = f"projects/t-{uuid.uuid4().hex[:20]}/databases/(default)"
        yield FirestoreOperations(rpc.Rpc(channel, project, emulated=True))


async def made(store: OperationStore, name: str, kind: str = "count", after: int = 0) -> Operation:
    operation = begun(name, kind, "c", {"list": "all", "plan": "p"}, START + after * SECOND)
    return replace(operation, version=await store.create(operation))


async def test_what_is_written_is_read(store: OperationStore) -> None:
    assert await store.read("a") is None
    operation = await made(store, "a")
    assert await store.read("a") == operation
    with pytest.raises(AlreadyExists):
        await store.create(operation)
    moved = replace(operation, total=9, counts={"sent": 3}, after="n", failures=2, error="KeyError at a.py:1")
    moved = replace(moved, version=await store.update(moved))
    assert await store.read("a") == moved
    done = replace(moved, state=S.DONE, due_at=None, after=None, failures=0, error=None)
    done = replace(done, version=await store.update(done))
    assert await store.read("a") == done


async def test_of_two_who_write_one_is_refused(store: OperationStore) -> None:
    operation = await made(store, "a")
    await store.update(replace(operation, state=S.PAUSED))
    with pytest.raises(Conflict):
        await store.update(replace(operation, counts={"sent": 3}))
    with pytest.raises((NotFound, Conflict)):
        await store.update(replace(operation, id="b"))


async def test_those_are_due_that_run_in_order_of_their_time(store: OperationStore) -> None:
    for number, name in enumerate("dcba"):
        await made(store, name, after=number)
    paused = await store.read("c")
    assert paused is not None
    await store.update(replace(paused, state=S.PAUSED))
    assert list(await store.due(START + AGAIN, 9, {"count"})) == []
    assert [o.id for o in await store.due(START + AGAIN + 3 * SECOND, 9, {"count"})] == ["d", "b"]
    assert [o.id for o in await store.due(START + AGAIN + 9 * SECOND, 2, {"count"})] == ["d", "b"]


async def test_those_of_unknown_kinds_keep_no_other_back(store: OperationStore) -> None:
    for number, kind in enumerate(["newer", "newer", "count", "newer", "recall"]):
        await made(store, f"o{number}", kind, after=number)
    due = await store.due(START + AGAIN + 9 * SECOND, 2, {"count", "recall"})
    assert [o.id for o in due] == ["o2", "o4"]


async def test_they_are_listed_newest_first_whatever_their_state(store: OperationStore) -> None:
    for number, state in enumerate(S):
        operation = await made(store, f"o{number}", after=number)
        await store.update(replace(operation, state=state))
    page = await store.operations(caller="c", limit=3, after=None)
    assert [o.id for o in page.items] == ["o4", "o3", "o2"]
    page = await store.operations(caller=None, limit=3, after=page.next)
    assert ([o.id for o in page.items], page.next) == (["o1", "o0"], None)
    assert not (await store.operations(caller="another", limit=3, after=None)).items


async def test_one_from_before_there_were_kinds_is_a_recall(store: OperationStore) -> None:
    """As a version before this one wrote it."""
    if not isinstance(store, FirestoreOperations):
        pytest.skip("there is no such record in memory")
    values = {"kind": "recall", "caller": "c", "template": "order/1", "created_at": START, "updated_at": START}
    values |= {"expire_at": START, "due_at": START, "state": "running", "counts": {"cancelled": 1}}
    name = f"{store._rpc.documents}/operations/old"
    await store._rpc.commit([rpc.Write(update=document(name, values))])
    (old,) = await store.due(START + SECOND, 9, {"recall"})
    assert (old.about, old.total, old.counts, old.failures) == ({"template": "order/1"}, None, {"cancelled": 1}, 0)
    await store.update(replace(old, state=S.DONE, due_at=None))
    read = await store.read("old")
    assert read is not None
    assert read.about == {"template": "order/1"}
