"""The function that looks after messages which Pub/Sub gave up on: pushed from every channel's dead-letter topic."""

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response

import shared.entrypoint.pause_garbage_collection  # noqa: F401 - while the rest is imported
from functions.dead_letter.given_up_messages import DeadLetter
from shared.entrypoint.push_handler import Deliver, push_handler
from shared.entrypoint.startup import open_rpc, open_store, start
from shared.google.publisher import open_publisher
from shared.sending.messages import Answer

_settings = start()


def _open() -> Deliver:
    publisher = open_publisher(_settings)
    store = open_store(_settings, open_rpc(_settings), lambda: publisher)
    return DeadLetter(store, publisher, _settings.policy()).take


_handle = push_handler(_open, malformed=Answer.ACK)


@functions_framework.aio.http
async def dead_letter(request: Request) -> Response:
    return await _handle(request)
