"""What the integration tests share."""

from collections.abc import AsyncIterator

import pytest

from tests.integration.gateway import Hark, hark_on


@pytest.fixture
async def hark(firestore_host: str, pubsub_host: str) -> AsyncIterator[Hark]:
    """A gateway in this process, over the emulators."""
    async with hark_on(firestore_host, pubsub_host) as hark:
        yield hark
