"""A webhook as its receiver has it, and what becomes of an endpoint."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web

from functions.webhook import webhook_provider as module
from functions.webhook.webhook_provider import WebhookProvider
from hark_client import webhooks
from hark_client.errors import InvalidWebhook
from shared.delivery.errors import Permanent, Refused, Retryable, SendError, StoreUnavailable, Throttled, Unknown
from shared.sending.endpoints import Endpoint, EndpointSecrets, EndpointState
from shared.sending.provider import Outgoing
from tests.fakes.endpoints import MemoryEndpoints

SECRETS = EndpointSecrets(["a key of at least thirty-two characters", "an older key of at least thirty-two"])
BODY = '{"type":"delivery.sent","timestamp":"2026-01-01T00:00:00Z","data":{"notification_id":"ü"}}'
EVENT = "evt_0123"
NOW = datetime.now(UTC)


class Receiver:
    """Answers as a test says, and keeps what it got."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.status, self.headers, self.pause = 204, dict[str, str](), 0.0
        self.url = ""

    async def take(self, request: web.Request) -> web.StreamResponse:
        self.got.append((dict(request.headers), await request.read()))
        await asyncio.sleep(self.pause)
        return web.Response(status=self.status, headers=self.headers, body=b"x" * 5_000_000)


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver, app = Receiver(), web.Application()
    app.router.add_route("*", "/hook", receiver.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    try:
        yield receiver
    finally:
        await runner.cleanup()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
def endpoints() -> MemoryEndpoints:
    return MemoryEndpoints()


@pytest.fixture
async def provider(endpoints: MemoryEndpoints) -> AsyncIterator[WebhookProvider]:
    made = WebhookProvider(endpoints, SECRETS, loopback=True)
    yield made
    await made.aclose()


async def known(endpoints: MemoryEndpoints, url: str, **changes: Any) -> list[str]:
    """An endpoint at this URL. Its secrets."""
    values: dict[str, Any] = {"secrets": (SECRETS.new("salt"),), **changes}
    endpoint = Endpoint("billing", "1", url, ("*",), NOW, NOW, **values)
    await endpoints.put_endpoint(endpoint)
    return [str(SECRETS.value(secret)) for secret in endpoint.secrets]


def outgoing(timeout: float = 10.0) -> Outgoing:
    parts = {"event": EVENT}
    return Outgoing("6ba95bd8-6a68-49cb-a4fb-9d8f2ac7c1b4", "billing", None, BODY, timeout=timeout, parts=parts)


async def test_our_own_client_verifies_it(
    provider: WebhookProvider, endpoints: MemoryEndpoints, receiver: Receiver
) -> None:
    (secret,) = await known(endpoints, receiver.url)
    assert await provider.send(outgoing()) == EVENT
    ((headers, body),) = receiver.got
    assert headers["webhook-id"] == EVENT
    assert webhooks.verify(body, headers, secret).data == {"notification_id": "ü"}
    with pytest.raises(InvalidWebhook):
        webhooks.verify(body + b" ", headers, secret)


async def test_each_secret_signs_until_its_end(
    provider: WebhookProvider, endpoints: MemoryEndpoints, receiver: Receiver
) -> None:
    ends = [NOW - timedelta(seconds=1), NOW + timedelta(hours=1), None]
    kept = tuple(replace(SECRETS.new(str(n)), until=until) for n, until in enumerate(ends))
    over, old, new = await known(endpoints, receiver.url, secrets=kept)
    await provider.send(outgoing())
    ((headers, body),) = receiver.got
    assert len(headers["webhook-signature"].split()) == 2
    for secret in (old, new):
        webhooks.verify(body, headers, secret)
    with pytest.raises(InvalidWebhook):
        webhooks.verify(body, headers, over)


async def test_a_key_that_was_put_behind_a_new_one_signs_with_what_it_has_made(
    endpoints: MemoryEndpoints, receiver: Receiver
) -> None:
    (secret,) = await known(endpoints, receiver.url)
    turned = EndpointSecrets(["a new key of at least thirty-two characters", *SECRETS.keys])
    for secrets, works in ((turned, True), (EndpointSecrets(turned.keys[:1]), False)):
        provider = WebhookProvider(endpoints, secrets, loopback=True)
        try:
            if works:
                await provider.send(outgoing())
                webhooks.verify(receiver.got[-1][1], receiver.got[-1][0], secret)
            else:
                with pytest.raises(Refused, match="ENDPOINT_KEYS"):
                    await provider.send(outgoing())
        finally:
            await provider.aclose()


async def test_a_410_ends_the_endpoint(
    provider: WebhookProvider, endpoints: MemoryEndpoints, receiver: Receiver
) -> None:
    await known(endpoints, receiver.url)
    receiver.status = 410
    with pytest.raises(Permanent):
        await provider.send(outgoing())
    there = endpoints.records["billing"]
    assert (there.state, there.reason) == (EndpointState.DISABLED, "it answered 410 Gone")
    assert there.disabled_at is not None
    with pytest.raises(Refused, match="disabled"):
        await provider.send(outgoing())
    assert len(receiver.got) == 1


@pytest.mark.parametrize(
    ("status", "headers", "error"),
    [
        (302, {"Location": "/hook"}, Retryable),
        (307, {"Location": "http://127.0.0.1:1/"}, Retryable),
        (429, {"Retry-After": "3"}, Throttled),
        (503, {"Retry-After": "3"}, Throttled),
        (500, {}, Retryable),
        (404, {}, Retryable),
    ],
)
async def test_each_answer_is_an_error_of_ours(
    provider: WebhookProvider,
    endpoints: MemoryEndpoints,
    receiver: Receiver,
    status: int,
    headers: dict[str, str],
    error: type[SendError],
) -> None:
    await known(endpoints, receiver.url)
    receiver.status, receiver.headers = status, headers
    with pytest.raises(error) as raised:
        await provider.send(outgoing())
    assert receiver.url not in str(raised.value)
    assert len(receiver.got) == 1  # nothing is followed


async def test_who_plays_deaf_leaves_it_unknown(
    provider: WebhookProvider,
    endpoints: MemoryEndpoints,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_LONGEST_CALL", 0.2)
    await known(endpoints, receiver.url)
    receiver.pause = 30.0
    with pytest.raises(Unknown):
        await provider.send(outgoing())


async def test_nobody_there_is_tried_again(provider: WebhookProvider, endpoints: MemoryEndpoints) -> None:
    await known(endpoints, "http://127.0.0.1:1/hook")
    with pytest.raises(Retryable):
        await provider.send(outgoing())


@pytest.mark.parametrize(
    "url",
    [
        "https://10.0.0.1/hook",
        "http://example.com/hook",
        "https://user:pass@example.com/",  # pragma: allowlist secret
    ],
)
async def test_a_url_that_is_no_longer_good_is_not_called(
    provider: WebhookProvider, endpoints: MemoryEndpoints, url: str
) -> None:
    await known(endpoints, url)
    with pytest.raises(Refused) as raised:
        await provider.send(outgoing())
    assert "pass@" not in str(raised.value)


async def test_away_from_the_emulators_loopback_is_refused(endpoints: MemoryEndpoints, receiver: Receiver) -> None:
    provider = WebhookProvider(endpoints, SECRETS, loopback=False)
    await known(endpoints, receiver.url.replace("http://127.0.0.1", "https://0x7f.1"))
    try:
        with pytest.raises(Refused):
            await provider.send(outgoing())
    finally:
        await provider.aclose()
    assert receiver.got == []


async def test_without_the_endpoint_nothing_is_sent(provider: WebhookProvider) -> None:
    with pytest.raises(Permanent):
        await provider.send(outgoing())


async def test_without_its_record_it_is_tried_again(
    provider: WebhookProvider, endpoints: MemoryEndpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def down(_: str) -> Endpoint | None:
        raise StoreUnavailable("down")

    monkeypatch.setattr(endpoints, "endpoint", down)
    with pytest.raises(Retryable):
        await provider.send(outgoing())


def test_a_secret_says_nothing_of_its_key_or_of_another() -> None:
    made: Sequence[str | None] = [SECRETS.value(SECRETS.new(salt)) for salt in ("a", "b", "a")]
    assert made[0] == made[2] != made[1]
    assert "thirty-two" not in repr(SECRETS.new("a"))
