"""The function that sends Slack messages."""

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response

from shared.entrypoint.channel_function import channel_function

PROVIDERS = {
    "slack": "functions.slack.web_api_provider",
    "webhook": "functions.slack.webhook_provider",
    "log": "shared.sending.log_provider",
}

_handle = channel_function("slack", PROVIDERS)


@functions_framework.aio.http
async def slack(request: Request) -> Response:
    return await _handle(request)
