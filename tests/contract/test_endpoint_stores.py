"""What every store of endpoints promises, in memory and on Firestore's emulator."""

import uuid
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from shared.delivery.errors import AlreadyExists, Conflict, NotFound
from shared.google.firestore import rpc
from shared.google.firestore.endpoint_store import FirestoreEndpoints
from shared.sending.endpoints import Endpoint, EndpointState, EndpointStore, Secret
from tests.contract import stores
from tests.fakes.clock import START
from tests.fakes.endpoints import MemoryEndpoints


@pytest.fixture(params=["memory", "firestore", "embedded"])
async def endpoints(request: pytest.FixtureRequest) -> AsyncIterator[EndpointStore]:
    if request.param == "memory":
        yield MemoryEndpoints()
        return
    async with stores.firestore_of(request) as host, rpc.connect(host) as channel:
        calls = rpc.Rpc(channel, f"projects/t-{uuid.uuid4().hex[:20]}/databases/(default)", emulated=True)
        yield FirestoreEndpoints(calls)


def an_endpoint(name: str = "billing") -> Endpoint:
    secrets = (Secret("a", "1", START), Secret("b", "2"))
    return Endpoint(name, "id", "https://example.com/", ("delivery.sent",), START, START, secrets, updated_by="c")


async def read(endpoints: EndpointStore, name: str = "billing") -> Endpoint:
    found = await endpoints.endpoint(name)
    assert found is not None
    return found


async def test_what_is_put_is_read(endpoints: EndpointStore) -> None:
    assert await endpoints.endpoint("billing") is None
    await endpoints.put_endpoint(an_endpoint())
    there = await read(endpoints)
    assert there == replace(an_endpoint(), version=there.version)
    over = replace(there, state=EndpointState.DISABLED, reason="it answered 410 Gone", disabled_at=START)
    await endpoints.put_endpoint(over)
    assert await read(endpoints) == replace(over, version=(await read(endpoints)).version)


async def test_nobody_overwrites_what_they_have_not_seen(endpoints: EndpointStore) -> None:
    await endpoints.put_endpoint(an_endpoint())
    there = await read(endpoints)
    with pytest.raises((AlreadyExists, Conflict)):
        await endpoints.put_endpoint(an_endpoint())
    await endpoints.put_endpoint(replace(there, url="https://example.com/new"))
    for write in (endpoints.put_endpoint, endpoints.delete_endpoint):
        with pytest.raises((Conflict, NotFound)):
            await write(there)
    assert (await read(endpoints)).url == "https://example.com/new"
    await endpoints.delete_endpoint(await read(endpoints))
    assert await endpoints.endpoint("billing") is None


async def test_they_are_listed_by_name(endpoints: EndpointStore) -> None:
    for name in ("c", "a", "b"):
        await endpoints.put_endpoint(an_endpoint(name))
    first = await endpoints.endpoints(limit=2, after=None)
    assert ([e.name for e in first.items], first.next) == (["a", "b"], "b")
    rest = await endpoints.endpoints(limit=2, after="b")
    assert ([e.name for e in rest.items], rest.next) == (["c"], None)
