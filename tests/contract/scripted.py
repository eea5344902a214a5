"""A server on the loopback that says, byte for byte, what a test tells it to."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

Talk = Callable[[asyncio.StreamWriter], Awaitable[None]]
"""What the server says once it is its turn."""

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""One whole connection."""

DRIP_SECONDS = 0.05
_ESTABLISHED = 1  # linux/tcp.h


@dataclass
class Server:
    """A running server."""

    port: int = 0
    writers: set[asyncio.StreamWriter] = field(default_factory=set)
    connections: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def open(self) -> int:
        """The connections that the client still holds: a server that is kept from writing hears of no end."""
        states = [
            writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
            for writer in self.writers
            if not writer.is_closing()
        ]
        return states.count(_ESTABLISHED)


@asynccontextmanager
async def serving(script: Script) -> AsyncIterator[Server]:
    server = Server()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.writers.add(writer)
        try:
            await script(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client has left
        except asyncio.CancelledError:
            writer.transport.abort()  # what is still to be written may never be taken
            raise
        finally:
            server.writers.discard(writer)
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(converse(reader, writer))
        server.connections.add(task)
        task.add_done_callback(server.connections.discard)

    listener = await asyncio.start_server(accept, "127.0.0.1", 0, limit=2**20)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        left = list(server.connections)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


def say(data: bytes) -> Talk:
    async def talk(writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()

    return talk


async def hang_up(writer: asyncio.StreamWriter) -> None:
    raise ConnectionError


def drip(data: bytes) -> Talk:
    """Say this, then a byte every 50 ms for ever: each read succeeds, and the answer never ends."""

    async def talk(writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        while True:
            writer.write(b"1")
            await writer.drain()
            await asyncio.sleep(DRIP_SECONDS)

    return talk


def pour(data: bytes, unit: bytes) -> Talk:
    """Say this, then the unit again and again, as fast as the client takes it."""
    block = unit * (65536 // len(unit) or 1)

    async def talk(writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        while True:
            writer.write(block)
            await writer.drain()
            await asyncio.sleep(0)  # drain comes back at once while the client keeps up

    return talk


def http(talk: Talk, heard: list[bytes] | None = None) -> Script:
    """Read one request, talk, close. heard: what was read"""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        body = await reader.readexactly(int(length[1]) if length else 0)
        if heard is not None:
            heard.append(head + body)
        await talk(writer)

    return script


def answer(
    status: int | str,
    body: bytes = b"",
    content_type: str = "application/json",
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """An HTTP answer with a correct length, whatever its status and body."""
    all_headers = {"Content-Type": content_type, "Content-Length": str(len(body)), **(headers or {})}
    lines = [f"HTTP/1.1 {status} Something", *(f"{name}: {value}" for name, value in all_headers.items())]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + body


SMTP_REPLIES: Mapping[str, Talk] = {
    "BANNER": say(b"220 scripted.test\r\n"),
    "EHLO": say(b"250-scripted.test\r\n250 8BITMIME\r\n"),
    "AUTH": say(b"235 2.7.0 welcome\r\n"),
    "MAIL": say(b"250 2.1.0 ok\r\n"),
    "RCPT": say(b"250 2.1.5 ok\r\n"),
    "DATA": say(b"354 go on\r\n"),
    "END": say(b"250 2.0.0 queued\r\n"),
    "QUIT": say(b"221 bye\r\n"),
}


@dataclass
class Smtp:
    """An SMTP dialogue that keeps what it was told. `replies`: by command; BANNER comes first, END follows the mail."""

    replies: Mapping[str, Talk] = field(default_factory=dict)
    commands: list[bytes] = field(default_factory=list)
    mail: bytes = b""

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        replies = {**SMTP_REPLIES, **self.replies}
        await replies["BANNER"](writer)
        while line := await reader.readline():
            self.commands.append(line.rstrip(b"\r\n"))
            command = line.split()[0].decode().upper()
            await replies["EHLO" if command == "HELO" else command](writer)
            if command == "DATA" and command not in self.replies:
                self.mail = await reader.readuntil(b"\r\n.\r\n")
                await replies["END"](writer)
