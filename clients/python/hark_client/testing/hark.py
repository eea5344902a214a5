"""What a test has in its hands: clients of a Hark in memory, and what happens behind it."""

import asyncio
import threading
from collections.abc import Coroutine, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, Self, TypeVar, get_args

import httpx

from hark_client.client import AsyncClient, Client
from hark_client.retries import Retries
from hark_client.sending import AsyncSender, Gateway, Sender
from hark_client.testing.provider import Failure, Sent
from hark_client.testing.system import System
from hark_client.testing.virtual_time import duration
from shared.delivery.model import DeliveryStatus

T = TypeVar("T")
URL = "http://hark.test"


class Hark:
    """The system on a loop and a thread of its own, so that tests with and without a loop can use it alike.

    client, async_client: may do everything, and wait in virtual time
    url, api_key, transport: for a client of the test's own, `Client(hark.url, hark.api_key, transport=hark.transport)`
    Raises ValueError where a setting of a channel's own, which the environment has, is wrong.
    """

    def __init__(self) -> None:
        try:
            self._system = System()
        except SystemExit as wrong:  # as a function ends that is started with a wrong setting
            raise ValueError(f"a setting in the environment is wrong: {wrong}") from None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="hark", daemon=True)
        self._thread.start()
        self.url = URL
        self.api_key = self._system.api_key
        self.transport = Transport(self._loop, self._system)
        gateway = Gateway(URL, self.api_key, 10.0, Retries(), self._system.time.monotonic)
        self.client: Client = _MemoryClient(gateway, self.transport, self)
        self.async_client: AsyncClient = _MemoryAsyncClient(gateway, self.transport, self)

    @property
    def now(self) -> datetime:
        """Virtual time, in UTC."""
        return self._system.time.now()

    def advance(self, by: str | float | timedelta) -> None:
        """Let time pass: "2h", "1h30m", seconds, or a timedelta. All that is due until then happens at its time."""
        self._run(self._system.advance_to(self.now + duration(by)))

    def sent(self, channel: str | None = None) -> Sequence[Sent]:
        """What providers took, in order; channel: over this one."""
        return [sent for sent in self._system.outbox.sent if channel in {None, sent.channel}]

    def fail_next(self, channel: str, failure: Failure, times: int = 1) -> None:
        """What the provider does with the next messages over this channel, in the lab's words: "503", "timeout", …

        Raises ValueError for a channel or a failure that there is not.
        """
        if channel not in self._system.channels:
            raise ValueError(f"there is no channel {channel}, but {', '.join(self._system.channels)}")
        if failure not in get_args(Failure):
            raise ValueError(f"{failure} is none of {', '.join(get_args(Failure))}")
        self._system.outbox.failures[channel] += [failure] * times

    def receipt(
        self,
        notification_id: str,
        status: Literal["delivered", "undelivered"] = "delivered",
        *,
        channel: str | None = None,
        reason: str | None = None,
    ) -> None:
        """What a provider reports of a message that it took. channel: by default each that was sent; reason: why not.

        Raises LookupError when nothing of it was sent.
        """
        sent = {s.channel for s in self.sent(channel) if s.notification_id == notification_id}
        if not sent:
            raise LookupError(f"nothing of {notification_id} was sent" + (f" over {channel}" if channel else ""))
        for name in sorted(sent):
            delivery = self._system.store.get(notification_id, name)
            self._run(self._system.report(delivery, DeliveryStatus(status), reason))

    def close(self) -> None:
        self.client.close()
        self._run(self.async_client.aclose())
        self._run(self._system.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


class Transport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Takes requests to the gateway in memory. When one is answered, all that it set off has happened."""

    def __init__(self, loop: asyncio.AbstractEventLoop, system: System) -> None:
        self._loop = loop
        self._system = system
        self._gateway = httpx.ASGITransport(system.app)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return asyncio.run_coroutine_threadsafe(self._answer(request, request.read()), self._loop).result()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answering = self._answer(request, await request.aread())
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(answering, self._loop))

    async def _answer(self, request: httpx.Request, body: bytes) -> httpx.Response:
        asked = httpx.Request(request.method, request.url, headers=request.headers, content=body)
        answer = await self._gateway.handle_async_request(asked)
        content = await answer.aread()
        await self._system.settle()
        return httpx.Response(answer.status_code, headers=answer.headers, content=content)


class _MemoryClient(Client):
    def __init__(self, gateway: Gateway, transport: Transport, hark: Hark) -> None:
        super(Client, self).__init__(gateway, Sender(httpx.Client(transport=transport), hark.advance))


class _MemoryAsyncClient(AsyncClient):
    def __init__(self, gateway: Gateway, transport: Transport, hark: Hark) -> None:
        async def advance(seconds: float) -> None:
            hark.advance(seconds)

        super(AsyncClient, self).__init__(gateway, AsyncSender(httpx.AsyncClient(transport=transport), advance))
