"""The function that sends e-mails."""

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response

from functions.email.channel import CHANNEL
from shared.entrypoint.channel_function import channel_function

_handle = channel_function(CHANNEL)


@functions_framework.aio.http
async def email(request: Request) -> Response:
    return await _handle(request)
