"""Nobody's address, text or key gets out by an error of the gateway: not into its log, not into its answer."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any, cast
from urllib.parse import quote

import httpx
import pytest

from functions.gateway.access.caller import Caller
from functions.gateway.access.caller_store import CallerStore, Usage
from functions.gateway.notifications import acceptance
from shared.delivery.store import Store
from shared.runtime import logs
from shared.sending.receipts import ReceiptStore
from tests.fakes.publisher import MemoryPublisher
from tests.fakes.store import MemoryStore
from tests.integration.canaries import (
    ADDRESS,
    ALL,
    CANARIES,
    MESSAGE,
    REQUEST,
    SECRET,
    SUBJECT,
    TOKEN,
    Faulty,
    Output,
    assert_gives_nothing_away,
    spellings,
)
from tests.integration.gateway import client_of, gateway_over, new_caller_in


@pytest.fixture
def output(capsys: pytest.CaptureFixture[str]) -> Output:
    logs.configure()
    return Output(capsys)


@pytest.mark.parametrize("canary", CANARIES)
def test_a_canary_would_be_seen_in_each_of_its_spellings(canary: str) -> None:
    for spelling in spellings(canary):
        for seen in (spelling, f"x{spelling.upper()}x", spelling[2:10], f"dG8g{spelling[-9:]}"):
            with pytest.raises(AssertionError):
                assert_gives_nothing_away(seen)
    assert_gives_nothing_away(
        "functions/gateway/notifications/acceptance.py: 503 hark_live_ @example.com 2026-11-21T10:23:26.105340Z"
    )


class MemoryCallers:
    """As much of a CallerStore as one caller needs."""

    def __init__(self) -> None:
        self._callers: dict[str, Caller] = {}

    async def create(self, caller: Caller) -> None:
        self._callers[caller.id] = caller

    async def read(self, ids: Sequence[str]) -> Mapping[str, Caller]:
        return {i: self._callers[i] for i in ids if i in self._callers}

    async def add(self, usage: Usage) -> Usage:
        return usage


class Api:
    """A gateway on fakes, which fail as they are told."""

    def __init__(self) -> None:
        self.records = MemoryStore()
        self.topics = MemoryPublisher()
        self.store = Faulty(self.records)
        self.publisher = Faulty(self.topics)
        self.callers = Faulty(MemoryCallers())
        self.key = ""

    async def call(self, method: str, path: str, *, key: str | None = None, **request: Any) -> httpx.Response:
        callers = cast(CallerStore, self.callers)
        if not self.key:
            _, self.key = await new_caller_in(callers, name="canary")
        gateway = gateway_over(cast(Store, self.store), cast(Any, self.publisher), callers, cast(ReceiptStore, None))
        async with client_of(gateway, self.key if key is None else key) as client:
            answer = await client.request(method, path, **request)
        await asyncio.sleep(0)
        return answer


@pytest.fixture
def api() -> Api:
    return Api()


SEND = ("POST", "/v1/notifications")


def sending(**changes: Any) -> dict[str, Any]:
    return {"json": {**REQUEST, **changes}}


REFUSED: Mapping[str, tuple[int, tuple[str, str], dict[str, Any]]] = {
    "bad JSON": (400, SEND, {"content": json.dumps(REQUEST)[:-1]}),
    "text": (400, SEND, {"content": ALL}),
    "text in quotes": (422, SEND, {"content": json.dumps(ALL)}),
    "a list": (422, SEND, {"json": [ALL]}),
    "not UTF-8": (400, SEND, {"content": ALL.encode() + b"\xff"}),
    "too large": (413, SEND, sending(message=MESSAGE * 10_000)),
    "too long": (422, SEND, sending(to={"sms": "+14155552671"}, message=MESSAGE * 50)),
    "a subject of two lines": (422, SEND, sending(subject=f"{SUBJECT}\n{SUBJECT}")),
    "a message with an escape": (422, SEND, sending(message=f"{MESSAGE}\x1b[2J")),
    "wrong types": (422, SEND, sending(subject=[SUBJECT], message={"a": MESSAGE}, tags=MESSAGE)),
    "an unknown recipient": (422, SEND, {"json": {"recipient": "Kx93vQzLw81mTpYd", "message": MESSAGE}}),
    "a recipient that is an address": (422, SEND, sending(to=None, recipient=f" {ADDRESS}")),
    "no address": (422, SEND, sending(to={"email": f"{ADDRESS}@{ADDRESS}"})),
    "no number": (422, SEND, sending(to={"sms": f"+1 {ADDRESS}"})),
    "no channel of Slack's": (422, SEND, sending(to={"slack": ADDRESS})),
    "an unknown channel in the list": (422, SEND, sending(channels=[ADDRESS])),
    "a bad idempotency key": (422, SEND, {**sending(), "headers": {"Idempotency-Key": f"{SECRET} {SECRET}"}}),
    "a bad cursor": (422, ("GET", f"/v1/notifications?cursor={quote(ALL)}"), {}),
    "a bad filter": (422, ("GET", f"/v1/notifications?status={quote(ALL)}&recipient={quote(ALL)}"), {}),
    "an unknown path": (404, ("GET", f"/v1/{quote(ALL)}"), {}),
    "an unknown id": (404, ("GET", f"/v1/notifications/{quote(ALL, safe='')}"), {}),
    "a wrong method": (405, ("DELETE", f"/v1/notifications?x={quote(ALL)}"), {"content": ALL}),
    "a bad name": (422, ("PUT", f"/v1/recipients/{quote(ALL, safe='')}"), {"json": {"addresses": {"email": ADDRESS}}}),
    "a recipient with a bad address": (422, ("PUT", "/v1/recipients/a"), {"json": {"addresses": {"email": SUBJECT}}}),
    "an unknown dead letter": (404, ("DELETE", f"/v1/dead-letters/{quote(ALL, safe='')}/email"), {}),
    "answers of nobody": (404, ("POST", f"/v1/inbound/twilio?x={quote(ALL)}"), {"content": ALL}),
    "receipts of nobody": (404, ("POST", f"/v1/receipts/twilio?x={quote(ALL)}"), {"content": ALL}),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_a_refusal_repeats_nothing(api: Api, case: str, output: Output) -> None:
    status, (method, path), request = REFUSED[case]
    answer = await api.call(method, path, **request)
    assert answer.status_code == status, answer.text
    secret = api.key.split("_", 3)[3]
    assert_gives_nothing_away(answer.text + str(answer.headers.raw), secret)
    output.lines(secret)


async def test_of_what_a_client_sent_only_the_names_of_its_fields_come_back(api: Api, output: Output) -> None:
    answer = await api.call(*SEND, **sending(**{"an-unknown-field": ALL}))
    assert [error["field"] for error in answer.json()["errors"]] == ["an-unknown-field"]
    assert_gives_nothing_away(answer.text)
    assert output.lines() == []


@pytest.mark.parametrize("token", [TOKEN, SECRET, f"{SECRET}.{SECRET}.{SECRET}", ALL])
async def test_a_key_that_opens_nothing_is_not_repeated(api: Api, token: str, output: Output) -> None:
    answer = await api.call(*SEND, key=token, **sending())
    assert answer.status_code == 401
    assert_gives_nothing_away(answer.text + str(answer.headers.raw))
    output.lines()


@pytest.mark.parametrize("operation", ["create", "notification", "recipient"])
async def test_records_out_of_reach_are_a_503_without_a_text(
    api: Api, operation: str, output: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acceptance, "CREATE_SECONDS", 0.5)  # how long is for test_gateway_failures.py to say
    api.records.down(operation)
    request = sending() if operation == "create" else {"json": {"recipient": "alice", "message": MESSAGE}}
    path = SEND if operation != "notification" else ("GET", "/v1/notifications/11111111-1111-4111-8111-111111111111")
    answer = await api.call(*path, **request)
    assert answer.status_code == 503
    assert_gives_nothing_away(answer.text)
    assert output.lines()


async def test_a_publish_that_fails_is_a_503_without_a_text(api: Api, output: Output) -> None:
    api.topics.fail()
    answer = await api.call(*SEND, **sending())
    assert answer.status_code == 503
    assert_gives_nothing_away(answer.text)
    assert output.lines()[0]["message"] == "not published"


@pytest.mark.parametrize("operation", ["create", "recipient", "publish", "read"])
async def test_a_stray_exception_is_a_500_without_its_text(api: Api, operation: str, output: Output) -> None:
    await api.call("GET", "/healthz")  # makes the caller
    api.store.operation = api.publisher.operation = api.callers.operation = operation
    request = {"json": {"recipient": "alice", "message": MESSAGE}} if operation == "recipient" else sending()
    answer = await api.call(*SEND, **request)
    assert answer.status_code == 500
    assert_gives_nothing_away(answer.text)
    assert any("ValueError at canaries.py" in str(line.get("error")) for line in output.lines())
