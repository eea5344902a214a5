"""The gateway on fakes, and clients that call it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import httpx

from functions.gateway.access.caller import Caller
from functions.gateway.services import Gateway
from shared.delivery.model import DeliveryStatus
from tests.fakes.callers import MemoryCallers
from tests.fakes.channel_states import MemoryChannelStates
from tests.fakes.clock import START
from tests.fakes.lists import MemoryLists
from tests.fakes.people import MemoryPeople
from tests.fakes.publisher import MemoryPublisher
from tests.fakes.receipts import MemoryReceipts
from tests.fakes.statistics import MemoryStatistics
from tests.fakes.store import MemoryStore
from tests.integration.gateway import client_of, gateway_over, new_caller_in


class Recorded:
    """Hands on to a fake, and notes in `order` when each call of it begins, and that it has ended well."""

    def __init__(self, fake: object, order: list[str]) -> None:
        self._fake = fake
        self._order = order

    def __getattr__(self, name: str) -> Callable[..., Any]:
        call = getattr(self._fake, name)

        async def noted(*given: Any, **named: Any) -> Any:
            self._order.append(name)
            answer = await call(*given, **named)
            self._order.append(f"{name} done")
            return answer

        return noted


@dataclass
class Api:
    """`order`: the calls of the store and the publisher, as `Recorded` notes them."""

    store: MemoryStore = field(default_factory=MemoryStore)
    publisher: MemoryPublisher = field(default_factory=MemoryPublisher)
    callers: MemoryCallers = field(default_factory=MemoryCallers)
    order: list[str] = field(default_factory=list)
    open: AsyncExitStack = field(default_factory=AsyncExitStack)
    channel_states: MemoryChannelStates = field(default_factory=MemoryChannelStates)
    people: MemoryPeople = field(init=False)
    statistics: MemoryStatistics = field(init=False)
    lists: MemoryLists = field(init=False)
    gateway: Gateway = field(init=False)

    def __post_init__(self) -> None:
        self.people = MemoryPeople(self.store)
        self.statistics = MemoryStatistics(self.store)
        self.lists = MemoryLists(self.store)
        store: Any = Recorded(self.store, self.order)
        publisher: Any = Recorded(self.publisher, self.order)
        self.gateway = gateway_over(
            *(store, publisher, self.callers, MemoryReceipts()),
            people=self.people,
            list_store=self.lists,
            channel_states=self.channel_states,
            statistics=self.statistics,
        )

    async def client(self, **caller: Any) -> httpx.AsyncClient:
        """That of a new caller with all scopes and no limits, but for what is named."""
        return (await self.caller(**caller))[1]

    async def caller(self, **caller: Any) -> tuple[Caller, httpx.AsyncClient]:
        made, key = await new_caller_in(self.callers, **caller)
        return made, await self.open.enter_async_context(client_of(self.gateway, key))

    async def die(self, notification_id: str, channel: str = "email") -> None:
        """Its delivery is dead."""
        delivery = self.store.get(notification_id, channel)
        dead = replace(delivery, status=DeliveryStatus.DEAD, due_at=None, dead_at=START, error="attempts used up")
        await self.store.update(dead)


@asynccontextmanager
async def api_on_fakes() -> AsyncIterator[Api]:
    api = Api()
    async with api.open:
        yield api
    # The counts are exchanged beside the requests; none may outlive the loop.
    await asyncio.gather(*(c.exchange for c in api.gateway.quotas._counts.values() if c.exchange))
