"""Endpoints in memory, as strict as Firestore about versions."""

import asyncio
from dataclasses import replace
from itertools import count

from shared.delivery.errors import AlreadyExists, Conflict, NotFound
from shared.delivery.store import Page
from shared.sending.endpoints import Endpoint


class MemoryEndpoints:
    """See `shared.sending.endpoints.EndpointStore`."""

    def __init__(self) -> None:
        self.records: dict[str, Endpoint] = {}
        self._versions = count(1_767_323_045_678_901_000, 1_000)

    async def endpoint(self, name: str) -> Endpoint | None:
        await asyncio.sleep(0)
        return self.records.get(name)

    async def put_endpoint(self, endpoint: Endpoint) -> None:
        await asyncio.sleep(0)
        if endpoint.version is not None:
            self._check(endpoint)
        elif endpoint.name in self.records:
            raise AlreadyExists(endpoint.name)
        self.records[endpoint.name] = replace(endpoint, version=next(self._versions))

    async def delete_endpoint(self, endpoint: Endpoint) -> None:
        await asyncio.sleep(0)
        self._check(endpoint)
        del self.records[endpoint.name]

    async def endpoints(self, *, limit: int, after: str | None) -> Page[Endpoint, str]:
        await asyncio.sleep(0)
        names = sorted(name for name in self.records if after is None or name > after)
        items = [self.records[name] for name in names[:limit]]
        return Page(items, names[limit - 1] if len(names) > limit else None)

    def _check(self, endpoint: Endpoint) -> None:
        if endpoint.name not in self.records:
            raise NotFound(endpoint.name)
        if self.records[endpoint.name].version != endpoint.version:
            raise Conflict(endpoint.name)
