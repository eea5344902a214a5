"""The stores that the suite in test_stores.py runs over."""

import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from emulator.embedded.firestore import serving
from shared.delivery.store import Store
from shared.google.firestore import rpc
from shared.google.firestore.records import document
from shared.google.firestore.store import FirestoreStore
from tests.fakes.store import MemoryStore

DAMAGE: Mapping[str, Mapping[str, Any]] = {
    "notifications": {"channels": 3},
    "deliveries": {"attempts": "none"},
    "recipients": {"addresses": "here"},
}
"""By collection, what a record of it cannot be read with; it is found by queries as before."""


async def spoil(store: Store, path: str) -> None:
    """The record under this path cannot be read from now on."""
    if isinstance(store, MemoryStore):
        store.spoil(path)
        return
    assert isinstance(store, FirestoreStore)
    calls, values = store._rpc, DAMAGE[path.split("/")[-2]]
    update = document(f"{calls.documents}/{path}", values)
    await calls.commit([rpc.Write(update=update, update_mask=rpc.DocumentMask(field_paths=list(values)))])


@asynccontextmanager
async def memory() -> AsyncIterator[Store]:
    yield MemoryStore()


@asynccontextmanager
async def firestore_of(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """Where the Firestore of the parameter "firestore" (the emulator's) or "embedded" listens, as host:port."""
    if request.param == "firestore":
        yield request.getfixturevalue("firestore_host")
    else:
        async with serving() as host:
            yield host


@asynccontextmanager
async def firestore(host: str) -> AsyncIterator[Store]:
    """On the emulator at `host`, in a project that nobody else has: the emulator keeps each project's records apart."""
    project = f"test-{uuid.uuid4().hex[:12]}"
    async with rpc.connect(host) as channel:
        yield FirestoreStore(rpc.Rpc(channel, f"projects/{project}/databases/(default)", emulated=True))
