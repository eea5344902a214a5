"""The routes of categories."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from functions.gateway.access.caller import Caller, Scope
from functions.gateway.access.route_scopes import Requires
from functions.gateway.categories import changes
from functions.gateway.categories.schemas import CategoriesJson, CategoryJson, CategoryRequest, category_json
from functions.gateway.services import Gateway
from functions.gateway.web.common_fields import PLAIN_NAME, check_plain_name
from functions.gateway.web.json_responses import json_answer
from functions.gateway.web.listing_pages import PageQuery, name_cursor_of, name_of
from functions.gateway.web.openapi_declarations import answers, link, request_body
from functions.gateway.web.request_bodies import body_of
from shared.people.category import Category

Name = Annotated[str, Path(json_schema_extra={"pattern": PLAIN_NAME})]
_BY_NAME = ("read_category", "delete_category")


def categories_router(gateway: Gateway) -> APIRouter:
    routes = APIRouter(prefix="/v1/categories")
    people = gateway.people
    requires = Requires(gateway.identity, gateway.quotas, gateway.listings)

    @routes.put(
        "/{name}",
        responses=answers(
            CategoryJson,
            *(200, 201, 400, 408, 413, 422, 503),
            links={operation: link(operation, name="$request.path.name") for operation in _BY_NAME},
        ),
        openapi_extra=request_body(CategoryRequest),
    )
    async def put_category(
        name: Name, request: Request, caller: Annotated[Caller, requires(Scope.CATEGORIES_WRITE)]
    ) -> Response:
        """Makes a category, or replaces it. It holds for what is not sent yet, too."""
        check_plain_name(name)
        body = await body_of(request, CategoryRequest)
        now = gateway.now()
        wanted = Category(
            name,
            body.class_,
            created_at=now,
            updated_at=now,
            description=body.description,
            max_per_day=body.max_per_day,
            updated_by=caller.id,
        )
        category, created = await changes.put(people, wanted, caller)
        return json_answer(category_json(category), 201 if created else 200)

    @routes.get("", responses=answers(CategoriesJson, 200, 422, 503))
    async def list_categories(
        query: Annotated[PageQuery, Query()], caller: Annotated[Caller, requires.turn(Scope.CATEGORIES_READ)]
    ) -> Response:
        """By name."""
        async with gateway.listings.making(caller.id):
            page = await people.categories(limit=query.limit, after=name_of("categories", query.cursor))
            following = None if page.next is None else name_cursor_of("categories", page.next)
            return json_answer(CategoriesJson(items=[category_json(c) for c in page.items], next_cursor=following))

    @routes.get("/{name}", responses=answers(CategoryJson, 200, 404, 422, 503))
    async def read_category(name: Name, caller: Annotated[Caller, requires(Scope.CATEGORIES_READ)]) -> Response:
        """What may stop its messages, and how many a day there may be."""
        check_plain_name(name)
        category = await people.category(name)
        if category is None:
            raise changes.nothing()
        return json_answer(category_json(category))

    @routes.delete("/{name}", status_code=204, responses=answers(None, 204, 404, 422, 503))
    async def delete_category(name: Name, caller: Annotated[Caller, requires(Scope.CATEGORIES_WRITE)]) -> Response:
        """What was accepted with it keeps its class. People's preferences about it stay, and count if it comes back."""
        check_plain_name(name)
        await changes.delete(people, name, caller)
        return Response(status_code=204)

    return routes
