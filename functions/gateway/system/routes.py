"""The route of the deployment's own state."""

from typing import Annotated

from fastapi import APIRouter
from starlette.responses import Response

from functions.gateway.access.caller import Caller, Scope
from functions.gateway.access.route_scopes import Requires
from functions.gateway.services import Gateway
from functions.gateway.system.schemas import SystemJson, setup_json
from functions.gateway.web.json_responses import json_answer
from functions.gateway.web.openapi_declarations import answers


def system_router(gateway: Gateway) -> APIRouter:
    routes = APIRouter(prefix="/v1/system")
    requires = Requires(gateway.identity, gateway.quotas, gateway.listings)

    @routes.get("", responses=answers(SystemJson, 200, 503))
    async def show_system(_: Annotated[Caller, requires(Scope.CHANNELS_WRITE)]) -> Response:
        """How the deployment is: its clock, when its relay last ran, which settings are missing."""
        restored, deployment = gateway.restored, gateway.deployment
        return json_answer(
            SystemJson(
                now=gateway.now(),
                revision=deployment.revision,
                epoch=deployment.epoch,
                held=None if restored is None else await restored.why_held(),
                relay_ran_at=await gateway.relay_runs.last(),
                channels=[setup_json(name, setup) for name, setup in deployment.channels.items()],
            )
        )

    return routes
