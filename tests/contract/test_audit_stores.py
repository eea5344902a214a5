"""What every store of the audit log promises, in memory and on Firestore."""

import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from functions.gateway.audit_trail.audit_store import AuditStore, FirestoreAudit
from functions.gateway.audit_trail.entry import AuditEntry, AuditResult, Head, digest
from shared.delivery.errors import AlreadyExists
from shared.google.firestore import rpc
from shared.google.firestore.records import document
from tests.contract import stores
from tests.fakes.audit import MemoryAudit
from tests.fakes.clock import START

HEAD = Head("20251231T230000-00000000", 9, START - timedelta(hours=1), "b" * 64)
FIRST = AuditEntry("20260101T000000-00000000", 1, START, "a", "pause_channel", "channels/sms", AuditResult.DONE, 200)


@pytest.fixture(params=["memory", "firestore", "embedded"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[AuditStore]:
    if request.param == "memory":
        yield MemoryAudit()
        return
    async with stores.firestore_of(request) as host, rpc.connect(host) as channel:
        project = f"projects/t-{uuid.uuid4().hex[:20]}/databases/(default)"
        yield FirestoreAudit(rpc.Rpc(channel, project, emulated=True), timedelta(days=365))


async def test_what_is_written_is_read(store: AuditStore) -> None:
    at = START + timedelta(microseconds=123_456)
    full = replace(FIRST, at=at, network="203.0.113.0/24", made="callers/x", left_out=3, lost=2, follows=(HEAD,))
    full = replace(full, previous="c" * 64).sealed()
    assert await store.read(full.id) is None
    await store.append([full])
    there = await store.read(full.id)
    assert there == full
    assert digest(there) == full.hash
    assert (await store.entries(limit=9)).items == [full]


async def test_an_entry_is_written_once(store: AuditStore) -> None:
    await store.append([FIRST.sealed()])
    with pytest.raises(AlreadyExists):
        await store.append([replace(FIRST, actor="b").sealed()])
    assert await store.read(FIRST.id) == FIRST.sealed()


async def test_of_several_all_are_written_or_none(store: AuditStore) -> None:
    first, second = FIRST.sealed(), replace(FIRST, number=2).sealed()
    await store.append([second])
    with pytest.raises(AlreadyExists):
        await store.append([first, second])
    assert await store.read(first.id) is None
    third = replace(FIRST, number=3).sealed()
    await store.append([first, third])
    assert (await store.entries(limit=9)).items == [third, second, first]


async def test_they_are_found_the_newest_first_by_filters_and_pages(store: AuditStore) -> None:
    made = []
    for n in range(6):
        actor, action = "ab"[n % 2], ("pause_channel", "put_list")[n // 3]
        entry = replace(FIRST, number=n + 1, at=START + timedelta(seconds=n // 2), actor=actor, action=action).sealed()
        made.append(entry)
        await store.append([entry])
    newest = made[::-1]
    assert (await store.entries(limit=9)).items == newest
    assert (await store.entries(limit=9, actor="a")).items == [e for e in newest if e.actor == "a"]
    assert (await store.entries(limit=9, action="put_list")).items == newest[:3]
    both = (await store.entries(limit=9, actor="b", action="put_list")).items
    assert both == [e for e in newest[:3] if e.actor == "b"]
    second = START + timedelta(seconds=1)
    assert (await store.entries(limit=9, start=second)).items == newest[:4]
    assert (await store.entries(limit=9, end=second)).items == newest[4:]
    first = await store.entries(limit=3)
    assert first.next is not None
    rest = await store.entries(limit=3, after=first.next)
    assert [*first.items, *rest.items] == newest
    assert rest.next is None


async def test_one_that_cannot_be_read_keeps_no_other_back(store: AuditStore) -> None:
    if not isinstance(store, FirestoreAudit):
        pytest.skip("there is no such record in memory")
    await store.append([FIRST.sealed()])
    values = {"created_at": START, "found_by": ["any any"], "result": "shaken"}
    damaged = document(f"{store._rpc.documents}/audit/x-00000001", values)
    await store._rpc.commit([rpc.Write(update=damaged)])
    assert (await store.entries(limit=9)).items == [FIRST.sealed()]
