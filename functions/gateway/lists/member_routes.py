"""The routes of lists' members."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from functions.gateway.access.caller import Caller, Scope
from functions.gateway.access.route_scopes import Requires
from functions.gateway.lists import changes
from functions.gateway.lists.schemas import AddedJson, MembersJson, MembersRequest, member_json
from functions.gateway.lists.visibility import check_name, the_list
from functions.gateway.services import Gateway
from functions.gateway.web.common_fields import NAME
from functions.gateway.web.json_responses import json_answer
from functions.gateway.web.listing_pages import PageQuery, by_prefixes, name_cursor_of, name_of
from functions.gateway.web.openapi_declarations import answers, request_body
from functions.gateway.web.request_bodies import body_of
from shared.delivery.store import Page
from shared.people.lists import Member, RecipientList

Name = Annotated[str, Path(json_schema_extra={"pattern": NAME})]
# Those that have left are read, too, and are not in a page: it is empty only where so many left in a row.
_MOST_READS, _AT_ONCE = 10, 300


def members_router(gateway: Gateway) -> APIRouter:
    routes = APIRouter(prefix="/v1/lists")
    store = gateway.list_store
    requires = Requires(gateway.identity, gateway.quotas, gateway.listings)

    @routes.get("/{name}/members", responses=answers(MembersJson, 200, 404, 422, 503))
    async def list_members(
        name: Name,
        query: Annotated[PageQuery, Query()],
        caller: Annotated[Caller, requires.turn(Scope.LISTS_READ)],
    ) -> Response:
        """By name, those that the caller may use. A page may be shorter than its limit."""
        there = await the_list(gateway, name, caller)
        async with gateway.listings.making(caller.id):
            page = await _members(there, caller, query.limit, name_of("members", query.cursor))
            following = None if page.next is None else name_cursor_of("members", page.next)
            return json_answer(MembersJson(items=[member_json(m) for m in page.items], next_cursor=following))

    @routes.post(
        "/{name}/members",
        responses=answers(AddedJson, *(200, 400, 404, 408, 413, 422, 503)),
        openapi_extra=request_body(MembersRequest),
    )
    async def add_members(
        name: Name, request: Request, caller: Annotated[Caller, requires(Scope.LISTS_WRITE)]
    ) -> Response:
        """Adds up to 500 recipients, each by itself: one that cannot be added keeps no other out."""
        there = await the_list(gateway, name, caller)
        body = await body_of(request, MembersRequest)
        good = [recipient for recipient in body.recipients if caller.may_name(recipient)]
        others = set(body.recipients) - set(good)
        count, problems = await changes.add(store, there, good, gateway.now())
        problems = {**problems, **dict.fromkeys(others, "this caller is limited to recipients with other names")}
        return json_answer(AddedJson(added=count, problems=changes.places(body.recipients, problems)))

    @routes.put("/{name}/members/{recipient}", status_code=204, responses=answers(None, 204, 404, 422, 503))
    async def put_member(
        name: Name, recipient: Name, caller: Annotated[Caller, requires(Scope.LISTS_WRITE)]
    ) -> Response:
        """From now on it is a member. Once more changes nothing."""
        there = await the_list(gateway, name, caller)
        check_name("recipient", recipient, caller)
        await changes.add_one(store, there, recipient, gateway.now())
        return Response(status_code=204)

    @routes.delete("/{name}/members/{recipient}", status_code=204, responses=answers(None, 204, 404, 422, 503))
    async def delete_member(
        name: Name, recipient: Name, caller: Annotated[Caller, requires(Scope.LISTS_WRITE)]
    ) -> Response:
        """From now on it is none: a broadcast that has begun still goes to it."""
        there = await the_list(gateway, name, caller)
        check_name("recipient", recipient, caller)
        await changes.remove(store, there, recipient, gateway.now())
        return Response(status_code=204)

    async def _members(there: RecipientList, caller: Caller, limit: int, after: str | None) -> Page[Member, str]:
        async def who_are_in(*, limit: int, after: str | None, prefix: str) -> Page[Member, str]:
            for _ in range(_MOST_READS):
                page = await store.members(there.id, limit=_AT_ONCE, after=after, prefix=prefix)
                found = [member for member in page.items if member.is_in]
                if len(found) > limit:
                    return Page(found[:limit], found[limit - 1].recipient)
                if found or page.next is None:
                    return Page(found, page.next)
                after = page.next
            return Page([], after)

        return await by_prefixes(who_are_in, caller.recipients, limit, after, lambda member: member.recipient)

    return routes
