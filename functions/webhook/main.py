"""The function that sends events to endpoints."""

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response

import shared.entrypoint.pause_garbage_collection  # noqa: F401 - while the rest is imported
from functions.webhook.providers import PROVIDERS
from shared.entrypoint.channel_function import channel_function

_handle = channel_function("webhook", PROVIDERS, unsubscribes=False, of_events=True)


@functions_framework.aio.http
async def webhook(request: Request) -> Response:
    return await _handle(request)
