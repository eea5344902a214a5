"""The route of channels."""

from typing import Annotated

from fastapi import APIRouter
from starlette.responses import Response

from functions.gateway.access.caller import Caller, Scope
from functions.gateway.access.route_scopes import Requires
from functions.gateway.channels.schemas import ChannelsJson, channel_json
from functions.gateway.services import Gateway
from functions.gateway.web.json_responses import json_answer
from functions.gateway.web.openapi_declarations import answers


def channels_router(gateway: Gateway) -> APIRouter:
    routes = APIRouter(prefix="/v1/channels")
    requires = Requires(gateway.identity, gateway.quotas, gateway.listings)

    @routes.get("", responses=answers(ChannelsJson, 200))
    async def list_channels(_: Annotated[Caller, requires(Scope.NOTIFICATIONS_SEND)]) -> Response:
        """What each channel takes, and who sends it."""
        return json_answer(ChannelsJson(items=[channel_json(channel) for channel in gateway.channels.values()]))

    return routes
