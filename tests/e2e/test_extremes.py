"""Requests as no client library would send them, from a known caller to the running gateway: none harms it.

What pours in without end, or drips, is in tests/integration/test_slow_and_endless.py.
"""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.e2e.fuzz import faults
from tests.e2e.stack import Stack

SECONDS = 5.0

SMS = b'{"to": {"sms": "+14155552671"}, "message": "Hi"}'
MANY = b"{" + b",".join(b'"k%d": 1' % i for i in range(20_000)) + b"}"
CALLER = b'{"name": "x", "kind": "live", "scopes": ["callers:manage"], "requests_per_minute": %s}'
LONG = b"x" * 50_000

BODIES = {
    "brackets": (b"[" * 100_000 + b"]" * 100_000, 400),
    "objects in objects": (b'{"message":' * 20_000 + b"1" + b"}" * 20_000, 400),
    "thousands of fields": (MANY, 422),
    "thousands of tags": (SMS[:-1] + b', "tags": ' + MANY + b"}", 422),
    "one field a thousand times": (b"{" + b'"message": "Hi", ' * 14_000 + SMS[1:], 202),
    "200,000 digits": (b'{"message": ' + b"9" * 200_000 + b"}", 400),
    "bytes that are no text": (b'{"message": "\xff\xfe"}', 400),
    "half a surrogate": (b'{"message": "\\ud800"}', 400),
}
NUMBERS = ["9" * 4000, "-" + "9" * 4000, "1e400", "1e-400", "-0", "0.9999999999999999999999", "1000001"]
TARGETS = {
    b"GET /v1/recipients/\xff": 400,
    b"GET /v1/recipients/%ff%fe": 422,
    b"GET /v1/recipients/%ed%a0%80": 422,
    b"GET /v1/recipients/%f%zz": 422,
    b"GET /v1/recipients/%00": 422,
    b"GET /v1/recipients/" + LONG: 414,
    b"GET /v1/notifications/a%0Ab": 404,
    b"GET /v1/recipients/a%0Ab": 422,
    b"GET /v1/notifications?cursor=%ff": 422,
    b"GET /v1/notifications?recipient=%ed%a0%80": 422,
    b"GET /v1/notifications?%ff=%ff": 422,
    b"GET /v1/notifications?cursor=\xff": 400,
    b"GET /v1/notifications?cursor=" + LONG: 414,
    b"GET /v1/notifications?" + b"&".join(b"a%d=1" % i for i in range(5000)): 414,
    b"GET " + b"/" * 20_000: 414,
    b"GET http://evil.example/v1/channels": 200,
    b"GET https://[::1/v1/channels": 400,
    b"GET evil.example:80": 400,
    b"GET \\v1\\channels": 400,
    b"GET /v1/channels#fragment": 200,
    b"OPTIONS *": 404,
    b"CONNECT evil.example:80": 400,
    b"CONNECT /v1/channels": 405,
    b"TRACE /v1/channels": 405,
    b"PROPFIND /v1/channels": 405,
    b"BREW /v1/channels": 400,
    b"get /v1/channels": 400,
}
HEADERS = {
    b"X-Any: \xff\xfe": 202,
    b"X-Any: a\x00b": 400,
    b"X-Any: a\r\n folded": 400,
    b"X Any: a": 400,
    b"Authorization: \xff": 401,
    b"Idempotency-Key: \xff\xfe": 422,
    b"Content-Type: \xff/;;;charset=": 202,
    b"Traceparent: \xff\r\nX-Cloud-Trace-Context: \xff/1;o=1\r\nFunction-Execution-Id: \xff": 202,
    b"Host: \xff[::": 202,
    b"Cookie: " + b"a=b;" * 5000: 202,
    b"Content-Length: 3": 400,
    b"Content-Length: -1": 400,
    b"Content-Length: \xb2": 400,
    b"Content-Length: 99999999999999999999": 400,
    b"Transfer-Encoding: chunked": 400,
    b"Transfer-Encoding: gzip": 400,
}
CHUNKS = {
    b"%x\r\n%s\r\n0\r\n\r\n": 202,
    b"%x;extension=1\r\n%s\r\n0\r\n\r\n": 202,
    b"%x\r\n%s\r\n0\r\nX-Trailer: any\r\n\r\n": 202,
    b"0%x\r\n%s\r\n000\r\n\r\n": 202,
    b"-%x\r\n%s\r\n0\r\n\r\n": 400,
    b"ffffffffffffffff%x\r\n%s\r\n0\r\n\r\n": 400,
    b"+%x\r\n%s\r\n0\r\n\r\n": 400,
}


@pytest.fixture(autouse=True)
async def faultless(stack: Stack) -> AsyncIterator[None]:
    """After each test the gateway still serves, and its log tells of no fault."""
    log = stack.folder / "logs" / "gateway.log"
    logged = log.stat().st_size
    yield
    assert (await stack.http.get(f"{stack.url}/healthz")).status_code == 200
    assert not faults(log.read_bytes()[logged:])


async def say(stack: Stack, *parts: bytes) -> list[int]:
    """The statuses of the answers. Each part is said once the one before has had time to arrive."""
    reader, writer = await asyncio.open_connection("127.0.0.1", 8080 + stack.offset)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.1 if len(parts) > 1 else 0)
        async with asyncio.timeout(SECONDS):
            answer = await reader.read()
    finally:
        writer.close()
    return [int(line.split()[1]) for line in answer.split(b"\r\n") if b"HTTP/1.1 " in line]


def head(stack: Stack, line: bytes, *headers: bytes) -> bytes:
    """A request's head, from the known caller, whose connection ends with the answer."""
    own = [b"Host: hark", b"Authorization: Bearer " + stack.system.env["HARK_API_KEY"].encode(), b"Connection: close"]
    return b"\r\n".join([line, *own, *headers, b"", b""])


def post(stack: Stack, body: bytes, *headers: bytes, path: bytes = b"/v1/notifications") -> bytes:
    return head(stack, b"POST %s HTTP/1.1" % path, b"Content-Length: %d" % len(body), *headers) + body


@pytest.mark.parametrize("case", BODIES)
async def test_an_extreme_body_is_answered(stack: Stack, case: str) -> None:
    body, status = BODIES[case]
    assert len(body) < 256 * 1024
    assert await say(stack, post(stack, body)) == [status]


@pytest.mark.parametrize("number", NUMBERS)
async def test_a_number_out_of_all_bounds_is_refused(stack: Stack, number: str) -> None:
    assert await say(stack, post(stack, CALLER % number.encode(), path=b"/v1/callers")) == [422]


async def test_a_target_of_any_bytes_and_a_method_of_any_name_is_answered(stack: Stack) -> None:
    answered = {line: await say(stack, head(stack, line + b" HTTP/1.1")) for line in TARGETS}
    assert answered == {line: [status] for line, status in TARGETS.items()}


async def test_a_header_of_any_bytes_is_answered(stack: Stack) -> None:
    answered = {header: await say(stack, post(stack, SMS, header)) for header in HEADERS}
    assert answered == {header: [status] for header, status in HEADERS.items()}


async def test_chunks_of_any_form_are_answered(stack: Stack) -> None:
    line = head(stack, b"POST /v1/notifications HTTP/1.1", b"Transfer-Encoding: chunked")
    answered = {chunks: await say(stack, line + chunks % (len(SMS), SMS)) for chunks in CHUNKS}
    assert answered == {chunks: [status] for chunks, status in CHUNKS.items()}


@pytest.mark.parametrize(
    ("version", "status"), [(b" HTTP/1.0", 200), (b" HTTP/2.0", 200), (b" HTTP/9.9", 400), (b" http/1.1", 400)]
)
async def test_a_version_of_any_name_is_answered(stack: Stack, version: bytes, status: int) -> None:
    assert await say(stack, head(stack, b"GET /v1/channels" + version)) == [status]


async def test_http_2_and_tls_are_refused_at_the_first_bytes(stack: Stack) -> None:
    assert await say(stack, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") == [400]
    assert await say(stack, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 100) == [400]


async def test_a_client_that_asks_before_it_sends_is_told_to_go_on(stack: Stack) -> None:
    request = post(stack, SMS, b"Expect: 100-continue")
    assert await say(stack, request.removesuffix(SMS), SMS) == [100, 202]


async def test_what_is_beyond_the_length_is_no_second_request(stack: Stack) -> None:
    smuggled = b"GET /v1/channels HTTP/1.1\r\nHost: hark\r\n\r\n"
    assert await say(stack, post(stack, SMS) + smuggled) == [202]


async def test_requests_on_the_heels_of_each_other_are_all_answered(stack: Stack) -> None:
    asked = b"GET /healthz HTTP/1.1\r\nHost: hark\r\n\r\n" * 20
    assert await say(stack, asked + head(stack, b"GET /v1/channels HTTP/1.1")) == [200] * 21
