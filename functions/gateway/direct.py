"""The way past FastAPI for the one route that every notification takes."""

from collections.abc import Mapping

from fastapi.routing import APIRoute
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.types import ASGIApp, ExceptionHandler, Receive, Scope, Send

from functions.gateway.access import requirement_of


class Direct:
    """A middleware that calls a route's endpoint with its caller itself: a third of an accept's CPU was FastAPI's
    looking for the route and solving its dependencies (2026-11). Whatever is not exactly that route goes on to FastAPI.

    route: takes the request and the caller, is a POST and has nothing in its path; handlers: the application's
    """

    def __init__(self, app: ASGIApp, route: APIRoute, handlers: Mapping[type[Exception], ExceptionHandler]) -> None:
        requirement = requirement_of(route.dependant)
        assert requirement is not None  # noqa: S101 - every route has one (tests/integration/test_gateway_callers.py)
        self._app = app
        self._route = route
        self._requirement = requirement
        self._direct = ExceptionMiddleware(self._answer, handlers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == self._route.path and scope["method"] == "POST":
            scope["route"] = self._route
            await self._direct(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        response = await self._route.endpoint(request, await self._requirement(request))
        await response(scope, receive, send)
