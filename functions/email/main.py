"""The function that sends e-mails."""

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response

from shared.entrypoint.channel_function import channel_function

PROVIDERS = {
    "sendgrid": "functions.email.sendgrid_provider",
    "smtp": "functions.email.smtp_provider",
    "log": "shared.sending.log_provider",
}

_handle = channel_function("email", PROVIDERS)


@functions_framework.aio.http
async def email(request: Request) -> Response:
    return await _handle(request)
