"""POST /v1/receipts/{provider}: what providers report back. Whoever signs as the provider does is let in.

What if the process dies: before the answer the provider sends the receipt again, and applying it twice is applying it
once; after the answer the receipt is applied or on record.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from functions.gateway.services import Gateway
from functions.gateway.web.openapi_declarations import answers
from functions.gateway.web.problem_details import Problem
from functions.gateway.web.signed_requests import read_signed
from shared.delivery.errors import StoreUnavailable
from shared.delivery.model import Receipt
from shared.sending.receipts import take

_AT_ONCE = 20  # deliveries of one batch


def receipts_router(gateway: Gateway) -> APIRouter:
    """One route for each provider of each channel, whether it is set up or not."""
    routes = APIRouter(prefix="/v1/receipts")
    for provider in [provider for channel in gateway.channels.values() for provider in channel.receipts]:
        routes.add_api_route(
            f"/{provider}",
            _receive(gateway, provider),
            methods=["POST"],
            status_code=204,
            name=f"{provider}_receipts",
            description=f"For {provider} alone: a request without its signature is refused.",
            responses=answers(None, 204, 400, 403, 404, 408, 413, 503),
        )
    return routes


def _receive(gateway: Gateway, provider: str) -> Callable[[Request], Awaitable[Response]]:
    async def receive(request: Request) -> Response:
        reader = gateway.readers.get(provider)
        if reader is None:
            raise Problem(404, f"receipts of {provider} are not set up")
        receipts = await read_signed(request, reader, provider, "receipt", gateway.now)
        await _take_all(gateway, receipts, gateway.now())
        return Response(status_code=204)

    return receive


async def _take_all(gateway: Gateway, receipts: Sequence[Receipt], now: datetime) -> None:
    """Those of one delivery one after the other, several deliveries at once. Raises StoreUnavailable."""
    by_delivery: dict[str, list[Receipt]] = {}
    for receipt in receipts:
        by_delivery.setdefault(receipt.notification_id or receipt.provider_message_id or "", []).append(receipt)
    some = asyncio.Semaphore(_AT_ONCE)

    async def take_some(mine: Sequence[Receipt]) -> None:
        async with some:
            for receipt in mine:
                await take(gateway.store, gateway.receipts, gateway.people, receipt, now, gateway.publisher)

    try:
        async with asyncio.TaskGroup() as tasks:  # the first that fails ends the others: the provider sends all again
            for mine in by_delivery.values():
                tasks.create_task(take_some(mine))
    except* StoreUnavailable:
        raise StoreUnavailable("not all receipts of a request could be taken") from None
