"""Bodies that are no JSON, too large, too deep or no object: refused, with nothing written or published."""

import json
from codecs import BOM_UTF8
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from functions.gateway.web.request_bodies import ATTACHED_LIMIT
from tests.integration.gateway import MINIMAL, Hark, hark_on, nothing_done, problem

pytestmark = pytest.mark.asyncio(loop_scope="module")

POST = ("POST", "/v1/notifications")
PUT = ("PUT", "/v1/recipients/alice")
ROUTES = [POST, PUT]
LIMIT = 256 * 1024
DEEP = 10_000


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hark(firestore_host: str, pubsub_host: str) -> AsyncIterator[Hark]:
    """One for all tests here, since they leave it as it was."""
    async with hark_on(firestore_host, pubsub_host) as hark:
        yield hark


def with_message(raw: bytes) -> bytes:
    return b'{"to": {"email": "a@example.com"}, "message": ' + raw + b"}"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" \n",
        b"hello",
        b"to=a@example.com&message=Hi",
        b"<message/>",
        b"{",
        json.dumps(MINIMAL).encode()[:-1],
        json.dumps(MINIMAL).encode() + b"}",
        json.dumps(MINIMAL).encode() * 2,
        json.dumps(MINIMAL).encode("utf-16"),
        b"\xef\xbb\xbf" * 2 + json.dumps(MINIMAL).encode(),
        json.dumps(MINIMAL).encode() + b"\xef\xbb\xbf",
        b"\xef\xbb\xbf",
        b"{'message': 'Hi'}",
        b'{"message": "Hi",}',
        b'{message: "Hi"}',
        b'{"message": "Hi" /* why */}',
        b"\x00",
        b"\xff\xfe",
        with_message(b'"a\nb"'),
        with_message(b'"a\x00b"'),
        with_message(b'"\\x41"'),
        with_message(b'"\\ud800"'),
        with_message(b'"\\udc00\\ud800"'),
        with_message(b'"\\ud83d"'),
        with_message(b'"\xed\xa0\x80"'),
        with_message(b'"\xff"'),
        with_message(b'"\xc0\xaf"'),
        with_message(b"01"),
        with_message(b"-"),
        with_message(b"9" * 5000),
        with_message(b"[" * DEEP + b"]" * DEEP),
        with_message(b"[" * DEEP),
        with_message(b'{"a":' * DEEP + b"1" + b"}" * DEEP),
        b'{"message": "Hi", "to": ' + b'{"email":' * DEEP + b"1" + b"}" * DEEP + b"}",
        b'{"message": "Hi", "addresses": ' + b'{"email":' * DEEP + b"1" + b"}" * DEEP + b"}",
        b'{"unknown": ' + b"[" * DEEP + b"]" * DEEP + b"}",
        b"[" * DEEP + b"]" * DEEP,
    ],
    ids=lambda body: repr(body[:40]) if isinstance(body, bytes) else None,
)
async def test_what_is_no_json_is_a_400_that_says_where(hark: Hark, body: bytes) -> None:
    async with nothing_done(hark):
        for route in ROUTES:
            details = problem(await hark.client.request(*route, content=body), 400)
            assert details["detail"].startswith("the body is not JSON: ")


async def test_a_byte_order_mark_before_it_is_ignored(hark: Hark) -> None:
    """RFC 8259, 8.1; and the request is the same with it and without."""
    key = {"Idempotency-Key": "bom"}
    body = json.dumps(MINIMAL).encode()
    first, again = [await hark.client.request(*POST, content=bom + body, headers=key) for bom in (BOM_UTF8, b"")]
    assert (first.status_code, again.status_code) == (202, 202)
    assert (first.json()["id"], again.headers["Idempotent-Replayed"]) == (again.json()["id"], "true")
    recipient = json.dumps({"addresses": {"email": "a@example.com"}}).encode()
    assert (await hark.client.put("/v1/recipients/bom", content=BOM_UTF8 + recipient)).status_code == 201
    caller = json.dumps({"name": "bom", "kind": "live", "scopes": ["notifications:send"]}).encode()
    made = await hark.client.post("/v1/callers", content=BOM_UTF8 + caller)
    assert made.status_code == 201, made.text


@pytest.mark.parametrize(
    "coding", ["gzip", "GZIP", "x-gzip", "br", "deflate", "zstd", "identity, gzip", "gzip ", "what"]
)
async def test_a_compressed_body_is_a_415_that_says_so_and_is_not_read(hark: Hark, coding: str) -> None:
    async def never() -> AsyncIterator[bytes]:
        raise AssertionError("it was read")
        yield b""

    async with nothing_done(hark):
        for route in [*ROUTES, ("POST", "/v1/callers"), ("PUT", "/v1/callers/0123456789abcdef")]:
            answer = await hark.client.request(*route, content=never(), headers={"Content-Encoding": coding})
            assert "compressed" in problem(answer, 415)["detail"]
            assert answer.headers["accept-encoding"] == "identity"
    twice = [("Content-Encoding", "identity"), ("Content-Encoding", coding)]
    problem(await hark.client.request(*POST, content=b"{}", headers=twice), 415)


@pytest.mark.parametrize("coding", ["identity", "Identity", "", " identity ", "identity, identity"])
async def test_identity_is_no_compression(hark: Hark, coding: str) -> None:
    answer = await hark.client.request(*POST, json=MINIMAL, headers={"Content-Encoding": coding})
    assert answer.status_code == 202


@pytest.mark.parametrize("body", ["[]", "[[]]", '"text"', "1", "1e400", "-0.5", "true", "null", "NaN", "-Infinity"])
async def test_json_that_is_no_object_is_a_422(hark: Hark, body: str) -> None:
    async with nothing_done(hark):
        for route in ROUTES:
            problem(await hark.client.request(*route, content=body), 422, "body")


@pytest.mark.parametrize("number", ["1e400", "9" * 4000, "-" + "9" * 4000, "NaN", "Infinity", "-Infinity", "0.1e-9999"])
async def test_a_number_of_any_size_is_no_text(hark: Hark, number: str) -> None:
    async with nothing_done(hark):
        problem(await hark.client.request(*POST, content=with_message(number.encode())), 422, "message")
        body = b'{"addresses": {"email": ' + number.encode() + b"}}"
        problem(await hark.client.request(*PUT, content=body), 422, "addresses.email")


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("size", [LIMIT + 1, 300 * 1024])
async def test_a_body_over_the_limit_is_a_413_whether_its_length_is_declared_or_not(
    hark: Hark, route: tuple[str, str], size: int
) -> None:
    body = with_message(b'"' + b"x" * size + b'"')[:size]
    reads = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal reads
        for start in range(0, len(body), 4096):
            reads += 1
            yield body[start : start + 4096]

    async with nothing_done(hark):
        problem(await hark.client.request(*route, content=body), 413)
        problem(await hark.client.request(*route, content=chunks()), 413)
        lie = {"Content-Length": "10"}
        problem(await hark.client.request(*route, content=chunks(), headers=lie), 413)
        for nonsense in (b"\xb2", b"-1", b"x", b"1" * 4000):
            headers = [(b"Content-Length", nonsense)]
            problem(await hark.client.request(*route, content=chunks(), headers=headers), 413)
    assert reads > 0


async def test_a_declared_length_over_the_limit_is_refused_before_the_body_is_read(hark: Hark) -> None:
    async def never() -> AsyncIterator[bytes]:
        raise AssertionError("it was read")
        yield b""

    headers = {"Content-Length": str(LIMIT + ATTACHED_LIMIT + 1)}
    problem(await hark.client.request(*POST, content=never(), headers=headers), 413)


async def test_a_body_at_the_limit_is_read_to_its_end(hark: Hark) -> None:
    body = json.dumps(MINIMAL).encode()
    answer = await hark.client.request(*POST, content=body + b" " * (LIMIT - len(body)))
    assert answer.status_code == 202


async def test_a_body_in_single_bytes_is_as_good_as_any(hark: Hark) -> None:
    async def bytewise() -> AsyncIterator[bytes]:
        for byte in json.dumps(MINIMAL).encode():
            yield bytes([byte])

    assert (await hark.client.request(*POST, content=bytewise())).status_code == 202


async def test_of_a_name_that_stands_twice_the_last_counts(hark: Hark) -> None:
    body = b'{"message": "first", "to": {"email": "a@example.com", "email": "b@example.com"}, "message": "last"}'
    notification = (await hark.client.request(*POST, content=body)).json()
    assert notification["message"] == "last"
    assert [d["address"] for d in notification["deliveries"]] == ["b@example.com"]


async def test_a_name_that_stands_twice_cannot_hide_a_wrong_value_behind_a_right_one(hark: Hark) -> None:
    async with nothing_done(hark):
        problem(await hark.client.request(*POST, content=with_message(b'"Hi", "message": 1')), 422, "message")


async def test_tens_of_thousands_of_wrong_fields_make_a_short_answer(hark: Hark) -> None:
    unknown = json.dumps({f"f{i}": 0 for i in range(20_000)})
    tags = json.dumps({**MINIMAL, "tags": {f"f{i}": 0 for i in range(15_000)}})
    async with nothing_done(hark):
        for body in (unknown, tags):
            answer = await hark.client.request(*POST, content=body)
            assert len(problem(answer, 422)["errors"]) <= 20
            assert len(answer.content) < 4000
