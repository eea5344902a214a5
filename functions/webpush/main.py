"""The function that sends push messages to browsers."""

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response

import shared.entrypoint.pause_garbage_collection  # noqa: F401 - while the rest is imported
from functions.webpush.providers import PROVIDERS
from shared.entrypoint.channel_function import channel_function

_handle = channel_function("webpush", PROVIDERS, unsubscribes=False, many_hosts=True)


@functions_framework.aio.http
async def webpush(request: Request) -> Response:
    return await _handle(request)
