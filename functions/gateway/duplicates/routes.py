"""The route of duplicates: of the caller's own notifications, or everybody's with notifications:read:all."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from functions.gateway.access.caller import Caller, Scope
from functions.gateway.access.route_scopes import Requires
from functions.gateway.duplicates.schemas import DuplicateJson, DuplicatesJson, duplicate_json
from functions.gateway.notifications.timing import Instant
from functions.gateway.notifications.visibility import whose
from functions.gateway.services import Gateway
from functions.gateway.web.json_responses import json_answer
from functions.gateway.web.listing_pages import PageQuery, cursor_of, position_of
from functions.gateway.web.openapi_declarations import answers
from functions.gateway.web.problem_details import field_error, invalid
from shared.delivery.duplicates import duplicates
from shared.delivery.model import Delivery

_EVER = datetime(2020, 1, 1, tzinfo=UTC)


class DuplicatesQuery(PageQuery):
    """from, to: when it may first have arrived a second time; `to` itself is not in it"""

    from_: Instant | None = Field(default=None, alias="from")
    to: Instant | None = None


def duplicates_router(gateway: Gateway) -> APIRouter:
    routes = APIRouter(prefix="/v1/duplicates")
    requires = Requires(gateway.identity, gateway.quotas, gateway.listings)

    @routes.get("", responses=answers(DuplicatesJson, 200, 422, 503))
    async def list_duplicates(
        query: Annotated[DuplicatesQuery, Query()], caller: Annotated[Caller, requires.turn(Scope.NOTIFICATIONS_READ)]
    ) -> Response:
        """Every delivery that a person may have got twice, with the reason and both attempts, the latest first."""
        if query.from_ is not None and query.to is not None and query.from_ >= query.to:
            raise invalid(field_error("from", "must be before to"))
        async with gateway.listings.making(caller.id):
            page = await gateway.store.sent_twice(
                caller=whose(caller),
                start=query.from_ or _EVER,
                end=query.to,
                limit=query.limit,
                after=position_of("duplicates", query.cursor),
            )
            items = await asyncio.gather(*(_item(delivery) for delivery in page.items))
            following = None if page.next is None else cursor_of("duplicates", page.next)
            return json_answer(DuplicatesJson(items=list(items), next_cursor=following))

    async def _item(delivery: Delivery) -> DuplicateJson:
        loaded = None
        if delivery.escalates_to is not None:
            loaded = await gateway.store.load(delivery.notification_id, delivery.escalates_to)
        return duplicate_json(delivery, duplicates(delivery, None if loaded is None else loaded[1]))

    return routes
