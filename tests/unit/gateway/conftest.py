"""The gateway on fakes, and a client that may do all. Who needs either otherwise has a fixture of that name."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.fakes.api import Api, api_on_fakes


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with api_on_fakes() as api:
        yield api


@pytest.fixture
async def client(api: Api) -> httpx.AsyncClient:
    return await api.client()
