"""What every store of callers promises (caller_store.py), in memory and on Firestore's emulator."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from functions.gateway.access.caller import Caller, CallerKind, Key, Scope
from functions.gateway.access.caller_store import CallerStore, FirestoreCallers, Usage
from shared.delivery.errors import AlreadyExists, Conflict, UnreadableRecord
from shared.google.firestore import rpc
from shared.google.firestore.records import document
from tests.contract import stores
from tests.fakes.callers import MemoryCallers
from tests.fakes.clock import START

FULL = Caller(
    id="0123456789abcdef",
    kind=CallerKind.TEAM,
    scopes=frozenset({Scope.NOTIFICATIONS_SEND, Scope.NOTIFICATIONS_READ}),
    channels=frozenset({"sms", "email"}),
    recipients=("team-a.", "team-b."),
    addresses={"sms": ("+14155552671",), "email": ("a@example.com", "b@example.com")},
    requests_per_minute=10,
    notifications_per_day=100,
    segments_per_day=200,
    name="Zażółć 🦜",
    keys=(Key("1", "a" * 64, START), Key("2", "b" * 64, START, revoked_at=START)),
    key_makers={"2": "fedcba9876543210"},  # pragma: allowlist secret
    created_at=START,
    created_by="fedcba9876543210",  # pragma: allowlist secret
    revoked_at=START,
)
BARE = Caller(
    id="fedcba9876543210", kind=CallerKind.TOKEN, scopes=frozenset(), identity="https://i.example s", created_at=START
)


@pytest.fixture(params=["memory", "firestore", "embedded"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[CallerStore]:
    if request.param == "memory":
        yield MemoryCallers()
        return
    project = f"test-{uuid.uuid4().hex[:12]}"
    async with stores.firestore_of(request) as host, rpc.connect(host) as channel:
        yield FirestoreCallers(rpc.Rpc(channel, f"projects/{project}/databases/(default)", emulated=True))


async def read(store: CallerStore, caller_id: str) -> Caller:
    return (await store.read([caller_id]))[caller_id]


@pytest.mark.parametrize("caller", [FULL, BARE], ids=["full", "bare"])
async def test_what_was_created_can_be_read_and_is_made_once(store: CallerStore, caller: Caller) -> None:
    await store.create(caller)
    stored = await read(store, caller.id)
    assert stored.version is not None
    assert replace(stored, version=None) == caller
    with pytest.raises(AlreadyExists):
        await store.create(caller)
    assert await store.read(["0" * 16]) == {}
    assert set(await store.read([caller.id, "0" * 16])) == {caller.id}


async def test_a_change_is_whole_and_based_on_what_was_read(store: CallerStore) -> None:
    await store.create(FULL)
    first = await read(store, FULL.id)
    changed = replace(first, channels=None, addresses={}, requests_per_minute=None, revoked_at=None, name="other")
    await store.replace(changed)
    stored = await read(store, FULL.id)
    assert replace(stored, version=None) == replace(changed, version=None)
    with pytest.raises(Conflict):
        await store.replace(first)


async def test_a_write_lands_only_while_its_makers_record_is_as_it_was_read(store: CallerStore) -> None:
    await store.create(BARE)
    maker = await read(store, BARE.id)
    await store.create(FULL, maker)
    assert (await read(store, BARE.id)).name == BARE.name, "the maker's record says what it said"
    maker, made = await read(store, BARE.id), await read(store, FULL.id)
    await store.replace(replace(made, name="by its maker"), maker)
    maker, made = await read(store, BARE.id), await read(store, FULL.id)
    await store.replace(replace(maker, revoked_at=START))
    with pytest.raises(Conflict):
        await store.create(replace(FULL, id="0" * 16), maker)
    with pytest.raises(Conflict):
        await store.replace(replace(made, name="by a revoked one"), maker)
    assert set(await store.read([FULL.id, "0" * 16])) == {FULL.id}
    assert (await read(store, FULL.id)).name == "by its maker"
    itself = await read(store, BARE.id)
    await store.replace(replace(itself, name="by itself"), itself)
    assert (await read(store, BARE.id)).name == "by itself"


async def test_making_changes_nothing_of_the_maker_so_many_can_be_made_at_once(store: CallerStore) -> None:
    await store.create(BARE)
    maker = await read(store, BARE.id)
    await asyncio.gather(*(store.create(replace(FULL, id=f"{n:016x}"), maker) for n in range(5)))
    await store.replace(replace(maker, revoked_at=START))


async def test_many_are_changed_each_for_itself(store: CallerStore) -> None:
    assert await store.replace_all([]) == []
    for caller in (FULL, BARE):
        await store.create(caller)
    full, bare = await read(store, FULL.id), await read(store, BARE.id)
    await store.replace(replace(full, name="somebody was faster"))
    written = await store.replace_all([replace(c, revoked_at=START) for c in (replace(full, revoked_at=None), bare)])
    assert written == [False, True]
    assert (await read(store, BARE.id)).revoked_at == START


async def test_callers_are_listed_by_id(store: CallerStore) -> None:
    await store.create(BARE)
    await store.create(FULL)

    async def listed(limit: int, after: str | None = None) -> tuple[list[str], str | None]:
        page = await store.callers(limit=limit, after=after)
        return [caller.id for caller in page.items], page.next

    assert await listed(2) == ([FULL.id, BARE.id], None)
    assert await listed(1) == ([FULL.id], FULL.id)
    assert await listed(1, FULL.id) == ([BARE.id], None)


async def test_a_record_that_cannot_be_read_is_told_or_left_out(store: CallerStore) -> None:
    for caller in (FULL, BARE):
        await store.create(caller)
    await store.add(Usage(FULL.id, START, 1, 0))
    await spoil(store, FULL.id)
    with pytest.raises(UnreadableRecord, match=f"callers/{FULL.id}:"):
        await store.read([FULL.id, BARE.id])
    assert set(await store.read([BARE.id])) == set(await store.look_up([FULL.id, BARE.id])) == {BARE.id}
    assert [caller.id for caller in (await store.callers(limit=2, after=None)).items] == [BARE.id]
    page = await store.callers(limit=1, after=None)
    assert (page.items, page.next) == ([], FULL.id)
    assert await store.last_uses([FULL.id, BARE.id]) == {FULL.id: START}


async def spoil(store: CallerStore, caller_id: str) -> None:
    if isinstance(store, MemoryCallers):
        store.unreadable.add(caller_id)
        return
    assert isinstance(store, FirestoreCallers)
    update = document(f"{store._rpc.documents}/callers/{caller_id}", {"kind": "of a newer version"})
    await store._rpc.commit([rpc.Write(update=update, update_mask=rpc.DocumentMask(field_paths=["kind"]))])


async def test_what_many_gateways_add_adds_up_by_the_minute_and_the_day(store: CallerStore) -> None:
    await store.create(FULL)
    await asyncio.gather(*(store.add(Usage(FULL.id, START, 2, 1, 3)) for _ in range(10)))
    assert await store.add(Usage(FULL.id, START, 0, 0, 0)) == Usage(FULL.id, START, 20, 10, 30)
    minute_later = START + timedelta(minutes=1)
    assert await store.add(Usage(FULL.id, minute_later, 1, 1, 2)) == Usage(FULL.id, minute_later, 1, 11, 32)
    day_later = START + timedelta(days=1)
    assert await store.add(Usage(FULL.id, day_later, 1, 1, 1)) == Usage(FULL.id, day_later, 1, 1, 1)
    assert await store.add(Usage(BARE.id, START, 1, 0)) == Usage(BARE.id, START, 1, 0)


async def test_messages_to_an_address_add_up_by_the_hour(store: CallerStore) -> None:
    hour = START.replace(minute=0, second=0, microsecond=0)
    totals = await asyncio.gather(*(store.add_messages("k", hour, 3) for _ in range(5)))
    assert sorted(totals) == [3, 6, 9, 12, 15]
    assert await store.add_messages("k", hour + timedelta(hours=1), 2) == 2
    assert await store.add_messages("another", hour, 1) == 1


async def test_a_use_is_noted_and_disturbs_no_change(store: CallerStore) -> None:
    await store.create(FULL)
    before = await read(store, FULL.id)
    assert await store.last_uses([FULL.id]) == {}
    assert await store.last_uses([]) == {}
    await store.add(Usage(FULL.id, START, 1, 0))
    assert await store.last_uses([FULL.id, BARE.id]) == {FULL.id: START}
    await store.replace(before)
