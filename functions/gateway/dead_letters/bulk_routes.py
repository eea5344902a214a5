"""The route that replays many dead letters at once: they are planned first, and the plan is begun."""

import uuid
from typing import Annotated

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from functions.gateway.access.caller import Caller, Scope
from functions.gateway.access.route_scopes import Requires
from functions.gateway.dead_letters.planning import plan_replay
from functions.gateway.dead_letters.replaying import replay_operation
from functions.gateway.dead_letters.schemas import ReplayPlanJson, ReplayRequest
from functions.gateway.notifications.idempotency import KEYS
from functions.gateway.operations.beginning import begin_planned
from functions.gateway.operations.schemas import OperationJson
from functions.gateway.services import Gateway
from functions.gateway.web.json_responses import json_answer
from functions.gateway.web.openapi_declarations import LOCATION, answers, request_body
from functions.gateway.web.problem_details import field_error, invalid
from functions.gateway.web.request_bodies import body_of


def bulk_replay_router(gateway: Gateway) -> APIRouter:
    routes = APIRouter(prefix="/v1/dead-letters")
    requires = Requires(gateway.identity, gateway.quotas, gateway.listings)

    @routes.post(
        "/replay",
        responses={
            **answers(OperationJson, 202, headers=LOCATION),
            **answers(ReplayPlanJson, 200, 400, 408, 413, 422, 503),
        },
        openapi_extra=request_body(ReplayRequest),
    )
    async def replay_by_plan(
        request: Request, caller: Annotated[Caller, requires.turn(Scope.DEAD_LETTERS_MANAGE, gateway.batches)]
    ) -> Response:
        """With `dry_run` what would be replayed, why it died, and a plan of it; with that plan alone it begins."""
        asked = await body_of(request, ReplayRequest)
        asked.check()
        if asked.plan is not None:
            return await _begin(caller, asked.plan)
        if asked.filter.channel is not None and asked.filter.channel not in gateway.every_channel:
            raise invalid(field_error("filter.channel", f"there are {', '.join(gateway.every_channel)}"))
        async with gateway.batches.making(caller.id):
            plan, shown = await plan_replay(gateway, caller, asked.filter.asked(), asked.per_second)
            await gateway.replay_plans.create(plan)
        return json_answer(shown)

    async def _begin(caller: Caller, plan_id: str) -> Response:
        """The same plan is the same operation. Problem 422."""
        plan = await gateway.replay_plans.plan(plan_id)
        if plan is None or plan.caller != caller.id:
            raise invalid(field_error("plan", "you have planned no such replay"))
        operation_id = str(uuid.uuid5(KEYS, f"replay\n{plan.id}"))
        wanted = replay_operation(operation_id, plan, gateway.now())
        return await begin_planned(gateway, wanted, plan.planned_at)

    return routes
