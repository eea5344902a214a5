"""The routes of operations."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from functions.gateway.access.caller import Caller, Scope
from functions.gateway.access.route_scopes import Requires
from functions.gateway.operations.schemas import OperationJson, OperationsJson, operation_json
from functions.gateway.operations.steering import steer, visible
from functions.gateway.services import Gateway
from functions.gateway.web.common_fields import NOTIFICATION_ID
from functions.gateway.web.json_responses import json_answer
from functions.gateway.web.listing_pages import PageQuery, cursor_of, position_of
from functions.gateway.web.openapi_declarations import answers
from shared.sending.operations import cancelled, paused, resumed

OperationId = Annotated[str, Path(json_schema_extra={"pattern": NOTIFICATION_ID})]


def operations_router(gateway: Gateway) -> APIRouter:
    routes = APIRouter(prefix="/v1/operations")
    requires = Requires(gateway.identity, gateway.quotas, gateway.listings)

    @routes.get("", responses=answers(OperationsJson, 200, 422, 503))
    async def list_operations(
        query: Annotated[PageQuery, Query()], caller: Annotated[Caller, requires.turn(Scope.NOTIFICATIONS_READ)]
    ) -> Response:
        """The caller's own, the newest first; everybody's with notifications:read:all."""
        async with gateway.listings.making(caller.id):
            page = await gateway.operations.operations(
                caller=None if caller.sees_all else caller.id,
                limit=query.limit,
                after=position_of("operations", query.cursor),
            )
            following = None if page.next is None else cursor_of("operations", page.next)
            return json_answer(OperationsJson(items=[operation_json(o) for o in page.items], next_cursor=following))

    @routes.get("/{operation_id}", responses=answers(OperationJson, 200, 404, 503))
    async def read_operation(
        operation_id: OperationId, caller: Annotated[Caller, requires(Scope.NOTIFICATIONS_READ)]
    ) -> Response:
        """How far it is."""
        return json_answer(operation_json(await visible(gateway, caller, operation_id)))

    @routes.post("/{operation_id}/pause", responses=answers(OperationJson, 200, 404, 409, 503))
    async def pause_operation(
        operation_id: OperationId, caller: Annotated[Caller, requires(Scope.NOTIFICATIONS_SEND)]
    ) -> Response:
        """It begins no further page until it is resumed. What is under way is ended, and counted."""
        return json_answer(operation_json(await steer(gateway, caller, operation_id, paused)))

    @routes.post("/{operation_id}/resume", responses=answers(OperationJson, 200, 404, 409, 503))
    async def resume_operation(
        operation_id: OperationId, caller: Annotated[Caller, requires(Scope.NOTIFICATIONS_SEND)]
    ) -> Response:
        """It goes on where it was, within a minute."""
        return json_answer(operation_json(await steer(gateway, caller, operation_id, resumed)))

    @routes.post("/{operation_id}/cancel", responses=answers(OperationJson, 200, 404, 409, 503))
    async def cancel_operation(
        operation_id: OperationId, caller: Annotated[Caller, requires(Scope.NOTIFICATIONS_SEND)]
    ) -> Response:
        """It does no more, for good. What it has done stays done."""
        return json_answer(operation_json(await steer(gateway, caller, operation_id, cancelled)))

    return routes
