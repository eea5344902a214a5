"""One form for every error, whichever way a request came."""

from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ExceptionHandler

from functions.gateway.web.problem_details import RETRY_LATER, Problem
from shared.delivery.errors import StoreUnavailable, UnreadableRecord
from shared.runtime.logs import get_logger

log = get_logger(__name__)


async def fault(_: Request, error: Exception) -> Response:
    return Problem(500, "a fault of ours; it is on record").response()


async def _problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101 - registered for it
    return error.response()


async def _http_exception(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it
    return Problem(error.status_code, headers=error.headers).response()


def unavailable(error: StoreUnavailable) -> Problem:
    log.error("the records cannot be reached", error=str(error))
    return Problem(503, "the records cannot be reached; try again", headers=RETRY_LATER)


async def _unavailable(_: Request, error: Exception) -> Response:
    assert isinstance(error, StoreUnavailable)  # noqa: S101 - registered for it
    return unavailable(error).response()


def unreadable(error: UnreadableRecord) -> Problem:
    log.error("a record cannot be read", error=str(error))
    return Problem(500, "a record that this needs cannot be read: a newer version wrote it, or it is damaged")


async def _unreadable(_: Request, error: Exception) -> Response:
    assert isinstance(error, UnreadableRecord)  # noqa: S101 - registered for it
    return unreadable(error).response()


async def _gone(_: Request, error: Exception) -> Response:
    return Response(status_code=499)  # nobody reads it


HANDLERS: Mapping[type[Exception], ExceptionHandler] = {
    Problem: _problem,
    HTTPException: _http_exception,
    StoreUnavailable: _unavailable,
    UnreadableRecord: _unreadable,
    ClientDisconnect: _gone,
}
