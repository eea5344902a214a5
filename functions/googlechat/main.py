"""The function that posts to Google Chat."""

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response

import shared.entrypoint.pause_garbage_collection  # noqa: F401 - while the rest is imported
from functions.googlechat.providers import PROVIDERS
from shared.entrypoint.channel_function import channel_function

_handle = channel_function("googlechat", PROVIDERS, unsubscribes=False)


@functions_framework.aio.http
async def googlechat(request: Request) -> Response:
    return await _handle(request)
