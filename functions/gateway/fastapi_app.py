"""The gateway's FastAPI application: all routes."""

import json
from collections.abc import Awaitable, Callable, Sequence

from fastapi import Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Match, Route

from functions.gateway.audit.routes import audit_router
from functions.gateway.batches.routes import batches_router
from functions.gateway.broadcasts.routes import broadcasts_router
from functions.gateway.callers.routes import callers_router
from functions.gateway.categories.routes import categories_router
from functions.gateway.channels.routes import channels_router
from functions.gateway.console.routes import console_router
from functions.gateway.dead_letters.bulk_routes import bulk_replay_router
from functions.gateway.dead_letters.routes import dead_letters_router
from functions.gateway.delivery_statistics.routes import statistics_router
from functions.gateway.duplicates.routes import duplicates_router
from functions.gateway.endpoints.event_routes import events_router
from functions.gateway.endpoints.routes import endpoints_router
from functions.gateway.inbound.routes import inbound_router
from functions.gateway.lists.member_routes import members_router
from functions.gateway.lists.routes import lists_router
from functions.gateway.notifications.routes import notifications_router
from functions.gateway.openapi import openapi
from functions.gateway.operations.routes import operations_router
from functions.gateway.receipts.routes import receipts_router
from functions.gateway.recipients.routes import recipients_router
from functions.gateway.services import Gateway
from functions.gateway.suppressions.routes import suppressions_router
from functions.gateway.system.routes import system_router
from functions.gateway.templates.routes import templates_router
from functions.gateway.unsubscribe.routes import unsubscribe_router
from functions.gateway.web import docs_page
from functions.gateway.web.error_handlers import HANDLERS, fault
from functions.gateway.web.load_once import Once
from functions.gateway.web.paths import whole_path
from functions.gateway.web.problem_details import Problem, of_validation

ROUTERS = (
    # What anybody may call comes first: each route before it is looked at for whoever has no credential.
    receipts_router,
    inbound_router,
    unsubscribe_router,
    console_router,
    notifications_router,
    batches_router,
    broadcasts_router,
    channels_router,
    recipients_router,
    categories_router,
    suppressions_router,
    lists_router,
    members_router,
    templates_router,
    operations_router,
    dead_letters_router,
    bulk_replay_router,
    duplicates_router,
    endpoints_router,
    events_router,
    callers_router,
    audit_router,
    system_router,
    statistics_router,
)


def create_app(gateway: Gateway) -> FastAPI:
    app = FastAPI(
        dependencies=[Depends(whole_path)],
        title="Hark",
        version="1",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        description=docs_page.DESCRIPTION,
        generate_unique_id_function=lambda route: route.name,
        redirect_slashes=False,  # it would send to http:// and to whatever host the client named
        telemetry={"tracing": False, "metrics": False, "logs": False},  # `shared.runtime.telemetry` is ours
    )
    routers = [make(gateway) for make in ROUTERS]
    for each in routers:
        app.include_router(each)

    @app.get("/healthz", response_class=PlainTextResponse)
    async def healthz() -> str:
        """200 while the process serves; it asks nothing of others, so that their outage does not restart it. 503 and
        why, while records that were restored from a backup are held back.
        """
        return "ok"

    @app.get("/openapi.json", include_in_schema=False)
    async def document() -> Response:
        return Response(await described.get(), media_type="application/json")

    @app.get("/docs", include_in_schema=False)
    async def page() -> Response:
        return HTMLResponse(docs_page.PAGE, headers=docs_page.HEADERS)

    async def asset_of_page(request: Request) -> Response:
        return (await page_assets.get())[request.url.path.rpartition("/")[2]].answer(request)

    for name in docs_page.ASSETS:
        app.add_api_route(f"/docs/{name}", asset_of_page, include_in_schema=False)
    described = Once(lambda: json.dumps(app.openapi(), separators=(",", ":")).encode())
    page_assets = Once(docs_page.assets)
    api_routes = [route for each in routers for route in each.routes if isinstance(route, APIRoute)]
    app.openapi = lambda: openapi(app, api_routes, gateway.channels)  # type: ignore[method-assign]
    for error, handler in HANDLERS.items():
        app.add_exception_handler(error, handler)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(405, _wrong_method([*api_routes, *app.routes]))
    app.add_exception_handler(Exception, fault)
    return app


def _wrong_method(routes: Sequence[BaseRoute]) -> Callable[[Request, Exception], Awaitable[Response]]:
    """Starlette names the methods of the first route on the path; RFC 9110 (15.5.6) wants those of all."""

    async def wrong_method(request: Request, _: Exception) -> Response:
        here = [r for r in routes if isinstance(r, Route) and r.matches(request.scope)[0] is not Match.NONE]
        # A path that is named goes before one that a parameter could be: `explain` is no notification's id, and what
        # ends with `/erase` no recipient's name.
        named = min(map(_parameters, here), default=None)
        here = [route for route in here if _parameters(route) == named]
        methods = {method for route in here for method in route.methods or ()}
        methods |= {"HEAD"} if "GET" in methods else set()  # see `answering_head`
        return Problem(405, headers={"Allow": ", ".join(sorted(methods))}).response()

    return wrong_method


def _parameters(route: Route) -> tuple[int, int]:
    """The fewer, or the longer the path is besides them, the more is named."""
    return len(route.param_convertors), -route.path.count("/")


async def _validation(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for it
    # FastAPI puts the place ("query") before the name.
    return of_validation([{**e, "loc": e["loc"][1:]} for e in error.errors()]).response()
