"""POST /v1/inbound/{provider}: what people answer. Whoever signs as the provider does is let in.

What if the process dies: see `shared/sending/replies.py`.
"""

from collections.abc import Awaitable, Callable

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from functions.gateway.services import Gateway
from functions.gateway.web.openapi_declarations import answers
from functions.gateway.web.problem_details import Problem
from functions.gateway.web.signed_requests import read_signed
from shared.sending.replies import follow


def inbound_router(gateway: Gateway) -> APIRouter:
    """One route for each provider of each channel that hands answers over, whether it is set up or not."""
    routes = APIRouter(prefix="/v1/inbound")
    for provider in [provider for channel in gateway.channels.values() for provider in channel.replies]:
        routes.add_api_route(
            f"/{provider}",
            _receive(gateway, provider),
            methods=["POST"],
            status_code=204,
            name=f"{provider}_inbound",
            description=f"What a person answers, for {provider} alone: a request without its signature is refused. "
            "STOP becomes a suppression, START takes it back.",
            responses=answers(None, 204, 400, 403, 404, 408, 413, 503),
        )
    return routes


def _receive(gateway: Gateway, provider: str) -> Callable[[Request], Awaitable[Response]]:
    async def receive(request: Request) -> Response:
        reader = gateway.reply_readers.get(provider)
        if reader is None:
            raise Problem(404, f"inbound messages of {provider} are not set up")
        reply = await read_signed(request, reader, provider, "inbound message", gateway.now)
        if reply is not None:
            await follow(gateway.people, reply, gateway.now())
        return Response(status_code=204)

    return receive
