"""What every store of channels' states promises, in memory and on Firestore."""

import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.delivery.errors import AlreadyExists, Conflict, NotFound
from shared.google.firestore import rpc
from shared.google.firestore.channel_state_store import FirestoreChannelStates
from shared.google.firestore.records import document
from shared.sending.channel_states import Activity, ChannelState, ChannelStateStore
from tests.contract import stores
from tests.fakes.channel_states import MemoryChannelStates
from tests.fakes.clock import START

PAUSED = ChannelState("sms", Activity.PAUSED, START, "c", "Twilio is down")


@pytest.fixture(params=["memory", "firestore", "embedded"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[ChannelStateStore]:
    if request.param == "memory":
        yield MemoryChannelStates()
        return
    async with stores.firestore_of(request) as host, rpc.connect(host) as channel:
        project = f"projects/t-{uuid.uuid4().hex[:20]}/databases/(default)"
        yield FirestoreChannelStates(rpc.Rpc(channel, project, emulated=True))


async def test_what_is_written_is_read(store: ChannelStateStore) -> None:
    assert dict(await store.states()) == {}
    await store.put(PAUSED)
    await store.put(replace(PAUSED, channel="email", reason=None))
    there = await store.states()
    assert {name: replace(state, version=None) for name, state in there.items()} == {
        "sms": PAUSED,
        "email": replace(PAUSED, channel="email", reason=None),
    }
    resumed = ChannelState("sms", Activity.ACTIVE, START + timedelta(hours=1), "d", version=there["sms"].version)
    await store.put(resumed)
    assert replace((await store.states())["sms"], version=None) == replace(resumed, version=None)


async def test_of_two_who_write_one_is_refused(store: ChannelStateStore) -> None:
    with pytest.raises((NotFound, Conflict)):
        await store.put(replace(PAUSED, version=1_767_323_045_678_901_000))
    await store.put(PAUSED)
    with pytest.raises((AlreadyExists, Conflict)):
        await store.put(PAUSED)
    there = (await store.states())["sms"]
    await store.put(replace(there, activity=Activity.ACTIVE))
    with pytest.raises(Conflict):
        await store.put(replace(there, reason="another"))


async def test_one_that_cannot_be_read_keeps_no_other_back(store: ChannelStateStore) -> None:
    if not isinstance(store, FirestoreChannelStates):
        pytest.skip("there is no such record in memory")
    await store.put(PAUSED)
    damaged = document(f"{store._rpc.documents}/channels/email", {"activity": "shaking", "since": START, "by": "c"})
    await store._rpc.commit([rpc.Write(update=damaged)])
    assert list(await store.states()) == ["sms"]
