"""Reading a request's body in bounded size and time: one that drips would hold a place for ever."""

import asyncio

from starlette.requests import Request

from shared.delivery.errors import BodyTooLarge, BodyTooSlow

SECONDS = 10.0


async def read(request: Request, limit: int) -> bytes:
    """The whole body. Raises BodyTooLarge over the limit of bytes, BodyTooSlow, and Starlette's ClientDisconnect."""
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > limit:
        raise BodyTooLarge(f"the body is larger than {limit} bytes")
    body = bytearray()
    try:
        async with asyncio.timeout(SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limit:
                    raise BodyTooLarge(f"the body is larger than {limit} bytes")
    except TimeoutError:
        raise BodyTooSlow(f"the body did not arrive within {SECONDS:g} s") from None
    return bytes(body)
