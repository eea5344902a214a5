"""From a push request to an answer: what is not ours is refused, and nobody's text gets into the logs."""

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from shared.delivery.errors import MalformedPush, StoreUnavailable
from shared.entrypoint.push_decoding import decode_push
from shared.entrypoint.push_handler import Deliver, push_handler
from shared.runtime import logs
from shared.sending.messages import Answer, Content, Message
from tests.fakes.clock import START

CANARY = "canary-5e3f"
MESSAGE = Message(
    notification_id="11111111-1111-4111-8111-111111111111",
    channel="email",
    content=Content(
        address=CANARY, subject=None, message="Zażółć 🦜\n", created_at=START, version=1_767_323_045_678_901
    ),
)


def push(data: bytes | str, **envelope: Any) -> bytes:
    """A push request's body, as Pub/Sub sends it."""
    encoded = base64.b64encode(data).decode() if isinstance(data, bytes) else data
    message = {"data": encoded, "messageId": "1", "publishTime": "2026-01-02T03:04:05Z", "attributes": {"channel": "x"}}
    return json.dumps({"message": message, "subscription": "projects/p/subscriptions/s", **envelope}).encode()


def push_of(message: Message) -> bytes:
    return push(message.model_dump_json().encode())


def changed(**fields: Any) -> bytes:
    return push(json.dumps(MESSAGE.model_dump(mode="json") | fields).encode())


def content_changed(**fields: Any) -> bytes:
    content = MESSAGE.model_dump(mode="json")["content"]
    return changed(content=content | fields)


MALFORMED = {
    "nothing": b"",
    "no JSON": CANARY.encode(),
    "cut short": push_of(MESSAGE)[:-9],
    "not UTF-8": b'{"message": {"data": "\xff\xfe"}}',
    "a list": f'["{CANARY}"]'.encode(),
    "a number": b"7",
    "null": b"null",
    "no message": f'{{"{CANARY}": 1}}'.encode(),
    "message is null": b'{"message": null}',
    "message is a text": f'{{"message": "{CANARY}"}}'.encode(),
    "no data": f'{{"message": {{"attributes": {{"a": "{CANARY}"}}}}}}'.encode(),
    "data is a number": b'{"message": {"data": 7}}',
    "data is empty": push(""),
    "data is no base64": push(CANARY + "!"),
    "data is base64 cut short": push(base64.b64encode(MESSAGE.model_dump_json().encode()).decode()[:-5]),
    "data is not ASCII": push("Zażółć"),
    "data has line ends": push(base64.encodebytes(MESSAGE.model_dump_json().encode()).decode()),
    "data has a lone surrogate": b'{"message": {"data": "\\ud800"}}',
    "data is no JSON": push(CANARY.encode()),
    "data is not UTF-8": push(b"\xff" + CANARY.encode()),
    "data is another's JSON": push(f'{{"{CANARY}": "{CANARY}"}}'.encode()),
    "data is deeply nested": push(b"[" * 100_000),
    "the body is deeply nested": b'{"message": ' * 100_000,
    "no notification id": push(f'{{"channel": "{CANARY}"}}'.encode()),
    "the id is a number": changed(notification_id=7),
    "the id is empty": changed(notification_id=""),
    "the id is a path": changed(notification_id="../recipients"),
    "the id has a line end": changed(notification_id="11111111-1111-4111-8111-111111111111\n"),
    "the channel is a path": changed(channel="email/x"),
    "an unknown field": changed(more=CANARY),
    "the content has an unknown field": content_changed(more=CANARY),
    "the content lacks a field": changed(content={"address": CANARY}),
    "the content is a text": changed(content=CANARY),
    "the version is a text": content_changed(version=CANARY),
    "the time is no time": content_changed(created_at=CANARY),
    "the time has no zone": content_changed(created_at="2026-01-02T03:04:05"),
    "the subject is a list": content_changed(subject=[CANARY]),
}


@pytest.mark.parametrize("with_content", [True, False])
def test_what_was_published_is_decoded(with_content: bool) -> None:
    message = (
        MESSAGE if with_content else Message(notification_id="11111111-1111-4111-8111-111111111111", channel="email")
    )
    assert decode_push(push_of(message)) == message


def test_what_pubsub_adds_to_a_push_is_of_no_concern() -> None:
    assert decode_push(push(MESSAGE.model_dump_json().encode(), deliveryAttempt=3)) == MESSAGE


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_push_is_refused_without_repeating_it(case: str) -> None:
    with pytest.raises(MalformedPush) as refused:
        decode_push(MALFORMED[case])
    assert CANARY not in str(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["message", "data"]), inner),
    max_leaves=8,
)


@given(
    st.binary()
    | json_values.map(lambda value: json.dumps(value).encode())
    | st.binary().map(push)
    | st.text().map(push)
    | json_values.map(lambda value: push(json.dumps(value).encode()))
    | st.tuples(st.sampled_from(["notification_id", "channel", "content", "more"]), json_values).map(
        lambda field: changed(**{field[0]: field[1]})
    )
)
def test_whatever_comes_is_a_message_or_malformed(body: bytes) -> None:
    try:
        message = decode_push(body)
    except MalformedPush:
        return
    assert decode_push(push_of(message)) == message


class Delivering:
    """What the handler hands its messages to: answers, or raises, as told."""

    def __init__(self) -> None:
        self.result: Answer | Exception = Answer.ACK
        self.messages: list[Message] = []
        self.opened = 0

    def open(self) -> Deliver:
        self.opened += 1
        return self.deliver

    async def deliver(self, message: Message) -> Answer:
        self.messages.append(message)
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


@pytest.fixture
def delivering() -> Delivering:
    return Delivering()


@pytest.fixture(autouse=True)
def json_logs(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure()


def client(
    delivering: Delivering, *, opened: Any = None, channel: str | None = "email", malformed: Answer = Answer.NACK
) -> httpx.AsyncClient:
    handle = push_handler(opened or delivering.open, channel, malformed)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        response = await handle(Request(scope, receive))
        await response(scope, receive, send)

    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://function")


def logged(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Each line of the output, which must be one JSON object and no more; never the canary."""
    output = capsys.readouterr()
    assert CANARY not in output.out + output.err
    assert output.err == ""
    lines = [json.loads(line) for line in output.out.splitlines()]
    assert all(isinstance(line, dict) for line in lines)
    return lines


@pytest.mark.parametrize(("answer", "status"), [(Answer.ACK, 204), (Answer.NACK, 503)])
async def test_an_ack_is_204_and_a_nack_503(delivering: Delivering, answer: Answer, status: int) -> None:
    delivering.result = answer
    response = await client(delivering).post("/", content=push_of(MESSAGE))
    assert (response.status_code, response.content) == (status, b"")
    assert delivering.messages == [MESSAGE]


async def test_the_connections_are_opened_once_at_the_first_push(delivering: Delivering) -> None:
    function = client(delivering)
    await function.get("/healthz")
    assert delivering.opened == 0
    for _ in range(3):
        await function.post("/", content=push_of(MESSAGE))
    assert delivering.opened == 1


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD"])
async def test_only_a_post_is_a_push(delivering: Delivering, method: str) -> None:
    answer = await client(delivering).request(method, "/", content=push_of(MESSAGE))
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert delivering.messages == []


async def test_a_health_check_is_answered(delivering: Delivering) -> None:
    for method in ("GET", "HEAD"):
        assert (await client(delivering).request(method, "/healthz")).status_code == 204
    wrong = await client(delivering).request("PUT", "/healthz")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET, HEAD, POST")


@pytest.mark.parametrize("case", MALFORMED)
@pytest.mark.parametrize("answer", Answer)
async def test_a_malformed_push_is_answered_as_told_and_logged_without_its_text(
    delivering: Delivering, case: str, answer: Answer, capsys: pytest.CaptureFixture[str]
) -> None:
    response = await client(delivering, malformed=answer).post("/", content=MALFORMED[case])
    assert (response.status_code, response.content, delivering.messages) == (answer.value, b"", [])
    (line,) = logged(capsys)
    assert (line["message"], line["severity"]) == ("malformed push", "ERROR")


async def test_a_malformed_push_is_nacked_unless_told_otherwise(delivering: Delivering) -> None:
    assert (await client(delivering).post("/", content=b"")).status_code == 503


async def test_another_channels_message_is_malformed(
    delivering: Delivering, capsys: pytest.CaptureFixture[str]
) -> None:
    response = await client(delivering, channel="sms").post("/", content=push_of(MESSAGE))
    assert (response.status_code, delivering.messages) == (503, [])
    assert logged(capsys)[0]["error"] == "a message of another channel"


async def test_a_handler_of_all_channels_takes_any(delivering: Delivering) -> None:
    assert (await client(delivering, channel=None).post("/", content=push_of(MESSAGE))).status_code == 204


async def test_a_body_over_the_limit_is_not_read_to_its_end(
    delivering: Delivering, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("shared.entrypoint.push_requests.PUSH_LIMIT", 5_000)
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while read < 1_000_000:
            read += 1_000
            yield CANARY.encode().ljust(1_000)

    assert (await client(delivering).post("/", content=endless())).status_code == 503
    assert read <= 10_000
    assert logged(capsys)[0]["error"] == "the body is larger than 5000 bytes"


async def test_records_that_cannot_be_reached_are_a_nack(
    delivering: Delivering, capsys: pytest.CaptureFixture[str]
) -> None:
    delivering.result = StoreUnavailable("Firestore answered UNAVAILABLE")
    assert (await client(delivering).post("/", content=push_of(MESSAGE))).status_code == 503
    (line,) = logged(capsys)
    assert (line["kind"], line["error"]) == ("StoreUnavailable", "Firestore answered UNAVAILABLE")


@pytest.mark.parametrize("stray", [ValueError(CANARY), KeyError(CANARY), ExceptionGroup(CANARY, [OSError(CANARY)])])
async def test_a_stray_exception_is_a_nack_and_logged_by_its_place(
    delivering: Delivering, stray: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    delivering.result = stray
    response = await client(delivering).post("/", content=push_of(MESSAGE))
    assert (response.status_code, response.content) == (503, b"")
    (line,) = logged(capsys)
    assert line["error"].startswith(f"{type(stray).__name__} at test_push_handler.py:")


async def test_connections_that_cannot_be_opened_are_a_nack_and_tried_again(
    delivering: Delivering, capsys: pytest.CaptureFixture[str]
) -> None:
    refusals = [ValueError(CANARY)]

    def opened() -> Deliver:
        if refusals:
            raise refusals.pop()
        return delivering.open()

    function = client(delivering, opened=opened)
    assert (await function.post("/", content=push_of(MESSAGE))).status_code == 503
    assert [line["message"] for line in logged(capsys)] == ["push failed"]
    assert (await function.post("/", content=push_of(MESSAGE))).status_code == 204
