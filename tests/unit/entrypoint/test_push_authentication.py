"""Push tokens: off unless configured, in force for every push and for the relay once they are."""

import asyncio
import importlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response

from functions.relay.overdue_deliveries import Relay
from functions.relay.scheduled_deliveries import ScheduledDeliveries
from shared.entrypoint.push_authentication import open_guard
from shared.entrypoint.push_handler import Deliver, push_handler
from shared.entrypoint.push_requests import push_requests
from shared.http import request_body
from shared.sending.messages import Answer, Message
from tests.e2e.stack import ROOT
from tests.environment import NEEDED
from tests.fakes.issuer import AUDIENCE, DISCOVERY, EMAIL, Issuer, guarding
from tests.fakes.publisher import MemoryPublisher
from tests.fakes.records import POLICY
from tests.fakes.relay_runs import MemoryRelayRuns
from tests.fakes.store import MemoryStore
from tests.unit.entrypoint.test_push_handler import MESSAGE, push_of


@pytest.fixture
async def issuer(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Issuer]:
    async with guarding(monkeypatch) as issuer:
        yield issuer


def client(handle: Callable[[Request], Awaitable[Response]]) -> httpx.AsyncClient:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await (await handle(Request(scope, receive)))(scope, receive, send)

    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://function")


class Taken:
    """What a push handler delivers to."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def open(self) -> Deliver:
        return self.deliver

    async def deliver(self, message: Message) -> Answer:
        self.messages.append(message)
        return Answer.ACK


@pytest.fixture
def taken() -> Taken:
    return Taken()


class NothingWaits:
    """No receipts to come back to."""

    async def sweep(self) -> int:
        return 0


@pytest.fixture
def sweeps(store: MemoryStore, publisher: MemoryPublisher, monkeypatch: pytest.MonkeyPatch) -> httpx.AsyncClient:
    """The deployed relay over fakes, without a guard: requested before `issuer`, it is imported without one."""
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "test")
    main = importlib.import_module("functions.relay.main")
    scheduled = ScheduledDeliveries(store, publisher, timedelta(seconds=1))
    monkeypatch.setattr(
        main, "_sweeps", (NothingWaits(), Relay(store, publisher, POLICY), scheduled, None, MemoryRelayRuns())
    )
    return client(main.relay)


def bearer(token: str, scheme: str = "Bearer") -> dict[str, str]:
    return {"Authorization": f"{scheme} {token}"}


@pytest.mark.parametrize("missing", ["PUSH_AUDIENCE", "PUSH_SERVICE_ACCOUNT"])
def test_one_of_two_settings_stops_the_start_and_names_both(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    canary = "canary-5e3f"
    for name in {"PUSH_AUDIENCE", "PUSH_SERVICE_ACCOUNT"} - {missing}:
        monkeypatch.setenv(name, canary)
    with pytest.raises(SystemExit) as refused:
        open_guard()
    assert "PUSH_AUDIENCE and PUSH_SERVICE_ACCOUNT must both be set" in str(refused.value)
    assert canary not in str(refused.value)


def test_an_issuer_that_is_no_url_stops_the_start(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUSH_ISSUER", "accounts.google.com")
    with pytest.raises(SystemExit, match="PUSH_ISSUER: must be an http"):
        open_guard()


@pytest.mark.parametrize("url", ["http://issuer.example", "http://10.0.0.1", "https://issuer.example?x=1"])
def test_an_issuer_that_anybody_on_the_way_can_speak_for_stops_the_start(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("PUSH_ISSUER", url)
    with pytest.raises(SystemExit, match="PUSH_ISSUER: must be"):
        open_guard()


@pytest.mark.parametrize(
    ("module", "settings"),
    [("dead_letter", {}), ("relay", {}), ("operations", {}), ("slack", {"SLACK_PROVIDER": "log"})],
    ids=str,
)
@pytest.mark.parametrize("guarded", [False, True])
def test_only_a_function_that_verifies_tokens_loads_what_that_takes(
    module: str, settings: dict[str, str], guarded: bool
) -> None:
    environ = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    push = {"PUSH_AUDIENCE": AUDIENCE, "PUSH_SERVICE_ACCOUNT": EMAIL} if guarded else {}
    names = "('shared.http.openid_connect', 'jwt')"
    report = f"import sys, functions.{module}.main; print(*(n in sys.modules for n in {names}))"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", report],
        cwd=ROOT,
        env={**environ, **NEEDED, "PYTHONPATH": str(ROOT), "GOOGLE_CLOUD_PROJECT": "test", **settings, **push},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == f"{guarded} {guarded}\n"


async def test_without_the_settings_no_token_is_asked_for(taken: Taken) -> None:
    assert (await client(push_handler(taken.open)).post("/", content=push_of(MESSAGE))).status_code == 204


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer ", " Bearer  "])
@pytest.mark.parametrize("end", ["", " ", " \t"])
async def test_a_push_with_the_accounts_token_is_taken(issuer: Issuer, taken: Taken, scheme: str, end: str) -> None:
    function = client(push_handler(taken.open))
    answer = await function.post("/", content=push_of(MESSAGE), headers=bearer(issuer.token() + end, scheme))
    assert (answer.status_code, taken.messages) == (204, [MESSAGE])


async def test_a_push_without_a_token_is_refused(issuer: Issuer, taken: Taken) -> None:
    answer = await client(push_handler(taken.open)).post("/", content=push_of(MESSAGE))
    assert (answer.status_code, answer.headers["WWW-Authenticate"], taken.messages) == (401, "Bearer", [])


async def test_while_the_keys_cannot_be_had_a_push_may_come_again(
    issuer: Issuer, taken: Taken, capsys: pytest.CaptureFixture[str]
) -> None:
    issuer.discovery = {"issuer": "https://other.example"}
    function = client(push_handler(taken.open))
    answer = await function.post("/", content=push_of(MESSAGE), headers=bearer(issuer.token()))
    assert (answer.status_code, taken.messages) == (503, [])
    assert issuer.asked == {DISCOVERY: 1}
    assert issuer.token().split(".")[1] not in capsys.readouterr().out


async def test_a_health_check_needs_no_token(issuer: Issuer, taken: Taken) -> None:
    assert (await client(push_handler(taken.open)).get("/healthz")).status_code == 204


async def test_the_relay_sweeps_for_the_accounts_token_alone(
    sweeps: httpx.AsyncClient, issuer: Issuer, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    main = importlib.import_module("functions.relay.main")
    monkeypatch.setattr(main, "_handle", push_requests(main._sweep, lambda: Response(status_code=400)))
    for headers in ({}, bearer(issuer.token(email="other@example.com")), bearer(issuer.token(aud="other"))):
        answer = await sweeps.post("/", headers=headers)
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert not store.calls
    assert (await sweeps.post("/", headers=bearer(issuer.token()))).status_code == 200
    assert (await sweeps.get("/healthz")).status_code == 204


# A body that does not arrive


async def dripping() -> AsyncIterator[bytes]:
    while True:
        yield b" "
        await asyncio.sleep(0.01)


async def test_a_push_whose_body_does_not_arrive_in_time_is_ended(
    taken: Taken, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_body, "SECONDS", 0.1)
    answer = await client(push_handler(taken.open)).post("/", content=dripping())
    assert (answer.status_code, answer.headers["Connection"], taken.messages) == (408, "close", [])


async def test_the_relay_does_nothing_for_a_call_whose_body_does_not_arrive_in_time(
    sweeps: httpx.AsyncClient, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_body, "SECONDS", 0.1)
    assert (await sweeps.post("/", content=dripping())).status_code == 408
    assert not store.calls


async def test_the_relay_does_nothing_for_a_call_with_a_huge_body(
    sweeps: httpx.AsyncClient, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.entrypoint.push_requests.PUSH_LIMIT", 10)
    assert (await sweeps.post("/", content=dripping())).status_code == 400
    assert not store.calls
    assert (await sweeps.post("/", content=b"{}")).status_code == 200
