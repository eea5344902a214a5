"""The function that gives events to the endpoints that want them: pushed from the topic of events."""

from datetime import timedelta

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response

import shared.entrypoint.pause_garbage_collection  # noqa: F401 - while the rest is imported
from functions.events.cloud_events import decode_event
from functions.events.fan_out import FanOut
from shared.channels.registry import event_channel
from shared.delivery.errors import HarkError, MalformedPush
from shared.entrypoint.push_requests import push_requests
from shared.entrypoint.startup import open_rpc, start
from shared.google.firestore.endpoint_store import FirestoreEndpoints
from shared.google.firestore.store import FirestoreStore
from shared.google.publisher import open_publisher
from shared.runtime import logs
from shared.runtime.settings import PeopleSettings, load
from shared.sending.event_deliveries import EventDeliveries
from shared.sending.messages import Answer

log = logs.get_logger(__name__)

_settings = start()
_address_hash = load(PeopleSettings).address_hash()
_fan_out: FanOut | None = None


@functions_framework.aio.http
async def events(request: Request) -> Response:
    return await _handle(request)


async def _take(_request: Request, body: bytes) -> Response:
    """204 is an ack, 503 a nack."""
    global _fan_out  # noqa: PLW0603 - connections belong to the loop of the first push
    try:
        if _fan_out is None:
            _fan_out = _open()
        answer = await _fan_out.take(decode_event(body))
    except MalformedPush as error:
        log.error("malformed push", error=str(error))
        answer = Answer.NACK  # its dead-letter topic keeps it
    except HarkError as error:
        log.error("push nacked", error=str(error), kind=type(error).__name__)
        answer = Answer.NACK
    except Exception as error:
        # The framework would log this one with its text, which may hold anything.
        log.error("push failed", error=logs.place(error))
        answer = Answer.NACK
    return Response(status_code=answer.value)


_handle = push_requests(_take, too_large=lambda: Response(status_code=Answer.NACK.value))


def _open() -> FanOut:
    rpc = open_rpc(_settings)
    return FanOut(
        FirestoreStore(rpc),
        FirestoreEndpoints(rpc),
        open_publisher(_settings),
        EventDeliveries(event_channel(), timedelta(days=_settings.retention_days), _settings.policy(), _address_hash),
    )
