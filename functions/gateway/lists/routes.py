"""The routes of lists."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from functions.gateway.access.caller import Caller, Scope
from functions.gateway.access.route_scopes import Requires
from functions.gateway.lists import changes
from functions.gateway.lists.schemas import ListJson, ListRequest, ListsJson, list_json
from functions.gateway.lists.visibility import check_name, the_list
from functions.gateway.services import Gateway
from functions.gateway.web.common_fields import NAME
from functions.gateway.web.json_responses import json_answer
from functions.gateway.web.listing_pages import PageQuery, by_prefixes, name_cursor_of, name_of
from functions.gateway.web.openapi_declarations import answers, link, request_body
from functions.gateway.web.request_bodies import body_of

Name = Annotated[str, Path(json_schema_extra={"pattern": NAME})]
_BY_NAME = ("read_list", "delete_list", "list_members", "add_members")


def lists_router(gateway: Gateway) -> APIRouter:
    routes = APIRouter(prefix="/v1/lists")
    store = gateway.list_store
    requires = Requires(gateway.identity, gateway.quotas, gateway.listings)

    @routes.put(
        "/{name}",
        responses=answers(
            ListJson,
            *(200, 201, 400, 408, 413, 422, 503),
            links={operation: link(operation, name="$request.path.name") for operation in _BY_NAME},
        ),
        openapi_extra=request_body(ListRequest),
    )
    async def put_list(
        name: Name, request: Request, caller: Annotated[Caller, requires(Scope.LISTS_WRITE)]
    ) -> Response:
        """Makes a list, or changes what is said of it. Its members stay."""
        check_name("name", name, caller)
        body = await body_of(request, ListRequest)
        made, created = await changes.put(store, name, body.description, caller, gateway.now())
        return json_answer(list_json(made), 201 if created else 200)

    @routes.get("", responses=answers(ListsJson, 200, 422, 503))
    async def list_lists(
        query: Annotated[PageQuery, Query()], caller: Annotated[Caller, requires.turn(Scope.LISTS_READ)]
    ) -> Response:
        """By name, those that the caller may use."""
        async with gateway.listings.making(caller.id):
            after = name_of("lists", query.cursor)
            page = await by_prefixes(store.lists, caller.recipients, query.limit, after, lambda each: each.name)
            following = None if page.next is None else name_cursor_of("lists", page.next)
            return json_answer(ListsJson(items=[list_json(each) for each in page.items], next_cursor=following))

    @routes.get("/{name}", responses=answers(ListJson, 200, 404, 422, 503))
    async def read_list(name: Name, caller: Annotated[Caller, requires(Scope.LISTS_READ)]) -> Response:
        """What it is for, and since when."""
        return json_answer(list_json(await the_list(gateway, name, caller)))

    @routes.delete("/{name}", status_code=204, responses=answers(None, 204, 404, 422, 503))
    async def delete_list(name: Name, caller: Annotated[Caller, requires(Scope.LISTS_WRITE)]) -> Response:
        """A broadcast that has begun keeps its audience. A later list of this name begins without members."""
        check_name("name", name, caller)
        await changes.delete(gateway, name, caller)
        return Response(status_code=204)

    return routes
