"""What is tried again, after which pause, and that it is still one request."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest
from client_kinds import KEY, KINDS, Clock, a_notification, call

from hark_client import Client, NoAnswer, Problem
from hark_client.retries import Retries, retry_after
from hark_client.testing.hark import Hark

SEND = {"to": {"sms": "+14155552671"}, "message": "Hello"}


class Answers:
    """Gives these one after the other: a status with headers, an error to raise, or a body."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.timeouts: list[float] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        # As it is now: the client sends one object again and again.
        asked = httpx.Request(request.method, request.url, headers=dict(request.headers), content=request.content)
        self.requests.append(asked)
        self.timeouts.append(request.extensions["timeout"]["read"])
        answer = self.answers.pop(0)
        match answer:
            case Exception():
                raise answer
            case int():
                return httpx.Response(answer)
            case (int() as status, dict() as headers):
                return httpx.Response(status, headers=headers)
            case _:
                return httpx.Response(200, json=answer)


def send(client: Any) -> Any:
    return client.notifications.send(**SEND)


def replay(client: Any) -> Any:
    return client.dead_letters.replay("n-1", "sms")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("failure", [429, 500, 502, 503, 504, httpx.ReadTimeout("…"), httpx.RemoteProtocolError("…")])
def test_a_send_is_tried_again_with_the_same_key_and_body(kind: str, failure: Any) -> None:
    answers = Answers(failure, failure, a_notification())
    assert call(kind, answers, send).id == "n-1"
    assert len({request.headers["idempotency-key"] for request in answers.requests}) == 1
    assert len({request.content for request in answers.requests}) == 1
    assert len(answers.requests) == 3


@pytest.mark.parametrize("kind", KINDS)
def test_each_call_has_a_key_of_its_own(kind: str) -> None:
    answers = Answers(a_notification(), a_notification())
    call(kind, answers, send)
    call(kind, answers, send)
    assert len({request.headers["idempotency-key"] for request in answers.requests}) == 2


def test_a_key_that_is_given_is_taken() -> None:
    answers = Answers(a_notification())
    call("blocking", answers, lambda client: client.notifications.send(idempotency_key="order-42", **SEND))
    assert answers.requests[0].headers["idempotency-key"] == "order-42"


def test_items_of_a_batch_keep_their_keys_through_its_retries() -> None:
    answers = Answers(503, httpx.ReadError("…"), {"items": []})
    items = [{"key": "mine", **SEND}, SEND, SEND]
    call("blocking", answers, lambda client: client.batches.send(items))
    bodies = {request.content for request in answers.requests}
    assert len(bodies) == 1
    keys = [item["key"] for item in httpx.Response(200, content=bodies.pop()).json()["items"]]
    assert keys[0] == "mine"
    assert len(set(keys)) == 3


@pytest.mark.parametrize("kind", KINDS)
def test_other_refusals_are_final(kind: str) -> None:
    answers = Answers(422)
    with pytest.raises(Problem):
        call(kind, answers, send)
    assert len(answers.requests) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_pauses_double_up_to_the_longest(kind: str) -> None:
    clock = Clock()
    call(kind, Answers(*[503] * 6, a_notification()), send, clock)
    assert clock.slept == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0]


def test_pauses_are_drawn_between_nothing_and_all_of_it() -> None:
    assert [Retries(chance=lambda: 0.25).pause(n, None) for n in (1, 2)] == [0.125, 0.25]


@pytest.mark.parametrize("kind", KINDS)
def test_a_longer_retry_after_is_obeyed(kind: str) -> None:
    clock = Clock()
    call(kind, Answers((429, {"Retry-After": "7"}), (503, {"Retry-After": "0"}), a_notification()), send, clock)
    assert clock.slept == [7.0, 1.0]


def test_retry_after_may_be_a_date() -> None:
    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    later = format_datetime(now + timedelta(seconds=90), usegmt=True)
    assert retry_after(httpx.Response(503, headers={"Retry-After": later}), now) == 90.0
    earlier = format_datetime(now - timedelta(seconds=90), usegmt=True)
    assert retry_after(httpx.Response(503, headers={"Retry-After": earlier}), now) == 0.0


@pytest.mark.parametrize("value", ["", "soon", "-5", "1.5", "٣"])
def test_a_retry_after_that_says_nothing_is_none(value: str) -> None:
    answer = httpx.Response(503, headers=[(b"Retry-After", value.encode())])
    assert retry_after(answer, datetime.now(UTC)) is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_retry_after_beyond_the_deadline_is_not_waited_for(kind: str) -> None:
    clock = Clock()
    with pytest.raises(Problem) as raised:
        call(kind, Answers((429, {"Retry-After": "3600"})), send, clock)
    assert raised.value.retry_after == 3600.0
    assert clock.slept == []


@pytest.mark.parametrize("kind", KINDS)
def test_all_tries_end_with_the_deadline(kind: str) -> None:
    clock = Clock()
    with pytest.raises(NoAnswer, match=r"^POST /v1/notifications: ConnectError after \d+ tries$"):
        call(kind, Answers(*[httpx.ConnectError("…")] * 99), send, clock)
    assert 50 < clock.time < 60


def test_no_try_is_given_more_time_than_is_left() -> None:
    clock = Clock()
    answers = Answers(*[503] * 99)
    with pytest.raises(Problem):
        call("blocking", answers, send, clock, Retries(total=5.0, chance=lambda: 1.0))
    assert answers.timeouts == [5.0, 4.5, 3.5, 1.5]


def test_a_deadline_of_nothing_is_one_try_with_all_its_time() -> None:
    answers = Answers(503)
    with pytest.raises(Problem):
        call("blocking", answers, send, retries=Retries(total=0))
    assert answers.timeouts == [10.0]


@pytest.mark.parametrize("failure", [httpx.ReadTimeout("…"), httpx.RemoteProtocolError("…"), 500, 503])
@pytest.mark.parametrize("use", [replay, lambda c: c.callers.add_key("c"), lambda c: c.callers.create(name="n")])
def test_what_is_not_idempotent_is_not_tried_again_once_it_may_be_done(failure: Any, use: Callable[[Any], Any]) -> None:
    answers = Answers(failure)
    with pytest.raises((NoAnswer, Problem)):
        call("blocking", answers, use)
    assert len(answers.requests) == 1


@pytest.mark.parametrize("failure", [httpx.ConnectError("…"), httpx.ConnectTimeout("…"), httpx.PoolTimeout("…"), 429])
def test_what_is_not_idempotent_is_tried_again_where_it_was_surely_not_done(failure: Any) -> None:
    answers = Answers(failure, a_notification())
    assert call("blocking", answers, replay).id == "n-1"


@pytest.mark.parametrize("kind", KINDS)
def test_a_delete_that_finds_nothing_after_a_lost_answer_is_done(kind: str) -> None:
    assert call(kind, Answers(httpx.ReadTimeout("…"), 404), lambda client: client.recipients.delete("alice")) is None


@pytest.mark.parametrize("before", [[], [httpx.ConnectError("…")], [429]])
def test_a_delete_that_finds_nothing_else_says_so(before: list[Any]) -> None:
    with pytest.raises(Problem, match="404"):
        call("blocking", Answers(*before, 404), lambda client: client.recipients.delete("alice"))


@contextmanager
def dropping(hark: Hark, answers_lost: int) -> Iterator[tuple[str, list[bytes]]]:
    """A server before Hark in memory. It hands each request on, and closes the first connections without an answer."""
    requests: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)

        def serve() -> None:
            for number in range(answers_lost + 1):
                connection, _ = server.accept()
                with connection, connection.makefile("rb") as reader:
                    lines = list(iter(reader.readline, b"\r\n"))[1:]
                    headers = dict(line.rstrip().split(b": ", 1) for line in lines)
                    body = reader.read(int(headers[b"Content-Length"]))
                    requests.append(body)
                    with httpx.Client(transport=hark.transport) as gateway:
                        sent = {name.decode(): value.decode() for name, value in headers.items()}
                        answer = gateway.post(f"{hark.url}/v1/notifications", content=body, headers=sent)
                    assert answer.status_code == 202
                    if number == answers_lost:
                        head = f"HTTP/1.1 202 Accepted\r\nContent-Length: {len(answer.content)}\r\n\r\n"
                        connection.sendall(head.encode() + answer.content)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", requests
        thread.join()


def test_a_connection_that_breaks_after_the_accept_makes_no_second_notification(hark: Hark) -> None:
    with dropping(hark, 2) as (url, requests), Client(url, hark.api_key) as client:
        notification = client.notifications.send(to={"sms": "+14155552671"}, message="Hello")
    assert len(requests) == 3
    assert [n.id for n in hark.client.notifications.list()] == [notification.id]
    assert [sent.text for sent in hark.sent()] == ["Hello"]


def test_without_a_key_it_would_be_three() -> None:
    """The server above shows something: what it is handed thrice without a key is on record thrice."""
    with Hark() as hark, httpx.Client(transport=hark.transport) as http:
        for _ in range(3):
            http.post(f"{hark.url}/v1/notifications", json=SEND, headers={"Authorization": f"Bearer {hark.api_key}"})
        assert len(list(hark.client.notifications.list())) == 3


@pytest.mark.parametrize("kind", KINDS)
def test_the_api_key_goes_in_the_header_alone(kind: str) -> None:
    answers = Answers(a_notification())
    call(kind, answers, send)
    (request,) = answers.requests
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert KEY not in str(request.url) + request.content.decode()
