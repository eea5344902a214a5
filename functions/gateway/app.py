"""The gateway's FastAPI application: the routes, and one form for every error."""

from collections.abc import Awaitable, Callable, Sequence

from fastapi import Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import ASGIApp, ExceptionHandler, Message, Receive, Scope, Send

from functions.gateway import docs
from functions.gateway.accept import Gateway
from functions.gateway.caller_routes import callers_router
from functions.gateway.dead_letter_routes import dead_letters_router
from functions.gateway.direct import Direct
from functions.gateway.openapi import openapi
from functions.gateway.problems import RETRY_LATER, Problem, of_validation
from functions.gateway.receipts import receipts_router
from functions.gateway.recipient_routes import recipients_router
from functions.gateway.routes import router
from shared import failpoints, telemetry, trace
from shared.errors import StoreUnavailable
from shared.failpoints import Failpoint
from shared.logs import get_logger, place
from shared.telemetry import Kind, Span

log = get_logger(__name__)

ROUTERS = (router, recipients_router, dead_letters_router, callers_router, receipts_router)


def create_app(gateway: Gateway) -> FastAPI:
    app = FastAPI(
        dependencies=[Depends(_whole_path)],
        title="Hark",
        version="1",
        docs_url=None,
        redoc_url=None,
        description=docs.DESCRIPTION,
        generate_unique_id_function=lambda route: route.name,
        redirect_slashes=False,  # it would send to http:// and to whatever host the client named
        telemetry={"tracing": False, "metrics": False, "logs": False},  # `shared.telemetry` is ours
    )
    routers = [make(gateway) for make in ROUTERS]
    for each in routers:
        app.include_router(each)

    @app.get("/healthz", response_class=PlainTextResponse)
    async def healthz() -> str:
        """200 while the process serves; it asks nothing of others, so that their outage does not restart it."""
        return "ok"

    @app.get("/docs", include_in_schema=False)
    async def page() -> Response:
        return HTMLResponse(docs.page(app.openapi()), headers=docs.HEADERS)

    api_routes = [route for each in routers for route in each.routes if isinstance(route, APIRoute)]
    app.openapi = lambda: openapi(app, api_routes, gateway.channels)  # type: ignore[method-assign]
    handlers: dict[type[Exception], ExceptionHandler] = {
        Problem: _problem,
        HTTPException: _http_exception,
        RequestValidationError: _validation,
        StoreUnavailable: _unavailable,
        ClientDisconnect: _gone,
    }
    for error, handler in handlers.items():
        app.add_exception_handler(error, handler)
    app.add_exception_handler(405, _wrong_method([*api_routes, *app.routes]))
    app.add_exception_handler(Exception, _fault)
    send_notification = next(route for route in api_routes if route.name == "send_notification")
    app.add_middleware(Direct, route=send_notification, handlers=handlers)
    return app


def guarded(app: ASGIApp) -> ASGIApp:
    """The application without the exceptions that Starlette raises again after it has answered them: the framework
    would log their texts, which may hold anything.
    """

    async def guarded_app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        except Exception as error:
            log.error("a request failed", error=place(error), method=scope.get("method"))

    return guarded_app


def traced(app: ASGIApp) -> ASGIApp:
    """The application with each request in the trace that it names, or in one of its own."""

    async def traced_app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] == "/healthz":
            await app(scope, receive, send)
            return
        trace.bind(Headers(scope=scope).get("traceparent"))
        with telemetry.span(scope["method"], Kind.SERVER) as span:
            if trace.current() is None:
                trace.bind(trace.new())

            async def noting(message: Message) -> None:
                if message["type"] == "http.response.start":
                    _note(span, scope, message["status"])
                await send(message)

            await app(scope, receive, noting)
            if scope["path"] == "/v1/notifications":
                failpoints.reached(Failpoint.ANSWERED)

    return traced_app


def _note(span: Span, scope: Scope, status: int) -> None:
    """What OpenTelemetry's conventions for HTTP servers want; the path itself may hold a person's name."""
    span.note({"http.request.method": scope["method"], "http.response.status_code": status})
    route = scope.get("route")
    if route is not None:
        span.name(f"{scope['method']} {route.path}")
    if status >= 500:
        span.fail(str(status))


async def _whole_path(request: Request) -> None:
    """Starlette's patterns end in `$`, which is also before a last line end: DELETE …/alice%0A would delete alice."""
    if "\n" in request.scope["path"]:
        raise Problem(404)


async def _fault(_: Request, error: Exception) -> Response:
    return Problem(500, "a fault of ours; it is on record").response()


async def _problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101 - registered for it
    return error.response()


async def _http_exception(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it
    return Problem(error.status_code, headers=error.headers).response()


def _wrong_method(routes: Sequence[BaseRoute]) -> Callable[[Request, Exception], Awaitable[Response]]:
    """Starlette names the methods of the first route on the path; RFC 9110 (15.5.6) wants those of all."""

    async def wrong_method(request: Request, _: Exception) -> Response:
        here = [r for r in routes if isinstance(r, Route) and r.matches(request.scope)[0] is not Match.NONE]
        methods = sorted({method for route in here for method in route.methods or ()})
        return Problem(405, headers={"Allow": ", ".join(methods)}).response()

    return wrong_method


async def _validation(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for it
    # FastAPI puts the place ("query") before the name.
    return of_validation([{**e, "loc": e["loc"][1:]} for e in error.errors()]).response()


async def _unavailable(_: Request, error: Exception) -> Response:
    log.error("the records cannot be reached", error=str(error))
    return Problem(503, "the records cannot be reached; try again", headers=RETRY_LATER).response()


async def _gone(_: Request, error: Exception) -> Response:
    return Response(status_code=499)  # nobody reads it
