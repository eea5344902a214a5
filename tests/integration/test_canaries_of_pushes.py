"""Nobody's address or text gets out by an error of a function that is pushed to or called: not into its log."""

import base64
import importlib
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import httpx
import pytest
from starlette.requests import Request

from functions.dead_letter.given_up_messages import DeadLetter
from functions.relay.overdue_deliveries import Relay
from functions.relay.scheduled_deliveries import LookedAhead
from shared.delivery.errors import Conflict, Permanent, Refused, Retryable, SendError, Throttled, Unknown
from shared.delivery.model import Delivery, DeliveryStatus
from shared.delivery.store import Store
from shared.entrypoint.push_handler import Deliver, push_handler
from shared.runtime import logs
from shared.sending.messages import Message
from shared.sending.pipeline import Pipeline
from tests.fakes.clock import Clock
from tests.fakes.provider import HANG, Result, ScriptedProvider
from tests.fakes.publisher import MemoryPublisher
from tests.fakes.records import POLICY, a_notification, accepted, first_message, later_message
from tests.fakes.relay_runs import MemoryRelayRuns
from tests.fakes.store import MemoryStore
from tests.integration.canaries import ADDRESS, ALL, MESSAGE, REQUEST, SECRET, SUBJECT, Faulty, Output


@pytest.fixture
def output(capsys: pytest.CaptureFixture[str]) -> Output:
    logs.configure()
    return Output(capsys)


class Losing(MemoryStore):
    """Takes the claim, and never the outcome."""

    async def update(self, delivery: Delivery) -> int:
        if delivery.status is not DeliveryStatus.SENDING:
            raise Conflict(delivery.notification_id)
        return await super().update(delivery)


def push_body(message: Message) -> bytes:
    data = base64.b64encode(message.model_dump_json().encode()).decode()
    return json.dumps({"message": {"data": data, "attributes": {"a": ALL}}, "subscription": ALL}).encode()


async def pushed(deliver: Deliver, body: bytes, channel: str | None = "email") -> int:
    handle = push_handler(lambda: deliver, channel)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await (await handle(Request(scope, receive)))(scope, receive, send)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://function") as client:
        answer = await client.post("/", content=body, headers={"Authorization": f"Bearer {SECRET}"})
    assert answer.content == b""
    return answer.status_code


async def delivered(store: MemoryStore, *results: Result) -> int:
    """The answer to the push of a notification full of canaries, whose provider does as the results say."""
    clock = Clock()
    notification = replace(a_notification(), message=MESSAGE, subject=SUBJECT, tags={"t": MESSAGE})
    [delivery] = await accepted(store, notification)
    message = first_message(notification, replace(delivery, address=ADDRESS))
    policy = replace(POLICY, send_deadline=timedelta(seconds=0.2))
    pipeline = Pipeline(store, ScriptedProvider(results), policy, now=clock.now, sleep=clock.sleep)
    return await pushed(pipeline.deliver, push_body(message))


ERRORS: Sequence[SendError] = [
    Retryable("the provider answered 503"),
    Retryable("the provider answered 401", credentials=True),
    Throttled("the provider answered 429", retry_after=600),
    Permanent("the provider answered 400"),
    Refused("invite the app"),
    Unknown("no answer"),
]
STRAYS: Sequence[Exception] = [
    ValueError(ALL),
    OSError(1, ALL, ALL),
    UnicodeDecodeError("utf-8", ALL.encode(), 0, 1, ALL),
    ExceptionGroup(ALL, [KeyError(ALL)]),
]


@pytest.mark.parametrize("result", [*ERRORS, *STRAYS, HANG, None], ids=lambda result: type(result).__name__)
async def test_whatever_a_provider_does_nothing_of_the_message_is_logged(result: Result, output: Output) -> None:
    await delivered(MemoryStore(), result)
    assert output.lines()


@pytest.mark.parametrize("result", [*ERRORS, *STRAYS, None], ids=lambda result: type(result).__name__)
async def test_an_outcome_that_cannot_be_recorded_is_logged_without_its_message(result: Result, output: Output) -> None:
    assert await delivered(Losing(), result) == 503
    assert output.lines()[-1]["message"].startswith("outcome not recorded")


MALFORMED = {
    "text": ALL.encode(),
    "bad JSON": json.dumps({"message": {"data": ALL}}).encode()[:-1],
    "no base64": json.dumps({"message": {"data": ALL}}).encode(),
    "no message of ours": json.dumps(
        {"message": {"data": base64.b64encode(json.dumps(REQUEST).encode()).decode()}}
    ).encode(),
    "a channel of another's": push_body(Message(notification_id="11111111-1111-4111-8111-111111111111", channel="sms")),
}


@pytest.mark.parametrize("case", MALFORMED)
async def test_a_malformed_push_is_not_repeated(case: str, output: Output) -> None:
    assert await pushed(cast(Deliver, None), MALFORMED[case]) == 503
    assert output.lines()[0]["message"] == "malformed push"


async def raising(*_: Any) -> Any:
    raise ValueError(ALL)


async def test_a_push_that_fails_is_logged_by_its_place(output: Output) -> None:
    assert await pushed(raising, push_body(a_message())) == 503
    assert output.lines()[0]["error"].startswith("ValueError at test_canaries_of_pushes.py:")


def a_message() -> Message:
    return Message(notification_id="11111111-1111-4111-8111-111111111111", channel="email")


@pytest.mark.parametrize("operation", ["load", "publish", "update"])
async def test_a_dead_letter_that_fails_gives_nothing_away(operation: str, output: Output) -> None:
    records, attempts = MemoryStore(), 0 if operation == "publish" else POLICY.max_attempts
    [delivery] = await accepted(records, replace(a_notification(), message=MESSAGE, subject=SUBJECT))
    store = cast(Store, Faulty(records, operation))
    publisher = cast(Any, Faulty(MemoryPublisher(), operation))
    taking = DeadLetter(store, publisher, replace(POLICY, max_attempts=attempts), Clock().now)
    assert await pushed(taking.take, push_body(later_message(delivery)), None) in {204, 503}
    assert output.lines()


@pytest.mark.parametrize("operation", ["overdue", "update_all", "publish"])
async def test_a_sweep_that_fails_gives_nothing_away(
    operation: str, output: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "canaries")
    main = importlib.import_module("functions.relay.main")
    records, clock = MemoryStore(), Clock()
    await accepted(records, replace(a_notification(), message=MESSAGE, subject=SUBJECT))
    clock.advance(POLICY.grace * 2)
    store = cast(Store, Faulty(records, operation))
    relay = Relay(store, cast(Any, Faulty(MemoryPublisher(), operation)), POLICY, clock.now)
    monkeypatch.setattr(main, "_sweeps", (Nothing(), relay, NothingScheduled(), None, MemoryRelayRuns()))
    assert await called(main.relay) == 500
    assert output.lines()[-1]["error"].startswith("ValueError at canaries.py:")


class Nothing:
    """No receipts wait."""

    async def sweep(self) -> int:
        return 0


class NothingScheduled:
    async def sweep(self) -> LookedAhead:
        return LookedAhead()


async def called(function: Callable[[Request], Awaitable[Any]]) -> int:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await (await function(Request(scope, receive)))(scope, receive, send)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://function") as client:
        return (await client.post("/", content=ALL)).status_code


@pytest.mark.parametrize(
    "text", ["a\nb", "a\r\nb", "\x1b[31mred\x1b[0m", "a\u2028b\u2029c", "\x85\x0b\x0c", "\0", "\ud800"]
)
def test_a_value_with_line_ends_and_escapes_stays_on_its_line(text: str, output: Output) -> None:
    logs.get_logger("here").error("it happened", reason=text, **{text: [text]})
    [line] = output.lines()
    assert (line["message"], line["reason"]) == ("it happened", text)
