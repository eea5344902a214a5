"""What stands around every request, whatever answers it."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from functions.gateway.send import PATH
from shared import failpoints, telemetry, trace
from shared.failpoints import Failpoint
from shared.logs import get_logger, place
from shared.telemetry import Kind, Span

log = get_logger(__name__)


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
            if scope["path"] == PATH:
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
