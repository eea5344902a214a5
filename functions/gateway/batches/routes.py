"""The route of batches."""

from typing import Annotated

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from functions.gateway.access.caller import Caller
from functions.gateway.access.route_scopes import Requires
from functions.gateway.batches.batch_acceptance import Batch, Taken
from functions.gateway.batches.schemas import BatchItemJson, BatchJson, BatchRequest, items_in
from functions.gateway.notifications import post_route
from functions.gateway.services import Gateway
from functions.gateway.web.json_responses import json_answer
from functions.gateway.web.openapi_declarations import answers, request_body
from functions.gateway.web.problem_details import Problem
from functions.gateway.web.request_bodies import json_of

BATCH_LIMIT = 2 * 1024 * 1024  # bytes of a body


def batches_router(gateway: Gateway) -> APIRouter:
    routes = APIRouter(prefix="/v1/batches")
    requires = Requires(gateway.identity, gateway.quotas, gateway.listings)

    @routes.post(
        "",
        responses=answers(BatchJson, 200, 400, 408, 413, 422, 503),
        openapi_extra=request_body(BatchRequest),
    )
    async def send_batch(
        request: Request, caller: Annotated[Caller, requires.turn(post_route.SCOPE, gateway.batches)]
    ) -> Response:
        """Up to 500 notifications, each accepted or refused for itself. The same batch again changes nothing."""
        items = items_in(await json_of(request, BATCH_LIMIT))
        async with gateway.batches.making(caller.id):
            results = await Batch(gateway, caller).accept(items)
        return json_answer(BatchJson(items=[_item_json(index, result) for index, result in enumerate(results)]))

    return routes


def _item_json(index: int, result: Taken | Problem) -> BatchItemJson:
    if isinstance(result, Problem):
        return BatchItemJson(index=index, status=result.status, problem=result.details())
    made = BatchItemJson(index=index, status=202, id=result.id)
    if result.replayed:
        made["replayed"] = True
    return made
