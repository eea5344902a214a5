"""A TCP proxy in front of Firestore that cuts, stalls, resets and delays."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from enum import StrEnum

_CHUNK = 64 * 1024
_UNDER_WAY = 256  # pieces in one direction of a connection
_AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER of no seconds: closing sends a reset


class Mode(StrEnum):
    OPEN = "open"
    STALLED = "stalled"  # connections are taken, and no byte goes either way
    CUT = "cut"  # connections are refused with a reset, and there are none


class Proxy:
    """delay: seconds that what goes through is late, either way"""

    def __init__(self, target: tuple[str, int]) -> None:
        self.delay = 0.0
        self._target = target
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._cut = False
        self._connections: set[asyncio.StreamWriter] = set()

    def turn(self, mode: Mode) -> None:
        self._cut = mode is Mode.CUT
        if mode is Mode.STALLED:
            self._flowing.clear()
        else:
            self._flowing.set()
        if self._cut:
            self.reset()

    def reset(self) -> None:
        """Every connection, in the middle of whatever it carries."""
        for writer in self._connections:
            _reset(writer)

    def forget(self) -> None:
        """Every connection, as a router that drops what was idle: nobody is told, and no byte goes either way again."""
        self._flowing.clear()
        self._flowing = asyncio.Event()
        self._flowing.set()

    @contextlib.asynccontextmanager
    async def serving(self, host: str = "127.0.0.1") -> AsyncIterator[str]:
        """Its host:port."""
        server = await asyncio.start_server(self._serve, host, 0)
        try:
            yield f"{host}:{server.sockets[0].getsockname()[1]}"
        finally:
            self.turn(Mode.CUT)
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._cut:
            _reset(writer)
            return
        with contextlib.suppress(OSError, asyncio.CancelledError):  # the server's end cancels
            there, back = await asyncio.open_connection(*self._target)
            self._connections |= {writer, back}
            try:
                flowing = self._flowing
                async with asyncio.TaskGroup() as both:
                    both.create_task(self._pump(reader, back, flowing))
                    both.create_task(self._pump(there, writer, flowing))
            finally:
                self._connections -= {writer, back}
                writer.close()
                back.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, flowing: asyncio.Event) -> None:
        clock = asyncio.get_running_loop().time
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_UNDER_WAY)

        async def take() -> None:
            data = b"first"
            while data:
                with contextlib.suppress(OSError):
                    data = b""
                    data = await reader.read(_CHUNK)
                await under_way.put((clock() + self.delay, data))

        async def give() -> None:
            while True:
                due, data = await under_way.get()
                await asyncio.sleep(max(0.0, due - clock()))
                await flowing.wait()
                if not data:
                    writer.write_eof()
                    return
                writer.write(data)
                await writer.drain()

        async with asyncio.TaskGroup() as both:
            taking = both.create_task(take())
            with contextlib.suppress(OSError):
                await give()
            taking.cancel()


def _reset(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    if connection is not None:
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    writer.transport.abort()
