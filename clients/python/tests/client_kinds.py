"""The same call by both clients, over a transport that is a function."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx

from hark_client import AsyncClient, Client
from hark_client.client import Parts
from hark_client.retries import Retries
from hark_client.sending import AsyncSender, Gateway, Sender

URL = "http://hark.test"
KEY = "hark_live_0123456789abcdef_secret"  # pragma: allowlist secret
KINDS = ("blocking", "awaited")
LONGEST_PAUSES = Retries(chance=lambda: 1.0)

Handler = Callable[[httpx.Request], httpx.Response]


class Clock:
    """What sleeps moves it on."""

    def __init__(self) -> None:
        self.time = 0.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds

    async def asleep(self, seconds: float) -> None:
        self.sleep(seconds)


def call(
    kind: str,
    handler: Handler,
    use: Callable[[Any], Any],
    clock: Clock | None = None,
    retries: Retries | None = None,
) -> Any:
    """What `use` of a client of this kind gives; a list of what it iterates over."""
    clock = clock or Clock()
    gateway = Gateway(URL, KEY, 10.0, retries or LONGEST_PAUSES, clock.monotonic)
    if kind == "blocking":
        with httpx.Client(transport=httpx.MockTransport(handler)) as http:
            found = use(Parts(gateway, Sender(http, clock.sleep)))
            return list(found) if hasattr(found, "pages") else found

    async def awaited() -> Any:
        async with httpx.AsyncClient(transport=httpx.MockTransport(handler)) as http:
            found = use(Parts(gateway, AsyncSender(http, clock.asleep)))
            return [item async for item in found] if hasattr(found, "pages") else await found

    return asyncio.run(awaited())


def client_of(kind: str) -> type[Client] | type[AsyncClient]:
    return Client if kind == "blocking" else AsyncClient


def a_notification(**changes: Any) -> dict[str, Any]:
    """An answer of the API's."""
    names = "recipient subject category template send_at deliver_by collapse_key ordering_key escalation"
    nothing = dict.fromkeys(names.split())
    at = "2026-01-02T03:04:05Z"
    return {
        **nothing,
        "id": "n-1",
        "status": "sent",
        "message": "Hello",
        "tags": {},
        "created_at": at,
        "deliveries": [a_delivery()],
        **changes,
    }


def a_delivery(**changes: Any) -> dict[str, Any]:
    nothing = dict.fromkeys(["provider", "provider_message_id", "error", "reason", "next_try_at", "judged_by"])
    there = {"channel": "sms", "address": "+14155552671", "status": "sent", "content": {}, "attempts": []}
    return {**nothing, **there, "updated_at": "2026-01-02T03:04:05Z", **changes}
