"""What every store of callers promises (functions/gateway/caller_store.py), in memory and on Firestore's emulator."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from functions.gateway.caller_store import CallerStore, FirestoreCallers, Usage
from functions.gateway.callers import Caller, CallerKind, Key, Scope
from shared.errors import AlreadyExists, Conflict
from shared.firestore import rpc
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
    created_at=START,
    revoked_at=START,
)
BARE = Caller(
    id="fedcba9876543210", kind=CallerKind.TOKEN, scopes=frozenset(), identity="https://i.example s", created_at=START
)


@pytest.fixture(params=["memory", "firestore"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[CallerStore]:
    if request.param == "memory":
        yield MemoryCallers()
        return
    project = f"test-{uuid.uuid4().hex[:12]}"
    async with rpc.connect(request.getfixturevalue("firestore_host")) as channel:
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


async def test_callers_are_listed_by_id(store: CallerStore) -> None:
    await store.create(BARE)
    await store.create(FULL)
    assert [caller.id for caller in await store.callers(limit=5, after=None)] == [FULL.id, BARE.id]
    assert [caller.id for caller in await store.callers(limit=1, after=None)] == [FULL.id]
    assert [caller.id for caller in await store.callers(limit=5, after=FULL.id)] == [BARE.id]


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
