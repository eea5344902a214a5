"""What is on record of the relay's runs, in memory and on Firestore."""

import uuid
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from shared.delivery.errors import UnreadableRecord
from shared.google.firestore import rpc
from shared.google.firestore.records import document
from shared.google.firestore.relay_runs import FirestoreRelayRuns
from shared.sending.relay_runs import RelayRuns
from tests.contract import stores
from tests.fakes.clock import START
from tests.fakes.relay_runs import MemoryRelayRuns


@pytest.fixture(params=["memory", "firestore", "embedded"])
async def runs(request: pytest.FixtureRequest) -> AsyncIterator[RelayRuns]:
    if request.param == "memory":
        yield MemoryRelayRuns()
        return
    async with stores.firestore_of(request) as host, rpc.connect(host) as channel:
        project = f"projects/t-{uuid.uuid4().hex[:20]}/databases/(default)"
        yield FirestoreRelayRuns(rpc.Rpc(channel, project, emulated=True))


async def test_the_last_one_is_known(runs: RelayRuns) -> None:
    assert await runs.last() is None
    await runs.ran(START)
    assert await runs.last() == START
    await runs.ran(START + timedelta(minutes=1))
    assert await runs.last() == START + timedelta(minutes=1)


async def test_a_record_that_cannot_be_read_says_which_it_is(runs: RelayRuns) -> None:
    if not isinstance(runs, FirestoreRelayRuns):
        pytest.skip("memory has no record")
    await runs._rpc.commit([rpc.Write(update=document(runs._name, {"ran_at": "today"}))])
    with pytest.raises(UnreadableRecord, match="system/relay"):
        await runs.last()
