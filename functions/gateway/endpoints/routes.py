"""The routes of endpoints themselves."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from functions.gateway.access.caller import Caller, Scope
from functions.gateway.access.route_scopes import Requires
from functions.gateway.endpoints import changes
from functions.gateway.endpoints.finding import Name, endpoints_of
from functions.gateway.endpoints.schemas import (
    EndpointJson,
    EndpointRequest,
    EndpointsJson,
    RotationRequest,
    endpoint_json,
)
from functions.gateway.services import Gateway
from functions.gateway.web.json_responses import json_answer
from functions.gateway.web.listing_pages import PageQuery, name_cursor_of, name_of
from functions.gateway.web.openapi_declarations import answers, link, request_body
from functions.gateway.web.request_bodies import body_of

_BY_NAME = ("read_endpoint", "delete_endpoint", "test_endpoint", "list_event_deliveries")


def endpoints_router(gateway: Gateway) -> APIRouter:
    routes = APIRouter(prefix="/v1/endpoints")
    requires = Requires(gateway.identity, gateway.quotas, gateway.listings)

    @routes.put(
        "/{name}",
        responses=answers(
            EndpointJson,
            *(200, 201, 400, 408, 409, 413, 422, 503),
            links={operation: link(operation, name="$request.path.name") for operation in _BY_NAME},
        ),
        openapi_extra=request_body(EndpointRequest),
    )
    async def put_endpoint(
        name: Name, request: Request, caller: Annotated[Caller, requires(Scope.ENDPOINTS_MANAGE)]
    ) -> Response:
        """Makes an endpoint, with a secret that is shown this once, or changes one. One that was disabled is active."""
        endpoints = endpoints_of(gateway, name)
        body = await body_of(request, EndpointRequest)
        endpoint, secret = await changes.put(gateway, endpoints, name, body.url, body.events, caller)
        return json_answer(endpoint_json(endpoint, secret), 200 if secret is None else 201)

    @routes.get("", responses=answers(EndpointsJson, 200, 409, 422, 503))
    async def list_endpoints(
        query: Annotated[PageQuery, Query()], caller: Annotated[Caller, requires.turn(Scope.ENDPOINTS_MANAGE)]
    ) -> Response:
        """By name."""
        endpoints = endpoints_of(gateway)
        async with gateway.listings.making(caller.id):
            page = await endpoints.store.endpoints(limit=query.limit, after=name_of("endpoints", query.cursor))
            following = None if page.next is None else name_cursor_of("endpoints", page.next)
            return json_answer(EndpointsJson(items=[endpoint_json(e) for e in page.items], next_cursor=following))

    @routes.get("/{name}", responses=answers(EndpointJson, 200, 404, 409, 422, 503))
    async def read_endpoint(name: Name, caller: Annotated[Caller, requires(Scope.ENDPOINTS_MANAGE)]) -> Response:
        """Where its events go, and whether it still takes any."""
        found = await endpoints_of(gateway, name).store.endpoint(name)
        if found is None:
            raise changes.nothing()
        return json_answer(endpoint_json(found))

    @routes.delete("/{name}", status_code=204, responses=answers(None, 204, 404, 409, 422, 503))
    async def delete_endpoint(name: Name, caller: Annotated[Caller, requires(Scope.ENDPOINTS_MANAGE)]) -> Response:
        """It gets no more events; what was on its way to it ends as failed."""
        await changes.delete(endpoints_of(gateway, name), name, caller)
        return Response(status_code=204)

    @routes.post(
        "/{name}/rotate",
        responses=answers(EndpointJson, *(200, 400, 404, 408, 409, 413, 422, 503)),
        openapi_extra=request_body(RotationRequest),
    )
    async def rotate_secret(
        name: Name, request: Request, caller: Annotated[Caller, requires(Scope.ENDPOINTS_MANAGE)]
    ) -> Response:
        """Makes a new secret, which is shown this once. The one of before signs besides it for a day, or as you say."""
        endpoints = endpoints_of(gateway, name)
        body = await body_of(request, RotationRequest)
        overlap = timedelta(seconds=body.old_secret_seconds)
        endpoint, secret = await changes.rotate(gateway, endpoints, name, overlap, caller)
        return json_answer(endpoint_json(endpoint, secret))

    return routes
