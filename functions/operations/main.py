"""The function that works off operations, page by page. Cloud Scheduler calls it every minute."""

import time

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

import shared.entrypoint.pause_garbage_collection  # noqa: F401 - while the rest is imported
from functions.gateway.opening import load_of_events, open_gateway
from functions.gateway.settings import GatewaySettings
from functions.operations.kinds import kinds
from shared.channels.registry import load_channels, load_screens
from shared.delivery.errors import StoreUnavailable
from shared.entrypoint.push_requests import push_requests
from shared.entrypoint.restored_records import RestoredRecords, restored_records
from shared.entrypoint.startup import start
from shared.runtime import logs
from shared.runtime.settings import PeopleSettings, load
from shared.sending.operations import Worker

log = logs.get_logger(__name__)

SWEEP_SECONDS = 50.0  # after this a sweep begins no page: the next call is due in ten seconds
_settings = start()
_own = load(GatewaySettings)
_address_hash = load(PeopleSettings).address_hash()
_channels = load_channels()
_screens = load_screens(_channels)
_of_events = load_of_events(_settings, shows_secrets=False)
_worker: Worker | None = None
_restored: RestoredRecords | None = None


@functions_framework.aio.http
async def operations(request: Request) -> Response:
    return await _handle(request)


async def _sweep(_request: Request, _body: bytes) -> Response:
    """200 with how many operations were begun with, and the seconds spent at them; 503 when the records could not be
    read. Cloud Scheduler's calls have no body.
    """
    global _worker, _restored
    try:
        if _worker is None:
            _worker, _restored = _open(), restored_records(_settings)
        if _restored is not None and (held := await _restored.why_held()) is not None:
            return JSONResponse({"held": held})
        began = time.monotonic()
        count = await _worker.sweep(SWEEP_SECONDS)
    except StoreUnavailable as error:
        log.error("sweep failed", error=str(error))
        return Response(status_code=503)
    except Exception as error:
        # The framework would log this one with its text, which may hold anything.
        log.error("sweep failed", error=logs.place(error))
        return Response(status_code=500)
    return JSONResponse({"operations": count, "worked": round(time.monotonic() - began, 3) if count else 0.0})


_handle = push_requests(_sweep, too_large=lambda: Response(status_code=400))


def _open() -> Worker:
    gateway = open_gateway(_settings, _own, _address_hash, _channels, _screens, _of_events)
    return Worker(kinds(gateway), gateway.operations, gateway.now)
