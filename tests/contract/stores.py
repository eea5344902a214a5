"""The stores that the suite in test_stores.py runs over."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from shared.delivery.store import Store
from shared.google.firestore import rpc
from shared.google.firestore.store import FirestoreStore
from tests.fakes.store import MemoryStore


@asynccontextmanager
async def memory() -> AsyncIterator[Store]:
    yield MemoryStore()


@asynccontextmanager
async def firestore(host: str) -> AsyncIterator[Store]:
    """On the emulator at `host`, in a project that nobody else has: the emulator keeps each project's records apart."""
    project = f"test-{uuid.uuid4().hex[:12]}"
    async with rpc.connect(host) as channel:
        yield FirestoreStore(rpc.Rpc(channel, f"projects/{project}/databases/(default)", emulated=True))
