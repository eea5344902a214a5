"""What is raised, and that its text has nothing that is nobody's business."""

import pickle
import traceback
from typing import Any

import httpx
import pytest
from client_kinds import KEY, KINDS, URL, Clock, a_delivery, a_notification, call, client_of

from hark_client import Client, HarkError, Invalid, NoAnswer, Problem, errors
from hark_client.retries import Retries
from hark_client.testing.hark import Hark

ADDRESS = "+14155552671"
TEXT = "the secret text"
ONE_TRY = Retries(total=0)


def send(client: Any) -> Any:
    return client.notifications.send(to={"sms": ADDRESS}, message=TEXT)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("status", "error"), [*errors.BY_STATUS.items(), (413, Problem), (599, Problem)])
def test_each_status_has_its_error(kind: str, status: int, error: type[Problem]) -> None:
    problem = {"type": "about:blank", "title": "…", "status": status, "detail": "what is wrong"}
    headers = {"Content-Type": "application/problem+json", "X-Request-Id": "r-1"}
    with pytest.raises(error) as raised:
        call(kind, lambda _: httpx.Response(status, json=problem, headers=headers), send, retries=ONE_TRY)
    assert type(raised.value) is error
    assert (raised.value.status, raised.value.detail, raised.value.request_id) == (status, "what is wrong", "r-1")


def test_a_422_names_the_field(hark: Hark) -> None:
    with pytest.raises(Invalid) as raised:
        hark.client.notifications.send(to={"sms": "nobody@example.com"}, message=TEXT)
    assert [error.field for error in raised.value.errors] == ["to.sms"]
    assert "to.sms: must be a phone number" in str(raised.value)
    assert "nobody@example.com" not in str(raised.value)


@pytest.mark.parametrize("answer", [{"detail": [1], "errors": {}}, [], None, {"errors": [1, {"field": "a"}]}])
def test_a_problem_that_is_strangely_made_is_a_problem(answer: Any) -> None:
    headers = {"Content-Type": "application/problem+json"}
    with pytest.raises(Invalid):
        call("blocking", lambda _: httpx.Response(422, json=answer, headers=headers), send)


def test_a_proxys_page_is_its_status_alone() -> None:
    with pytest.raises(Problem, match=r"^POST /v1/notifications: 502 Bad Gateway$"):
        call("blocking", lambda _: httpx.Response(502, html=f"<p>{TEXT}</p>"), send, retries=ONE_TRY)


@pytest.mark.parametrize("content", [b"<html>", b"[]", b"{}", b'{"id": "+14155552671"}', b"\xff"])
def test_an_answer_that_is_not_the_apis_is_unreadable(content: bytes) -> None:
    with pytest.raises(errors.UnreadableAnswer) as raised:
        call("blocking", lambda _: httpx.Response(200, content=content), send)
    assert ADDRESS not in str(raised.value)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "error", [httpx.ConnectError, httpx.ReadTimeout, httpx.LocalProtocolError, httpx.DecodingError]
)
def test_no_error_of_httpx_escapes(kind: str, error: type[httpx.TransportError]) -> None:
    def fail(_: httpx.Request) -> httpx.Response:
        raise error(f"{KEY} {ADDRESS}")

    with pytest.raises(NoAnswer) as raised:
        call(kind, fail, send, retries=ONE_TRY)
    assert KEY not in str(raised.value)


def test_every_error_is_a_hark_error() -> None:
    mine = [e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, Exception)]
    assert all(issubclass(error, HarkError) for error in mine)
    assert all(error.__name__ in (errors.__doc__ or "") for error in mine)


@pytest.mark.parametrize("status", [401, 404, 422, 500])
def test_no_error_has_the_key_an_address_or_a_text(status: int) -> None:
    for use in (send, lambda client: client.suppressions.get("sms", ADDRESS)):
        with pytest.raises(Problem) as raised:
            call("blocking", lambda _: httpx.Response(status), use, retries=ONE_TRY)
        written = "".join(traceback.format_exception_only(raised.value)) + repr(raised.value)
        assert not any(secret in written for secret in (KEY, ADDRESS, TEXT))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("key", ["", "two words", "a\nb", "schlüssel"])
def test_a_key_that_no_header_can_carry_is_refused_without_being_told(kind: str, key: str) -> None:
    with pytest.raises(errors.NotConfigured) as raised:
        client_of(kind)(URL, key)
    assert not key or key not in str(raised.value)


@pytest.mark.parametrize("url", ["", "hark.example", "ftp://hark.example", "http://", "http://a?b", "http://a:b"])
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(errors.NotConfigured, match="HARK_URL"):
        Client(url, KEY)


@pytest.mark.parametrize("key", ["two\nlines", "schlüssel"])
def test_an_idempotency_key_that_no_header_can_carry_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match=r"^idempotency_key must be printable ASCII$"):
        call(
            "blocking", lambda _: httpx.Response(202), lambda c: c.notifications.send(idempotency_key=key, message="x")
        )


def test_an_error_can_be_sent_to_another_process(hark: Hark) -> None:
    with pytest.raises(Invalid) as raised:
        hark.client.notifications.send(to={"sms": "nobody"}, message=TEXT)
    there = pickle.loads(pickle.dumps(raised.value))
    assert type(there) is Invalid
    assert (str(there), there.errors, there.status) == (str(raised.value), raised.value.errors, 422)


def test_url_and_key_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARK_URL", f"{URL}/")
    monkeypatch.setenv("HARK_API_KEY", KEY)
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json=a_notification())

    with Client(transport=httpx.MockTransport(answer)) as client:
        client.notifications.get("n-1")
        assert repr(client) == f"Client('{URL}')"
    assert str(asked[0].url) == f"{URL}/v1/notifications/n-1"


def test_a_new_key_does_not_show_in_what_is_printed(hark: Hark) -> None:
    made = hark.client.callers.create(name="shop", kind="live", scopes=["notifications:send"])
    assert made.key
    assert made.key not in repr(made)
    assert hark.client.callers.add_key(made.id).key not in repr(hark.client.callers.get(made.id))


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_a_name_that_would_make_another_path_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"^recipient must not be"):
        call("blocking", lambda _: httpx.Response(204), lambda client: client.lists.remove_member("all", name))


@pytest.mark.parametrize(
    ("name", "path"), [("a/b", "a%2Fb"), ("a?b#c", "a%3Fb%23c"), ("ä%", "%C3%A4%25"), ("a+b", "a%2Bb")]
)
def test_a_name_is_one_part_of_the_path(name: str, path: str) -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(204)

    call("blocking", answer, lambda client: client.suppressions.delete("email", name))
    assert asked[0].url.raw_path.decode() == f"/v1/suppressions/email/{path}"


@pytest.mark.parametrize("kind", KINDS)
def test_waiting_looks_less_and_less_often_and_then_gives_up(kind: str) -> None:
    clock = Clock()
    pending = a_notification(deliveries=[a_delivery(status="retrying")])
    with pytest.raises(errors.StillPending, match="sms is retrying") as raised:
        call(kind, lambda _: httpx.Response(200, json=pending), lambda c: c.notifications.wait("n-1"), clock)
    assert raised.value.notification.id == "n-1"
    assert clock.time == pytest.approx(60.0)
    assert clock.slept[:3] == pytest.approx([0.2, 0.3, 0.45])
    assert max(clock.slept) == 10.0


def test_waiting_for_a_gateway_that_does_not_answer_ends_in_time() -> None:
    clock = Clock()

    def fail(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("…")

    with pytest.raises(NoAnswer):
        call("blocking", fail, lambda c: c.notifications.wait("n-1", timeout=5), clock)
    assert clock.time < 5


def test_a_status_that_the_client_does_not_know_has_ended() -> None:
    new = a_notification(status="teleported", deliveries=[a_delivery(status="teleported")])
    ended = call("blocking", lambda _: httpx.Response(200, json=new), lambda c: c.notifications.wait("n-1"))
    assert ended.status == "teleported"
