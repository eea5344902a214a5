"""The HTTP API: validates, puts on record, publishes."""

from datetime import timedelta

import functions_framework.aio
from starlette.requests import Request
from starlette.types import ASGIApp

from functions.gateway.accept import Gateway
from functions.gateway.app import create_app, guarded
from shared.channels import load_channels
from shared.function import open_publisher, open_store, start

_settings = start()
_channels = load_channels()
_app: ASGIApp | None = None


@functions_framework.aio.http  # type: ignore[arg-type] # it takes any ASGI application, which its types do not say
async def gateway(_: Request) -> ASGIApp:
    """The application itself is the answer: the framework calls it with the request."""
    global _app  # noqa: PLW0603 - connections belong to the loop of the first request
    if _app is None:
        _app = guarded(
            create_app(
                Gateway(
                    store=open_store(_settings),
                    publisher=open_publisher(_settings),
                    channels=_channels,
                    policy=_settings.policy(),
                    retention=timedelta(days=_settings.retention_days),
                )
            )
        )
    return _app
