"""What the framework is given: the one route that every notification takes, and FastAPI behind it.

FastAPI's looking for the route and solving its dependencies was a third of an accept's CPU, and its import with the
making of all routes is a third of a second of a cold start (2026-11). A notification pays neither.
"""

import asyncio
from collections.abc import Callable

from starlette.middleware.errors import ServerErrorMiddleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from functions.gateway.accept import Gateway
from functions.gateway.access import RequiresScope
from functions.gateway.handlers import HANDLERS, fault
from functions.gateway.middleware import guarded, traced
from functions.gateway.send import PATH, SCOPE, send_notification


def application(gateway: Gateway) -> ASGIApp:
    return around(Direct(gateway, _everything))


def around(app: ASGIApp) -> ASGIApp:
    """The application with an answer for its faults, and in a trace."""
    return traced(guarded(ServerErrorMiddleware(app, fault)))


class Direct:
    """Answers POST /v1/notifications itself, as FastAPI would, and GET /healthz; the rest is FastAPI's.

    load: makes the application with all routes; called in a thread, at the first request that needs it
    """

    def __init__(self, gateway: Gateway, load: Callable[[Gateway], ASGIApp]) -> None:
        self._gateway = gateway
        self._load = load
        self._loading: asyncio.Task[ASGIApp] | None = None
        self._requirement = RequiresScope(gateway.identity, gateway.limits, SCOPE)
        self._sending = ExceptionMiddleware(self._send, HANDLERS)
        self._route = Route(PATH, self._send, methods=["POST"])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = (scope["method"], scope["path"]) if scope["type"] == "http" else None
        if asked == ("POST", PATH):
            scope["route"] = self._route  # for its span's name
            await self._sending(scope, receive, send)
        elif asked == ("GET", "/healthz"):
            await PlainTextResponse("ok")(scope, receive, send)
        else:
            await (await self._loaded())(scope, receive, send)

    async def _send(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        response = await send_notification(self._gateway, request, await self._requirement(request))
        await response(scope, receive, send)

    async def _loaded(self) -> ASGIApp:
        """Whoever waits may go away meanwhile: the load goes on for the others. One that fails is begun again."""
        if self._loading is None:
            self._loading = asyncio.create_task(asyncio.to_thread(self._load, self._gateway))
        loading = self._loading
        try:
            return await asyncio.shield(loading)
        except Exception:
            if self._loading is loading:
                self._loading = None
            raise


def _everything(gateway: Gateway) -> ASGIApp:
    from functions.gateway.app import create_app  # noqa: PLC0415 - imports FastAPI

    return create_app(gateway)
