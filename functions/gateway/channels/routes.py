"""The routes of channels."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import Response

from functions.gateway.access.caller import Caller, Scope
from functions.gateway.access.route_scopes import Requires
from functions.gateway.audit_trail.recording import changes_nothing
from functions.gateway.channels.pausing import set_activity, would_hold
from functions.gateway.channels.schemas import ChannelJson, ChannelsJson, PauseRequest, WouldHoldJson, channel_json
from functions.gateway.services import Gateway
from functions.gateway.web.common_fields import PLAIN_NAME
from functions.gateway.web.json_responses import json_answer
from functions.gateway.web.openapi_declarations import answers, link, request_body
from functions.gateway.web.request_bodies import body_of
from shared.sending.channel_states import Activity

Name = Annotated[str, Path(json_schema_extra={"pattern": PLAIN_NAME})]


def channels_router(gateway: Gateway) -> APIRouter:
    routes = APIRouter(prefix="/v1/channels")
    requires = Requires(gateway.identity, gateway.quotas, gateway.listings)

    @routes.get("", responses=answers(ChannelsJson, 200))
    async def list_channels(_: Annotated[Caller, requires(Scope.NOTIFICATIONS_SEND)]) -> Response:
        """What each channel takes, who sends it, and whether it is paused."""
        await gateway.channel_states.states()
        items = [
            channel_json(channel, gateway.channel_states.of(name)) for name, channel in gateway.every_channel.items()
        ]
        return json_answer(ChannelsJson(items=items))

    @routes.post(
        "/{name}/pause",
        responses=answers(ChannelJson, *(200, 400, 404, 408, 413, 422, 503), links=_of("resume_channel")),
        openapi_extra=request_body(PauseRequest),
    )
    async def pause_channel(
        name: Name, request: Request, caller: Annotated[Caller, requires(Scope.CHANNELS_WRITE)]
    ) -> Response:
        """Within five seconds nobody's messages go over it any more. What is pending waits, and nothing is lost. With
        `dry_run` it says what would wait.
        """
        body = await body_of(request, PauseRequest)
        if body.dry_run:
            changes_nothing(request)
            waiting, estimated = await would_hold(gateway, name, caller)
            await gateway.channel_states.states()
            shown = channel_json(gateway.every_channel[name], gateway.channel_states.of(name))
            return json_answer(ChannelJson(**shown, would_hold=WouldHoldJson(waiting=waiting, estimated=estimated)))
        state = await set_activity(gateway, name, Activity.PAUSED, caller, body.reason)
        return json_answer(channel_json(gateway.every_channel[name], state))

    @routes.post("/{name}/resume", responses=answers(ChannelJson, 200, 404, 503, links=_of("pause_channel")))
    async def resume_channel(name: Name, caller: Annotated[Caller, requires(Scope.CHANNELS_WRITE)]) -> Response:
        """What has waited goes, the oldest first, from the relay's next sweep on."""
        state = await set_activity(gateway, name, Activity.ACTIVE, caller, None)
        return json_answer(channel_json(gateway.every_channel[name], state))

    return routes


def _of(operation: str) -> Mapping[str, Any]:
    return {operation: link(operation, name="$request.path.name")}
