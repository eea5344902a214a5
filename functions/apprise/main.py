"""The function that sends by Apprise."""

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response

import shared.entrypoint.pause_garbage_collection  # noqa: F401 - while the rest is imported
from functions.apprise.providers import PROVIDERS
from shared.entrypoint.channel_function import channel_function

_handle = channel_function("apprise", PROVIDERS, unsubscribes=False, many_hosts=True)


@functions_framework.aio.http
async def apprise(request: Request) -> Response:
    return await _handle(request)
