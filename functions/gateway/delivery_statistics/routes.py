"""The route of the statistics."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

from functions.gateway.access.caller import Caller, Scope
from functions.gateway.access.route_scopes import Requires
from functions.gateway.access.scopes import forbidden
from functions.gateway.delivery_statistics.counting import Look
from functions.gateway.delivery_statistics.looks import Hours, Looks
from functions.gateway.delivery_statistics.schemas import StatisticsJson, statistics_json
from functions.gateway.services import Gateway
from functions.gateway.web.json_responses import json_answer
from functions.gateway.web.openapi_declarations import answers


class StatisticsQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    hours: Hours = Hours.ONE


def statistics_router(gateway: Gateway) -> APIRouter:
    routes = APIRouter(prefix="/v1/statistics")
    requires = Requires(gateway.identity, gateway.quotas, gateway.listings)

    async def look(hours: Hours) -> StatisticsJson:
        end = gateway.now().replace(microsecond=0)
        counted = Look(gateway.statistics, gateway.store, timedelta(hours=hours), end)
        return statistics_json(await counted.statistics(list(gateway.channels)))

    looks = Looks(look)

    @routes.get("", responses=answers(StatisticsJson, 200, 422, 503))
    async def read_statistics(
        query: Annotated[StatisticsQuery, Query()], caller: Annotated[Caller, requires(Scope.NOTIFICATIONS_READ_ALL)]
    ) -> Response:
        """How much was accepted, sent and failed within the last hours, and what waits and is dead now: everybody's.
        As of `to`, up to ten seconds ago for each of the hours.
        """
        if not caller.sees_all:
            raise forbidden("this caller sees its own notifications alone, and these are everybody's numbers")
        return json_answer(await looks.latest(query.hours))

    return routes
