"""Answers Pub/Sub's pushes: decoded, traced, and acked or nacked."""

from collections.abc import Awaitable, Callable

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response

from shared.delivery.errors import HarkError, MalformedPush
from shared.entrypoint.push_decoding import decode_push
from shared.entrypoint.push_requests import Handler, push_requests
from shared.runtime import failpoints, logs, telemetry, trace_context
from shared.runtime.failpoints import Failpoint
from shared.runtime.telemetry import Kind
from shared.sending.messages import Answer, Message

log = logs.get_logger(__name__)

Deliver = Callable[[Message], Awaitable[Answer]]


def push_handler(opened: Callable[[], Deliver], channel: str | None = None, malformed: Answer = Answer.NACK) -> Handler:
    """Answers Pub/Sub's pushes: 204 is an ack, 503 a nack. `channel`: take only this channel's messages.

    What `push_requests` refuses changes nothing. Called at import. SystemExit when a setting is wrong.

    malformed: the answer to what cannot be read. A nack sends it to the dead-letter topic, which keeps it; there,
    with nowhere further to go, it is acked.
    """
    deliver: Deliver | None = None

    async def work(request: Request, body: bytes) -> Response:
        nonlocal deliver
        try:
            if deliver is None:
                deliver = opened()
            message = decode_push(body)
            trace_context.bind(message.traceparent or request.headers.get("traceparent"))
            if channel not in {None, message.channel}:
                raise MalformedPush("a message of another channel")
            failpoints.reached(Failpoint.RECEIVED)
            ids = {"hark.notification_id": message.notification_id, "hark.channel": message.channel}
            with telemetry.span(f"process {channel or f'{message.channel} dead letter'}", Kind.CONSUMER, ids) as span:
                answer = await deliver(message)
                span.note({"hark.answer": answer.name.lower()})
        except MalformedPush as error:
            log.error("malformed push", error=str(error))
            answer = malformed
        except HarkError as error:
            log.error("push nacked", error=str(error), kind=type(error).__name__)
            answer = Answer.NACK
        except Exception as error:
            # The framework would log this one with its text, which may hold anything.
            log.error("push failed", error=logs.place(error))
            answer = Answer.NACK
        return _answer(answer)

    return push_requests(work, too_large=lambda: _answer(malformed))


def _answer(answer: Answer) -> Response:
    return Response(status_code=answer.value, background=_ACKED if answer is Answer.ACK else None)


async def _acked() -> None:
    failpoints.reached(Failpoint.ACKED)


_ACKED = BackgroundTask(_acked)  # begins when the answer has been written to the connection
