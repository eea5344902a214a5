"""Thousands of forged pushes against a channel function: none is taken, none does anything."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from starlette.requests import Request

from shared.delivery.model import DeliveryStatus
from shared.entrypoint.push_handler import push_handler
from shared.runtime import logs
from shared.sending.messages import Message
from shared.sending.pipeline import Pipeline
from tests.fakes.clock import Clock
from tests.fakes.forgeries import Authorization, extra_keys, forged_tokens, malformed_bodies, push
from tests.fakes.issuer import Issuer, guarding
from tests.fakes.provider import ScriptedProvider
from tests.fakes.records import POLICY, a_notification, accepted, first_message
from tests.fakes.store import MemoryStore

TOKENS = tuple(forged_tokens(Issuer()))


@dataclass
class Function:
    """An e-mail function over fakes that takes pushes with the issuer's tokens, and one message for it."""

    issuer: Issuer
    message: Message
    store: MemoryStore
    provider: ScriptedProvider
    http: httpx.AsyncClient
    bodies_read: int = 0

    async def push(self, authorization: Authorization, body: bytes) -> httpx.Response:
        async def read() -> AsyncIterator[bytes]:
            self.bodies_read += 1
            yield body

        headers = [(b"Authorization", value) for value in authorization]
        return await self.http.post("http://function/", headers=headers, content=read())

    def touched(self) -> bool:
        return bool(self.store.calls) or bool(self.provider.sent)

    @property
    def good(self) -> bytes:
        return push(self.message.model_dump_json().encode())

    def bodies(self) -> list[bytes]:
        return [self.good, *malformed_bodies(self.message).values()]


@pytest.fixture
async def function(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Function]:
    logs.configure()
    store, provider, notification = MemoryStore(), ScriptedProvider(), a_notification()
    (delivery,) = await accepted(store, notification)
    store.calls.clear()
    async with guarding(monkeypatch) as issuer:
        issuer.keys += extra_keys()
        handle = push_handler(lambda: Pipeline(store, provider, POLICY, now=Clock().now).deliver, "email")

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await (await handle(Request(scope, receive)))(scope, receive, send)

        async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
            yield Function(issuer, first_message(notification, delivery), store, provider, client)


def bearer(token: str) -> Authorization:
    return [b"Bearer " + token.encode()]


@pytest.mark.parametrize("case", TOKENS)
async def test_a_forged_token_gets_nothing_done_whatever_the_body(
    function: Function, case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    authorization = forged_tokens(function.issuer)[case]()
    for body in function.bodies():
        answer = await function.push(authorization, body)
        assert (answer.status_code, answer.content) == (401, b"")
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert not function.touched()
    assert function.bodies_read == 0
    assert function.issuer.asked["/mine"] == 0
    output = capsys.readouterr()
    lines = [json.loads(line) for line in output.out.splitlines()]
    assert [line["message"] for line in lines] == ["push refused"] * len(function.bodies())
    token = b" ".join(authorization).decode("latin-1").partition(" ")[2]
    for part in token.replace(" ", ".").split("."):
        assert len(part) < 8 or part not in output.out + output.err


async def test_there_are_thousands_of_distinct_forgeries(function: Function) -> None:
    tokens = [tuple(forge()) for forge in forged_tokens(function.issuer).values()]
    made = [(token, body) for token in tokens for body in function.bodies()]
    assert len(set(made)) == len(made) > 3000


async def test_a_good_push_is_taken(function: Function) -> None:
    assert (await function.push(bearer(function.issuer.token()), function.good)).status_code == 204
    assert len(function.provider.accepted) == 1
    stored = function.store.get(function.message.notification_id, "email")
    assert stored.status is DeliveryStatus.SENT


async def test_a_good_token_does_not_make_a_malformed_body_good(
    function: Function, capsys: pytest.CaptureFixture[str]
) -> None:
    authorization = bearer(function.issuer.token())
    for name, body in malformed_bodies(function.message).items():
        assert (name, (await function.push(authorization, body)).status_code) == (name, 503)
    assert not function.touched()
    assert all(json.loads(line)["message"] == "malformed push" for line in capsys.readouterr().out.splitlines())


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_push_that_is_replayed_is_sent_once(function: Function, at_once: bool) -> None:
    authorization = bearer(function.issuer.token())
    pushes = [function.push(authorization, function.good) for _ in range(20)]
    answers = await asyncio.gather(*pushes) if at_once else [await push for push in pushes]
    assert [answer.status_code for answer in answers] == [204] * 20
    assert len(function.provider.sent) == 1
    assert function.issuer.asked.total() == 2
