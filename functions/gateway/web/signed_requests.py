"""Requests of providers, who sign them: whoever signs as the provider does is let in."""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol, TypeVar

from starlette.datastructures import Headers
from starlette.requests import Request

from functions.gateway.web.problem_details import Problem
from functions.gateway.web.request_bodies import read_body
from shared.delivery.errors import ForgedReceipt, MalformedReceipt
from shared.runtime.logs import get_logger
from shared.sending.receipts import ReceiptRequest

log = get_logger(__name__)

Said_co = TypeVar("Said_co", covariant=True)


class Reader(Protocol[Said_co]):
    """A ReceiptReader, or a ReplyReader."""

    body_limit: int

    def check_head(self, target: str, headers: Headers, at: datetime) -> None: ...

    def read(self, request: ReceiptRequest) -> Said_co: ...


async def read_signed(
    request: Request, reader: Reader[Said_co], provider: str, kind: str, now: Callable[[], datetime]
) -> Said_co:
    """What the request says. kind: what it should be, in words

    Problem 403 when it is not the provider's, 400 when it is and cannot be read, and those of `read_body`.
    """
    at = now()
    query = request.scope["query_string"].decode("latin-1")
    target = request.scope["path"] + (f"?{query}" if query else "")
    try:
        reader.check_head(target, request.headers, at)
        body = await read_body(request, reader.body_limit)
        return reader.read(ReceiptRequest(target, request.headers, body, at))
    except ForgedReceipt as error:
        log.warning(f"a forged {kind}", provider=provider, error=str(error))
        raise Problem(403, f"this is not signed by {provider}, or too old") from None
    except MalformedReceipt as error:
        log.error(f"a {kind} that cannot be read", provider=provider, error=str(error))
        raise Problem(400, f"this is no {kind} of {provider}") from None
