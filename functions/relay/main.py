"""The function that publishes again whatever is overdue. Cloud Scheduler calls it every minute."""

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from functions.relay.relay import Relay
from shared import logs
from shared.errors import StoreUnavailable
from shared.function import open_publisher, open_store, start

log = logs.get_logger(__name__)
_settings = start()
_relay: Relay | None = None


@functions_framework.aio.http
async def relay(request: Request) -> Response:
    """200 with what was done; 503 when the records could not be read."""
    global _relay  # noqa: PLW0603 - connections belong to the loop of the first request
    if request.method != "POST":
        return Response(status_code=204 if request.url.path == "/healthz" else 405)
    if _relay is None:
        _relay = Relay(open_store(_settings), open_publisher(_settings), _settings.policy())
    try:
        swept = await _relay.sweep()
    except StoreUnavailable as error:
        log.error("sweep failed", error=str(error))
        return Response(status_code=503)
    except Exception as error:
        # The framework would log this one with its text, which may hold anything.
        log.error("sweep failed", error=logs.place(error))
        return Response(status_code=500)
    return JSONResponse({"published": swept.published, "dead": swept.dead, "unpublished": swept.unpublished})
