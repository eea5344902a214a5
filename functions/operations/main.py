"""The function that works off operations, page by page. Cloud Scheduler calls it every minute."""

import time
from datetime import UTC, datetime

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

import shared.entrypoint.pause_garbage_collection  # noqa: F401 - while the rest is imported
from functions.operations.kinds import Services, kinds
from shared.delivery.errors import StoreUnavailable
from shared.entrypoint.push_requests import push_requests
from shared.entrypoint.restored_records import RestoredRecords, restored_records
from shared.entrypoint.startup import open_rpc, start
from shared.google.firestore.list_store import FirestoreLists
from shared.google.firestore.operation_store import FirestoreOperations
from shared.google.firestore.store import FirestoreStore
from shared.google.publisher import open_publisher
from shared.runtime import logs
from shared.runtime.settings import PeopleSettings, load
from shared.sending.operations import Worker

log = logs.get_logger(__name__)

SWEEP_SECONDS = 50.0  # after this a sweep begins no page: the next call is due in ten seconds
_settings = start()
load(PeopleSettings)  # whatever kind knows an address needs its hash: without the key it does not start
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
    rpc = open_rpc(_settings)
    services = Services(FirestoreStore(rpc), FirestoreLists(rpc), open_publisher(_settings), lambda: datetime.now(UTC))
    return Worker(kinds(services), FirestoreOperations(rpc), services.now)
