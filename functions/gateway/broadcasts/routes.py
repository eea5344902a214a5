"""The route of broadcasts."""

import uuid
from typing import Annotated

from fastapi import APIRouter
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from functions.gateway.access.caller import Caller, Scope
from functions.gateway.access.route_scopes import Requires
from functions.gateway.access.scopes import forbidden
from functions.gateway.broadcasts.broadcasting import broadcast
from functions.gateway.broadcasts.planning import plan_broadcast
from functions.gateway.broadcasts.schemas import BeginRequest, BroadcastRequest, PlanJson, check_targets
from functions.gateway.notifications.idempotency import KEYS
from functions.gateway.operations.beginning import begin_planned
from functions.gateway.operations.schemas import OperationJson
from functions.gateway.services import Gateway
from functions.gateway.web.json_responses import json_answer
from functions.gateway.web.openapi_declarations import LOCATION, answers, request_body
from functions.gateway.web.problem_details import field_error, invalid
from functions.gateway.web.request_bodies import BODY_LIMIT, json_of, validated


def broadcasts_router(gateway: Gateway) -> APIRouter:
    routes = APIRouter(prefix="/v1/broadcasts")
    requires = Requires(gateway.identity, gateway.quotas, gateway.listings)

    @routes.post(
        "",
        responses={
            **answers(OperationJson, 202, headers=LOCATION),
            **answers(PlanJson, 200, 400, 408, 413, 422, 503),
        },
        openapi_extra=request_body(BroadcastRequest),
    )
    async def broadcast_to_list(
        request: Request, caller: Annotated[Caller, requires.turn(Scope.NOTIFICATIONS_SEND, gateway.batches)]
    ) -> Response:
        """With `dry_run` what would go, and a plan of it; with that plan alone it begins.

        Who is in the list when it is planned gets it. What a person wants is asked when theirs is about to be sent.
        """
        if Scope.LISTS_READ not in caller.scopes:
            raise forbidden(f"this needs the scope {Scope.LISTS_READ}, too", Scope.LISTS_READ)
        body = await json_of(request, BODY_LIMIT)
        if isinstance(body, dict) and body.get("plan") is not None:
            return await _begin(caller, validated(BeginRequest, to_json(body)).plan)
        check_targets(body)
        asked = validated(BroadcastRequest, to_json(body))
        async with gateway.batches.making(caller.id):
            plan, shown = await plan_broadcast(gateway, caller, asked, body)
            await gateway.plans.create(plan)
        return json_answer(shown)

    async def _begin(caller: Caller, plan_id: str) -> Response:
        """The same plan is the same operation. Problem 422."""
        plan = await gateway.plans.plan(plan_id)
        if plan is None or plan.caller != caller.id:
            raise invalid(field_error("plan", "you have planned no such broadcast"))
        operation_id = str(uuid.uuid5(KEYS, f"broadcast\n{plan.id}"))
        return await begin_planned(gateway, broadcast(operation_id, plan, gateway.now()), plan.planned_at)

    return routes
