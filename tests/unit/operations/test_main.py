"""The function for operations as it is deployed: what it answers Cloud Scheduler, whatever goes wrong."""

import importlib
import json
from dataclasses import replace
from types import ModuleType
from typing import Any
from unittest.mock import MagicMock

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response

from functions.gateway import opening
from functions.operations.kinds import kinds
from shared.delivery.errors import StoreUnavailable
from shared.delivery.model import DeliveryStatus, TemplateUsed
from shared.entrypoint import startup
from shared.entrypoint.push_requests import push_requests
from shared.entrypoint.restored_records import RestoredRecords
from shared.runtime import logs
from shared.sending.operations import AGAIN, OperationState, Worker
from shared.sending.recalling import recall
from tests.fakes.callers import MemoryCallers
from tests.fakes.clock import START, Clock
from tests.fakes.lists import MemoryLists
from tests.fakes.operations import MemoryOperations
from tests.fakes.publisher import MemoryPublisher
from tests.fakes.receipts import MemoryReceipts
from tests.fakes.records import a_notification, accepted
from tests.fakes.store import MemoryStore
from tests.integration.gateway import gateway_over


@pytest.fixture
def operations() -> MemoryOperations:
    return MemoryOperations()


@pytest.fixture
def main(
    store: MemoryStore, publisher: MemoryPublisher, operations: MemoryOperations, monkeypatch: pytest.MonkeyPatch
) -> ModuleType:
    """The deployed module, on the fakes."""
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "test")
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", "127.0.0.1:1")
    module = importlib.import_module("functions.operations.main")
    clock = Clock(START + 2 * AGAIN)
    gateway = gateway_over(
        store, publisher, MemoryCallers(), MemoryReceipts(), list_store=MemoryLists(store), now=clock.now
    )
    worker = Worker(kinds(gateway), operations, clock.now, clock.sleep)
    monkeypatch.setattr(module, "_worker", worker)
    monkeypatch.setattr(module, "_restored", None)
    logs.configure()
    return module


@pytest.fixture
def function(main: ModuleType) -> httpx.AsyncClient:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        response = await main.operations(Request(scope, receive))
        await response(scope, receive, send)

    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://operations")


async def recalled(store: MemoryStore, operations: MemoryOperations) -> str:
    """The id of a notification that is to be cancelled."""
    notification = replace(a_notification(), template=TemplateUsed("order", 1, "en"))
    await accepted(store, notification)
    await operations.create(recall("o", "c", "order/1", START))
    return notification.id


async def test_what_is_due_is_worked_off(
    function: httpx.AsyncClient, store: MemoryStore, operations: MemoryOperations
) -> None:
    withdrawn = await recalled(store, operations)
    answer = await function.post("/")
    assert (answer.status_code, answer.json()["operations"]) == (200, 1)
    assert store.get(withdrawn, "email").status is DeliveryStatus.CANCELLED
    assert operations.records["o"].state is OperationState.DONE
    again = await function.post("/")
    assert (again.status_code, again.json()) == (200, {"operations": 0, "worked": 0.0})
    assert (await function.get("/")).status_code == 405
    assert (await function.get("/healthz")).status_code == 204


async def test_restored_records_are_held_back(
    function: httpx.AsyncClient,
    main: ModuleType,
    store: MemoryStore,
    operations: MemoryOperations,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def epoch() -> str:
        return "1"

    withdrawn = await recalled(store, operations)
    monkeypatch.setattr(main, "_restored", RestoredRecords("2", epoch))
    answer = await function.post("/")
    assert (answer.status_code, list(answer.json())) == (200, ["held"])
    assert store.get(withdrawn, "email").status is DeliveryStatus.QUEUED


@pytest.mark.parametrize(("error", "status"), [(StoreUnavailable("down"), 503), (KeyError("canary"), 500)])
async def test_what_cannot_be_read_is_answered_without_its_text(
    function: httpx.AsyncClient,
    operations: MemoryOperations,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    status: int,
) -> None:
    async def broken(*_: Any) -> Any:
        raise error

    monkeypatch.setattr(operations, "due", broken)
    answer = await function.post("/")
    (line,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (answer.status_code, line["message"], line["severity"]) == (status, "sweep failed", "ERROR")
    assert "canary" not in answer.text + str(line)


async def test_a_call_that_the_guard_refuses_works_at_nothing(
    function: httpx.AsyncClient,
    main: ModuleType,
    store: MemoryStore,
    operations: MemoryOperations,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Guard:
        async def refusal(self, _: Request) -> Response | None:
            return Response(status_code=401)

    monkeypatch.setattr("shared.entrypoint.push_requests.open_guard", Guard)
    monkeypatch.setattr(main, "_handle", push_requests(main._sweep, lambda: Response(status_code=400)))
    await recalled(store, operations)
    assert (await function.post("/")).status_code == 401
    assert operations.records["o"].state is OperationState.RUNNING


async def test_the_first_request_opens_the_records(
    function: httpx.AsyncClient, main: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection belongs to a loop, and there is none before."""
    opened = iter([main._worker])
    monkeypatch.setattr(main, "_worker", None)
    monkeypatch.setattr(main, "_open", lambda: next(opened))
    assert [(await function.post("/")).status_code for _ in range(2)] == [200, 200]


def test_what_it_opens_is_over_one_connection(main: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    open_rpc = MagicMock()
    rpc = open_rpc.return_value
    monkeypatch.setattr(opening, "open_rpc", open_rpc)
    monkeypatch.setattr(opening, "open_publisher", lambda _: "publisher")
    monkeypatch.setattr(startup, "FirestoreStore", lambda connected: ("store", connected))
    monkeypatch.setattr(opening, "FirestoreLists", lambda connected: ("lists", connected))
    monkeypatch.setattr(opening, "FirestoreOperations", lambda connected: ("operations", connected))
    worker = main._open()
    assert open_rpc.call_count == 1
    assert worker.operations == ("operations", rpc)
    recalling = worker.kinds["recall"]
    assert worker.kinds["clear_list"].lists == ("lists", rpc)
    assert (recalling.store, recalling.publisher) == (("store", rpc), "publisher")
    assert worker.kinds["broadcast"].gateway.store == ("store", rpc)
