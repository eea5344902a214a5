"""The HTTP API: validates, puts on record, publishes."""

from dataclasses import replace

import functions_framework.aio
from starlette.requests import Request
from starlette.types import ASGIApp

import shared.entrypoint.pause_garbage_collection  # noqa: F401 - while the rest is imported
from functions.gateway.application import application
from functions.gateway.inbound.reply_readers import load_reply_readers
from functions.gateway.opening import load_of_events, open_gateway
from functions.gateway.receipts.receipt_readers import load_readers
from functions.gateway.services import Deployment, Gateway
from functions.gateway.settings import GatewaySettings
from shared.channels.registry import load_channels, load_screens
from shared.channels.setup import channel_setups
from shared.entrypoint.startup import start
from shared.runtime.settings import PeopleSettings, UnsubscribeSettings, environment, load

_settings = start()
_own = load(GatewaySettings)
_address_hash = load(PeopleSettings).address_hash()
_unsubscribe_tokens = load(UnsubscribeSettings).unsubscribe_tokens()
_channels = load_channels()
_readers = load_readers(_channels)
_reply_readers = load_reply_readers(_channels)
_screens = load_screens(_channels)
_environment = environment()
_deployment = Deployment(_environment.get("K_REVISION"), _settings.epoch, channel_setups(_channels, _environment))
_of_events = load_of_events(_settings)
_app: ASGIApp | None = None


@functions_framework.aio.http  # type: ignore[arg-type] # it takes any ASGI application, which its types do not say
async def gateway(_: Request) -> ASGIApp:
    """The application itself is the answer: the framework calls it with the request."""
    global _app  # noqa: PLW0603 - connections belong to the loop of the first request
    if _app is None:
        _app = application(_open())
    return _app


def _open() -> Gateway:
    opened = open_gateway(_settings, _own, _address_hash, _channels, _screens, _of_events)
    return replace(
        opened,
        readers=_readers,
        reply_readers=_reply_readers,
        unsubscribe_tokens=_unsubscribe_tokens,
        deployment=_deployment,
        lab_url=_own.lab_url,
    )
