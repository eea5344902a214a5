"""The function that posts to Microsoft Teams."""

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response

import shared.entrypoint.pause_garbage_collection  # noqa: F401 - while the rest is imported
from functions.teams.providers import PROVIDERS
from shared.entrypoint.channel_function import channel_function

_handle = channel_function("teams", PROVIDERS, unsubscribes=False)


@functions_framework.aio.http
async def teams(request: Request) -> Response:
    return await _handle(request)
