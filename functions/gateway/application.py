"""What the framework is given: the one route that every notification takes, and FastAPI behind it.

FastAPI's looking for the route and solving its dependencies was a third of an accept's CPU, and its import with the
making of all routes is a third of a second of a cold start (2026-11). A notification pays neither.
"""

from collections.abc import Callable

from starlette.middleware.errors import ServerErrorMiddleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

import functions.gateway.web.paths  # noqa: F401 - the framework makes its route, which takes all paths, after this
from functions.gateway.access.scopes import RequiresScope
from functions.gateway.notifications.post_route import PATH, SCOPE, send_notification
from functions.gateway.services import Gateway
from functions.gateway.web.error_handlers import HANDLERS, fault
from functions.gateway.web.load_once import Once
from functions.gateway.web.middleware import answering_head, bounded, guarded, traced
from shared.delivery.errors import StoreUnavailable
from shared.http.security_headers import secured
from shared.runtime import failpoints
from shared.runtime.failpoints import Failpoint


def application(gateway: Gateway) -> ASGIApp:
    return around(Direct(gateway, _everything))


def around(app: ASGIApp) -> ASGIApp:
    """The application with what every route shares: a trace, headers, HEAD, bounds, and an answer for its faults."""
    return traced(secured(answering_head(bounded(guarded(ServerErrorMiddleware(app, fault))))))


class Direct:
    """Answers POST /v1/notifications itself, as FastAPI would, and GET /healthz; the rest is FastAPI's.

    load: makes the application with all routes; called in a thread, at the first request that needs it
    """

    def __init__(self, gateway: Gateway, load: Callable[[Gateway], ASGIApp]) -> None:
        self._gateway = gateway
        self._everything = Once(lambda: load(gateway))
        self._requirement = RequiresScope(gateway.identity, gateway.quotas, SCOPE)
        self._sending = gateway.audit.of_refusals(ExceptionMiddleware(self._send, HANDLERS), "send_notification")
        self._route = Route(PATH, self._send, methods=["POST"])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = (scope["method"], scope["path"]) if scope["type"] == "http" else None
        if asked == ("POST", PATH):
            scope["route"] = self._route  # for its span's name
            await self._sending(scope, receive, send)
            failpoints.reached(Failpoint.ANSWERED)
        elif asked == ("GET", "/healthz"):
            await (await self._health())(scope, receive, send)
        else:
            await (await self._everything.get())(scope, receive, send)

    async def _health(self) -> PlainTextResponse:
        """It asks nothing of others, unless it is to say whether restored records are held back."""
        restored = self._gateway.restored
        try:
            held = None if restored is None else await restored.why_held()
        except StoreUnavailable:
            held = None
        return PlainTextResponse("ok") if held is None else PlainTextResponse(f"held: {held}", 503)

    async def _send(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        response = await send_notification(self._gateway, request, await self._requirement(request))
        await response(scope, receive, send)


def _everything(gateway: Gateway) -> ASGIApp:
    from functions.gateway.fastapi_app import create_app  # noqa: PLC0415 - imports FastAPI

    return gateway.audit.of_acts(create_app(gateway))
