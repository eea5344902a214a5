"""The relay as it is deployed: what it answers Cloud Scheduler, whatever goes wrong."""

import asyncio
import importlib
import json
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response

from functions.relay.overdue_deliveries import Relay
from functions.relay.scheduled_deliveries import ScheduledDeliveries
from functions.relay.waiting_receipts import WaitingReceipts
from shared.delivery.errors import StoreUnavailable
from shared.delivery.store import SHARDS
from shared.entrypoint import startup
from shared.entrypoint.push_requests import PUSH_LIMIT, push_requests
from shared.runtime import logs
from tests.fakes.clock import START, Clock
from tests.fakes.people import MemoryPeople
from tests.fakes.publisher import MemoryPublisher
from tests.fakes.receipts import MemoryReceipts
from tests.fakes.records import POLICY, a_notification, accepted
from tests.fakes.relay_runs import MemoryRelayRuns
from tests.fakes.store import MemoryStore


@pytest.fixture
def runs() -> MemoryRelayRuns:
    return MemoryRelayRuns()


@pytest.fixture
def main(
    store: MemoryStore, publisher: MemoryPublisher, runs: MemoryRelayRuns, monkeypatch: pytest.MonkeyPatch
) -> ModuleType:
    """The deployed module, on the fakes."""
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "test")
    module = importlib.import_module("functions.relay.main")
    clock = Clock(START + 2 * POLICY.grace)
    receipts = WaitingReceipts(store, MemoryReceipts(), MemoryPeople(store), clock.now)
    scheduled = ScheduledDeliveries(store, publisher, timedelta(seconds=1), clock.now)
    monkeypatch.setattr(
        module, "_sweeps", (receipts, Relay(store, publisher, POLICY, clock.now), scheduled, None, runs)
    )
    logs.configure()
    return module


@pytest.fixture
def function(main: ModuleType) -> httpx.AsyncClient:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        response = await main.relay(Request(scope, receive))
        await response(scope, receive, send)

    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://relay")


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


async def overdue(store: MemoryStore, count: int = 1) -> None:
    for _ in range(count):
        await accepted(store, a_notification())


async def test_it_tells_what_it_did(function: httpx.AsyncClient, store: MemoryStore) -> None:
    await overdue(store, 2)
    answer = await function.post("/")
    nothing = dict.fromkeys(("dead", "expired", "unpublished", "receipts", "on_time", "waited"), 0)
    assert (answer.status_code, answer.json()) == (200, {"published": 2, **nothing})
    assert (await function.get("/")).status_code == 405
    assert (await function.get("/healthz")).status_code == 204


async def test_records_that_cannot_be_read_are_a_503(function: httpx.AsyncClient, store: MemoryStore) -> None:
    store.down("overdue")
    assert (await function.post("/")).status_code == 503


async def test_that_it_ran_is_on_record_once_it_has_looked_through_all(
    function: httpx.AsyncClient, runs: MemoryRelayRuns, store: MemoryStore
) -> None:
    store.down("overdue")
    await function.post("/")
    assert runs.at is None
    store.down()
    began = datetime.now(UTC)
    await function.post("/")
    assert runs.at is not None
    assert began <= runs.at <= datetime.now(UTC)


async def test_when_that_cannot_be_written_all_else_is_done(
    function: httpx.AsyncClient, runs: MemoryRelayRuns, store: MemoryStore, capsys: pytest.CaptureFixture[str]
) -> None:
    runs.down = True
    await overdue(store)
    answer = await function.post("/")
    assert (answer.status_code, answer.json()["published"]) == (200, 1)
    assert [line["severity"] for line in lines(capsys) if "relay ran" in line["message"]] == ["ERROR"]


async def test_a_call_that_the_guard_refuses_sweeps_nothing(
    function: httpx.AsyncClient,
    main: ModuleType,
    store: MemoryStore,
    publisher: MemoryPublisher,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Guard:
        answer: Response | None = Response(status_code=401)

        async def refusal(self, _: Request) -> Response | None:
            return self.answer

    guard = Guard()
    monkeypatch.setattr("shared.entrypoint.push_requests.open_guard", lambda: guard)
    monkeypatch.setattr(main, "_handle", push_requests(main._sweep, lambda: Response(status_code=400)))
    await overdue(store)
    assert ((await function.post("/")).status_code, publisher.messages) == (401, [])
    guard.answer = None
    assert ((await function.post("/")).status_code, len(publisher.messages)) == (200, 1)


SCOPE = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": []}


async def test_a_body_that_is_too_large_sweeps_nothing(
    function: httpx.AsyncClient, store: MemoryStore, publisher: MemoryPublisher
) -> None:
    await overdue(store)
    answer = await function.post("/", headers={"Content-Length": str(PUSH_LIMIT + 1)}, content=b"")
    assert (answer.status_code, publisher.calls) == (400, 0)


async def test_a_body_that_does_not_come_sweeps_nothing(
    main: ModuleType, publisher: MemoryPublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.http.request_body.SECONDS", 0.01)
    answer = await main.relay(Request(SCOPE, asyncio.get_running_loop().create_future))
    assert (answer.status_code, answer.headers["connection"], publisher.calls) == (408, "close", 0)


async def test_a_caller_that_leaves_before_its_body_has_come_is_no_fault_of_ours(
    main: ModuleType, publisher: MemoryPublisher, capsys: pytest.CaptureFixture[str]
) -> None:
    async def gone() -> dict[str, str]:
        return {"type": "http.disconnect"}

    answer = await main.relay(Request(SCOPE, gone))
    assert (answer.status_code, lines(capsys), publisher.calls) == (503, [], 0)


async def test_a_fault_of_ours_is_a_500_that_says_nothing_of_it(
    function: httpx.AsyncClient, store: MemoryStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def broken(*_: Any) -> Any:
        raise KeyError("canary")

    monkeypatch.setattr(store, "overdue", broken)
    answer = await function.post("/")
    (line,) = lines(capsys)
    assert (answer.status_code, line["message"], line["severity"]) == (500, "sweep failed", "ERROR")
    assert "canary" not in answer.text + str(line)


@pytest.mark.parametrize("error", [StoreUnavailable("down"), KeyError("canary")])
async def test_whatever_goes_wrong_with_receipts_keeps_no_delivery_back(
    function: httpx.AsyncClient,
    main: ModuleType,
    store: MemoryStore,
    publisher: MemoryPublisher,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
) -> None:
    async def broken(*_: Any) -> Any:
        raise error

    monkeypatch.setattr(main._sweeps[0].receipts, "due", broken)
    await overdue(store)
    answer = await function.post("/")
    assert (answer.status_code, answer.json()["receipts"], len(publisher.messages)) == (200, 0, 1)


async def test_the_first_request_opens_the_records(
    function: httpx.AsyncClient, main: ModuleType, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection belongs to a loop, and there is none before."""
    opened = iter([main._sweeps])
    monkeypatch.setattr(main, "_sweeps", None)
    monkeypatch.setattr(main, "_open", lambda: next(opened))
    await overdue(store)
    assert [(await function.post("/")).json()["published"] for _ in range(2)] == [1, 0]


@pytest.mark.parametrize(("emulator", "shards"), [("127.0.0.1:1", [None]), (None, list(range(SHARDS)))])
def test_what_it_opens_is_over_one_connection(
    main: ModuleType, monkeypatch: pytest.MonkeyPatch, emulator: str | None, shards: list[int | None]
) -> None:
    """And asks the emulator, whose queries look at all that it stores, for all shards at once."""
    rpc, publisher = object(), object()
    settings = main._settings.model_copy(update={"firestore_emulator_host": emulator})
    monkeypatch.setattr(main, "_settings", settings)
    monkeypatch.setattr(main, "open_rpc", lambda _: rpc)
    monkeypatch.setattr(main, "open_publisher", lambda _: publisher)
    monkeypatch.setattr(startup, "FirestoreStore", lambda connected: ("store", connected))
    monkeypatch.setattr(main, "FirestoreRelayRuns", lambda connected: ("runs", connected))
    monkeypatch.setattr(main, "FirestoreReceipts", lambda connected: ("receipts", connected))
    receipts, relay, scheduled, _, runs = main._open()
    assert runs == ("runs", rpc)
    assert (scheduled.store, scheduled.publisher, list(scheduled.shards)) == (("store", rpc), publisher, shards)
    assert (receipts.store, receipts.receipts) == (("store", rpc), ("receipts", rpc))
    assert (relay.store, relay.publisher, relay.policy) == (("store", rpc), publisher, settings.policy())
    assert (list(receipts.shards), list(relay.shards)) == (shards, shards)
