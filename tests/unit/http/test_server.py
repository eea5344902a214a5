"""The server's protocol: what no application reads of a request has an end, and nothing else has."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any, cast

import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState
from uvicorn_worker import UvicornWorker

from shared.http.server import (
    HEAD_LIMIT,
    MOST_HEADERS,
    MOST_PARTS,
    PATIENCE_SECONDS,
    SEND_BUFFER,
    UNREAD_LIMIT,
    URL_LIMIT,
    BoundedProtocol,
    keep_connections,
)
from tests.fakes.work import counted

PATIENCE = 0.1
GET = b"GET / HTTP/1.1\r\nHost: hark\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: hark\r\nContent-Length: 10\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: hark\r\nTransfer-Encoding: chunked\r\n\r\n"


class Transport(asyncio.Transport):
    """Keeps what the server says."""

    def __init__(self) -> None:
        super().__init__()
        self.said = b""
        self.closed = False
        self.ended = False  # our side of it
        self.lost: Callable[[Exception | None], None] = lambda _: None

    def write(self, data: Any) -> None:
        self.said += data

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True
        self.lost(None)

    def write_eof(self) -> None:
        self.ended = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class Client:
    """A connection to an application that answers once it may, without a look at the body."""

    def __init__(self) -> None:
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.transport = Transport()
        config = Config(cast(Any, self._app), log_config=None, interface="asgi3")
        config.load()
        self.protocol = BoundedProtocol(config, ServerState(), {})
        self.transport.lost = self.protocol.connection_lost
        self.protocol.connection_made(self.transport)

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        self.headers: list[tuple[bytes, bytes]] = scope["headers"]
        await self.may_answer.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"o", "more_body": True})
        await send({"type": "http.response.body", "body": b"k"})

    async def says(self, data: bytes, wait: float = 0.01) -> None:
        if not self.transport.closed:
            self.protocol.data_received(data)
        await asyncio.sleep(wait)

    @property
    def answers(self) -> int:
        return self.transport.said.count(b"HTTP/1.1 200 OK")

    @property
    def over(self) -> bool:
        """Nothing more is read of it, nor said."""
        return self.transport.ended or self.transport.closed

    @property
    def refused(self) -> bool:
        return self.over and self.transport.said.startswith((b"HTTP/1.1 400", b"HTTP/1.1 414"))


@pytest.fixture
async def client(monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setattr("shared.http.server.PATIENCE_SECONDS", PATIENCE)
    return Client()


async def test_a_trailer_is_no_header(client: Client) -> None:
    client.may_answer.clear()
    await client.says(CHUNKED)
    await client.says(b"2\r\nok\r\n0\r\nAuthorization: Bearer x\r\nX-Client-Cert-Present: true\r\n\r\n")
    client.may_answer.set()
    await client.says(b"")
    assert client.answers == 1
    assert [name for name, _ in client.headers] == [b"host", b"transfer-encoding"]


def test_the_functions_run_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(UvicornWorker, "CONFIG_KWARGS", {})
    keep_connections()
    assert UvicornWorker.CONFIG_KWARGS["http"] is BoundedProtocol
    assert UvicornWorker.CONFIG_KWARGS["server_header"] is False


async def test_idle_connections_are_kept(client: Client) -> None:
    for _ in range(3):
        await client.says(GET, 2 * PATIENCE)
    assert (client.answers, client.over) == (3, False)


async def test_a_head_in_pieces_is_waited_for(client: Client) -> None:
    for _ in range(3):
        await client.says(GET[:20], PATIENCE / 2)
        await client.says(GET[20:], 2 * PATIENCE)
    assert (client.answers, client.over) == (3, False)


async def test_blanks_around_a_value_are_none_of_it(client: Client) -> None:
    await client.says(b"GET / HTTP/1.1\r\nA: \t b c \t \r\nB:\r\nC:x\r\n\r\n")
    assert client.headers == [(b"a", b"b c"), (b"b", b""), (b"c", b"x")]


TOO_MUCH = {
    "a URL": b"GET /" + b"%41" * (URL_LIMIT // 3 + 1) + b" HTTP/1.1\r\n\r\n",
    "headers": b"GET / HTTP/1.1\r\n" + b"a:\r\n" * (MOST_HEADERS + 1) + b"\r\n",
    "parts of a body": CHUNKED + b"1\r\nx\r\n" * (MOST_PARTS + 100),
}


@pytest.mark.parametrize("case", TOO_MUCH)
async def test_what_costs_more_than_its_bytes_has_an_end(client: Client, case: str) -> None:
    client.may_answer.clear()
    with counted() as work:
        for at in range(0, len(TOO_MUCH[case]), 65_536):
            await client.says(TOO_MUCH[case][at : at + 65_536], 0)
    assert client.refused
    assert b"x-content-type-options: nosniff\r\n" in client.transport.said
    assert work.calls < 10 * max(MOST_PARTS, MOST_HEADERS)


async def test_a_url_that_is_too_long_is_called_that(client: Client) -> None:
    await client.says(b"GET /" + b"x" * URL_LIMIT + b" HTTP/1.1\r\n\r\n")
    assert client.transport.said.startswith(b"HTTP/1.1 414 URI Too Long\r\n")
    assert client.transport.said.endswith(f"The URL has more than {URL_LIMIT} bytes.".encode())


async def test_what_is_below_is_taken(client: Client) -> None:
    await client.says(b"GET /" + b"x" * (URL_LIMIT - 1) + b" HTTP/1.1\r\n" + b"a:\r\n" * (MOST_HEADERS - 1) + b"\r\n")
    await client.says(CHUNKED + b"1\r\nx\r\n" * MOST_PARTS + b"0\r\n\r\n")
    await client.says(CHUNKED + (b"400\r\n" + b"x" * 1024 + b"\r\n") * 5 * MOST_PARTS + b"0\r\n\r\n")
    assert (client.answers, client.over) == (3, False)


async def test_a_refusal_does_not_stand_in_or_behind_an_answer(client: Client) -> None:
    await client.says(CHUNKED)
    await client.says(b"1\r\nx\r\n" * (MOST_PARTS + 100))
    assert (client.answers, client.over) == (1, True)
    assert b"400" not in client.transport.said


async def test_a_refusal_is_not_taken_for_the_answer_to_what_is_at_work(client: Client) -> None:
    client.may_answer.clear()
    await client.says(GET)
    await client.says(b"no HTTP\r\n\r\n")
    assert (client.transport.said, client.over) == (b"", True)


@pytest.mark.parametrize("drop", [b"x", b"\r\n"])
async def test_a_head_that_drips_is_given_up(client: Client, drop: bytes) -> None:
    await client.says(b"GET /" if drop == b"x" else b"")
    for _ in range(8):
        await client.says(drop, PATIENCE / 4)
    assert client.refused


@pytest.mark.parametrize("begin", [b"GET /", GET[:-2] + b"X-Flood: ", b"", CHUNKED + b"1;", CHUNKED + b"0\r\nX: "])
async def test_a_line_that_does_not_end_is_given_up(client: Client, begin: bytes) -> None:
    client.may_answer.clear()
    await client.says(begin)
    for _ in range(HEAD_LIMIT // 8192 + 1):
        await client.says(b"x" * 8192, 0)
    assert client.over


async def test_a_large_head_is_taken(client: Client) -> None:
    await client.says(GET[:-2] + b"X-Large: " + b"x" * (HEAD_LIMIT // 2))
    await client.says(b"\r\n\r\n")
    assert client.answers == 1


async def test_a_body_may_be_larger_than_a_head(client: Client) -> None:
    client.may_answer.clear()
    await client.says(CHUNKED)
    for _ in range(HEAD_LIMIT // 4096):
        await client.says(b"2000\r\n" + b"x" * 8192 + b"\r\n", 0)
    await client.says(b"0\r\n\r\n")
    client.may_answer.set()
    await client.says(b"")
    assert (client.answers, client.over) == (1, False)


async def test_a_body_that_goes_on_after_the_answer_is_given_up(client: Client) -> None:
    await client.says(POST, 2 * PATIENCE)
    assert (client.answers, client.over) == (1, True)


async def test_a_body_that_ends_after_the_answer_is_not(client: Client) -> None:
    await client.says(POST, PATIENCE / 2)
    await client.says(b"0123456789", 2 * PATIENCE)
    await client.says(GET)
    assert (client.answers, client.over) == (2, False)


async def test_a_body_behind_the_answer_is_not_read_to_its_end(client: Client) -> None:
    """Whoever is refused could have us read as fast as they can send."""
    await client.says(b"POST / HTTP/1.1\r\nContent-Length: 200000000\r\n\r\n")
    read = 0
    while not client.over and read < 2 * UNREAD_LIMIT:
        await client.says(b"x" * 65_536, 0)
        read += 65_536
    assert (client.answers, client.over) == (1, True)
    assert b"400" not in client.transport.said
    assert UNREAD_LIMIT < read <= UNREAD_LIMIT + 65_536


async def test_what_is_unread_is_counted_for_each_request(client: Client) -> None:
    size = UNREAD_LIMIT * 2 // 3
    for _ in range(3):
        await client.says(b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % size)
        await client.says(b"x" * size)
    assert (client.answers, client.over) == (3, False)


async def test_a_body_that_is_waited_for_is_not_unread(client: Client) -> None:
    client.may_answer.clear()
    await client.says(b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (3 * UNREAD_LIMIT))
    await client.says(b"x" * 3 * UNREAD_LIMIT)
    client.may_answer.set()
    await client.says(b"")
    assert (client.answers, client.over) == (1, False)


async def test_a_request_at_work_is_not_cut_off_by_what_follows_it(client: Client) -> None:
    client.may_answer.clear()
    await client.says(GET)
    await client.says(b"\r\n", 2 * PATIENCE)
    assert not client.over
    client.may_answer.set()
    await client.says(GET)
    assert (client.answers, client.over) == (2, False)


async def test_a_request_at_work_may_take_its_time_over_a_body(client: Client) -> None:
    client.may_answer.clear()
    await client.says(POST, 2 * PATIENCE)
    assert not client.over


async def test_an_answer_that_is_not_taken_ends_with_its_connection(client: Client) -> None:
    client.protocol.pause_writing()
    await client.says(GET, 2 * PATIENCE)
    assert (client.answers, client.over) == (0, True)


async def test_an_answer_that_is_taken_in_pieces_is_waited_for(client: Client) -> None:
    for _ in range(3):
        client.protocol.pause_writing()
        await asyncio.sleep(PATIENCE / 2)
        client.protocol.resume_writing()
        await asyncio.sleep(2 * PATIENCE)
    await client.says(GET)
    assert (client.answers, client.over) == (1, False)


async def test_a_connection_that_is_lost_waits_for_nobody(client: Client) -> None:
    client.protocol.pause_writing()
    client.protocol.connection_lost(ConnectionResetError())
    client.transport.closed = False
    await asyncio.sleep(2 * PATIENCE)
    assert not client.over


async def test_what_comes_behind_a_refusal_is_thrown_away_for_a_while(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.http.server.LINGER_SECONDS", PATIENCE)
    await client.says(TOO_MUCH["a URL"])
    said = client.transport.said
    await client.says(GET)
    assert (client.transport.said, client.transport.ended, client.transport.closed) == (said, True, False)
    await client.says(b"", 2 * PATIENCE)
    assert client.transport.closed


async def test_what_is_thrown_away_has_an_end(client: Client) -> None:
    await client.says(TOO_MUCH["a URL"])
    for _ in range(UNREAD_LIMIT // 65_536):
        await client.says(b"x" * 65_536, 0)
    assert not client.transport.closed
    await client.says(b"x", 0)
    assert client.transport.closed


async def test_a_connection_that_ends_with_its_answer_waits_for_nothing(client: Client) -> None:
    await client.says(GET[:-2] + b"Connection: close\r\n\r\n")
    assert (client.answers, client.transport.ended, client.transport.closed) == (1, False, True)


async def test_an_application_that_waits_for_a_body_learns_of_its_refusal() -> None:
    heard: list[str] = []

    class Reader(Client):
        async def _app(self, scope: Any, receive: Any, send: Any) -> None:
            while (event := await receive())["type"] == "http.request":
                heard.append(event["type"])
            heard.append(event["type"])

    client = Reader()
    await client.says(CHUNKED)
    await client.says(b"1\r\nx\r\n" * (MOST_PARTS + 100))
    assert heard[-1] == "http.disconnect"
    assert client.refused


UNREAD = {
    "a URL that is too long": (b"GET /" + b"x" * 50_000 + b" HTTP/1.1\r\n\r\n", b"414"),
    "a body behind the answer": (b"POST / HTTP/1.1\r\nConnection: close\r\nContent-Length: 9000000\r\n\r\n", b"200"),
    "an endless body": (b"POST / HTTP/1.1\r\nContent-Length: 9000000\r\n\r\n" + b"x" * (UNREAD_LIMIT + 1), b"200"),
}


@pytest.mark.parametrize("case", UNREAD)
async def test_the_answer_reaches_a_client_that_is_still_sending(case: str) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: Client().protocol, "127.0.0.1", 0)
    request, status = UNREAD[case]
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    for _ in range(10):
        writer.write(request)
        await writer.drain()
        request = b"x" * 65_536
        await asyncio.sleep(0)
    async with asyncio.timeout(20):
        answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 " + status)
    writer.close()
    server.close()


async def test_the_kernel_keeps_little_of_an_answer_and_not_for_long() -> None:
    made = asyncio.get_running_loop().create_future()

    def protocol() -> BoundedProtocol:
        made.set_result(Client().protocol)
        return cast(BoundedProtocol, made.result())

    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)
    _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    connection = (await made).transport.get_extra_info("socket")
    assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) <= 2 * SEND_BUFFER
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == PATIENCE_SECONDS * 1000
    writer.close()
    server.close()
