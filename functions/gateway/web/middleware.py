"""What stands around every request, whatever answers it."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from functions.gateway.web.problem_details import Problem
from shared.runtime import telemetry, trace_context
from shared.runtime.logs import get_logger, place
from shared.runtime.telemetry import Kind, Span

log = get_logger(__name__)

URL_LIMIT = 16 * 1024  # bytes
MOST_PARAMETERS = 100


def bounded(app: ASGIApp) -> ASGIApp:
    """The application without what FastAPI would take apart before it asks who calls: a query of 64 KiB is 40 ms.

    No route reads a cookie.
    """

    async def bounded_app(scope: Scope, receive: Receive, send: Send) -> None:
        problem = None
        if scope["type"] == "http":
            query = scope["query_string"]
            if len(query) + len(scope.get("raw_path") or b"") > URL_LIMIT:
                problem = Problem(414, f"the URL has more than {URL_LIMIT} bytes")
            elif query.count(b"&") >= MOST_PARAMETERS:
                problem = Problem(414, f"the query has more than {MOST_PARAMETERS} parameters")
            scope["headers"] = [header for header in scope["headers"] if header[0] != b"cookie"]
        await (problem.response() if problem else app)(scope, receive, send)

    return bounded_app


def answering_head(app: ASGIApp) -> ASGIApp:
    """The application with HEAD answered as GET is, without the body (RFC 9110, 9.3.2)."""

    async def head_app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await app(scope, receive, send)
            return
        got = {**scope, "method": "GET"}

        async def without_body(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            elif "route" in got:
                scope["route"] = got["route"]  # for its span's name
            await send(message)

        await app(got, receive, without_body)

    return head_app


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
        trace_context.bind(Headers(scope=scope).get("traceparent"))
        with telemetry.span(scope["method"], Kind.SERVER) as span:
            if trace_context.current() is None:
                trace_context.bind(trace_context.new())

            async def noting(message: Message) -> None:
                if message["type"] == "http.response.start":
                    _note(span, scope, message["status"])
                await send(message)

            await app(scope, receive, noting)

    return traced_app


def _note(span: Span, scope: Scope, status: int) -> None:
    """What OpenTelemetry's conventions for HTTP servers want; the path itself may hold a person's name."""
    span.note({"http.request.method": scope["method"], "http.response.status_code": status})
    route = scope.get("route")
    if route is not None:
        span.name(f"{scope['method']} {route.path}")
    if status >= 500:
        span.fail(str(status))
