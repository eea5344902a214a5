"""What Pub/Sub and Cloud Scheduler call: who may, in which form, and when the call has been read."""

from collections.abc import Awaitable, Callable

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from shared.delivery.errors import BodyTooLarge, BodyTooSlow
from shared.entrypoint.push_authentication import open_guard
from shared.http import request_body
from shared.runtime.logs import get_logger

log = get_logger(__name__)

PUSH_LIMIT = 10 * 1024 * 1024 * 2  # bytes: Pub/Sub's largest message in base64, with room for the envelope

Handler = Callable[[Request], Awaitable[Response]]


def push_requests(work: Callable[[Request, bytes], Awaitable[Response]], too_large: Callable[[], Response]) -> Handler:
    """A handler that does `work` for each push that has come whole; what it answers else changes nothing.

    204 to a health check, 405 to whatever is no POST, 401 without the token that the settings ask for, 408 when the
    body does not arrive in time, `too_large` when it is over PUSH_LIMIT. Called at import. SystemExit when a setting
    is wrong.
    """
    guard = open_guard()

    async def handle(request: Request) -> Response:
        if request.method != "POST":
            return _no_post(request)
        try:
            if guard and (refusal := await guard.refusal(request)):
                return refusal
            body = await request_body.read(request, PUSH_LIMIT)
        except ClientDisconnect:
            return Response(status_code=503)  # nobody reads it
        except BodyTooSlow:
            log.warning("a push's body did not arrive in time")
            return Response(status_code=408, headers={"Connection": "close"})  # the connection, too: RFC 9110, 15.5.9
        except BodyTooLarge as error:
            log.error("malformed push", error=str(error))
            return too_large()
        return await work(request, body)

    return handle


def _no_post(request: Request) -> Response:
    """The answer to anything but a POST, which alone does something: 204 to a health check, else 405."""
    health = request.scope["path"] == "/healthz"
    if health and request.method in {"GET", "HEAD"}:
        return Response(status_code=204)
    return Response(status_code=405, headers={"Allow": "GET, HEAD, POST" if health else "POST"})
