"""Misbehaviour below the protocol: what HTTP and SMTP connections have in common when they break."""

import asyncio
import socket
import struct

PROXY_PAGE = (
    b"<!DOCTYPE html><html><head><title>Gateway</title></head><body><h1>Sign in to the network</h1>"
    b"<p>Please accept the terms of use to go on.</p></body></html>"
)


def reset(transport: asyncio.Transport) -> None:
    """Close with a TCP RST: a socket closed with a linger time of zero sends no FIN."""
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def cut(transport: asyncio.Transport, data: bytes) -> None:
    """Send this much, then close."""
    transport.write(data)
    transport.close()


async def drip(transport: asyncio.Transport, data: bytes, seconds: float) -> None:
    """Send a byte at a time over so many seconds. Each read succeeds, so only a total deadline helps."""
    # Nagle would join the bytes again.
    transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    loop = asyncio.get_running_loop()
    start = loop.time()
    for position in range(len(data)):
        await asyncio.sleep(start + seconds * (position + 1) / len(data) - loop.time())
        transport.write(data[position : position + 1])


async def hold() -> None:
    """Wait until the connection is lost: both servers cancel the handler then."""
    await asyncio.Event().wait()
