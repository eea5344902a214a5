"""The composition root of a push-triggered function: settings, connections, and an answer for every push.

functions-framework forks after it has imported main.py, and gRPC and aiohttp belong to the loop that made them:
so the settings are read at import (a wrong one stops the start), and the connections are made at the first
request.
"""

import importlib
import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from starlette.background import BackgroundTask
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from shared.delivery.errors import BodyTooLarge, BodyTooSlow, HarkError, MalformedPush
from shared.delivery.store import Store
from shared.entrypoint.push_authentication import open_guard
from shared.google.firestore import rpc
from shared.google.firestore.store import FirestoreStore
from shared.http import request_body
from shared.http.server import keep_connections, keep_workers
from shared.runtime import failpoints, logs, telemetry, trace_context
from shared.runtime.failpoints import Failpoint
from shared.runtime.settings import CoreSettings, load
from shared.runtime.telemetry import Kind
from shared.sending.messages import Answer, Message, decode_push
from shared.sending.pipeline import Pipeline
from shared.sending.provider import Provider

log = logs.get_logger(__name__)

PUSH_LIMIT = 10 * 1024 * 1024 * 2  # bytes: Pub/Sub's largest message in base64, with room for the envelope

Handler = Callable[[Request], Awaitable[Response]]
Deliver = Callable[[Message], Awaitable[Answer]]


class ProviderModule(Protocol):
    """A provider's file: `provider()` reads its settings and returns a function that connects it."""

    def provider(self) -> Callable[[], Provider]: ...


def start() -> CoreSettings:
    """The first thing that a function's main.py does, at import. SystemExit when a setting is wrong."""
    settings = load(CoreSettings)
    logs.configure(settings.google_cloud_project)
    telemetry.configure(_exporter(settings))
    failpoints.arm(settings.hark_fail_at)
    keep_connections()
    keep_workers()
    return settings


def _exporter(settings: CoreSettings) -> Callable[[], telemetry.Backend] | None:
    exporting = settings.otel
    if exporting == "none":
        return None
    from shared.runtime.telemetry_export import Otel  # noqa: PLC0415 - slows a cold start, and only of those who export

    names = ("OTEL_SERVICE_NAME", "K_SERVICE", "FUNCTION_TARGET")  # OpenTelemetry's, Cloud Run's, the framework's
    service = next(filter(None, map(os.environ.get, names)), "hark")
    return lambda: Otel(exporting, settings.google_cloud_project, service)


def open_store(settings: CoreSettings) -> Store:
    """The records, on the emulator or on Firestore. Called within the running loop."""
    return FirestoreStore(open_rpc(settings))


def open_rpc(settings: CoreSettings) -> rpc.Rpc:
    """A connection to Firestore or its emulator, for whatever is on record there. Called within the running loop."""
    database = f"projects/{settings.google_cloud_project}/databases/{settings.firestore_database}"
    host = settings.firestore_emulator_host
    return rpc.Rpc(rpc.connect(host), database, emulated=host is not None)


def channel_function(channel: str, providers: Mapping[str, str]) -> Handler:
    """The whole of a channel's main.py: its pushes go through the pipeline to the provider that is set.

    providers: the module of each, by the word that `<CHANNEL>_PROVIDER` may hold; only the chosen one is imported.
    """
    settings = start()
    connect = _chosen(f"{channel.upper()}_PROVIDER", providers)

    def open_pipeline() -> Deliver:
        return Pipeline(open_store(settings), connect(), settings.policy()).deliver

    return push_handler(open_pipeline, channel)


def push_handler(opened: Callable[[], Deliver], channel: str | None = None, malformed: Answer = Answer.NACK) -> Handler:
    """Answers Pub/Sub's pushes: 204 is an ack, 503 a nack. `channel`: take only this channel's messages.

    A push without the token that the settings ask for is a 401, one whose body does not arrive in time a 408; both
    change nothing. Called at import. SystemExit when a setting is wrong.

    malformed: the answer to what cannot be read. A nack sends it to the dead-letter topic, which keeps it; there,
    with nowhere further to go, it is acked.
    """
    deliver: Deliver | None = None
    guard = open_guard()

    async def handle(request: Request) -> Response:
        nonlocal deliver
        if request.method != "POST":
            return no_post(request)
        try:
            if guard and (refusal := await guard.refusal(request)):
                return refusal
            body = await request_body.read(request, PUSH_LIMIT)
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
        except ClientDisconnect:
            return Response(status_code=Answer.NACK.value)
        except BodyTooSlow:
            return too_slow()
        except (MalformedPush, BodyTooLarge) as error:
            log.error("malformed push", error=str(error))
            answer = malformed
        except HarkError as error:
            log.error("push nacked", error=str(error), kind=type(error).__name__)
            answer = Answer.NACK
        except Exception as error:
            # The framework would log this one with its text, which may hold anything.
            log.error("push failed", error=logs.place(error))
            answer = Answer.NACK
        return Response(status_code=answer.value, background=_ACKED if answer is Answer.ACK else None)

    return handle


async def _acked() -> None:
    failpoints.reached(Failpoint.ACKED)


_ACKED = BackgroundTask(_acked)  # begins when the answer has been written to the connection


def no_post(request: Request) -> Response:
    """The answer to anything but a POST, which alone does something: 204 to a health check, else 405."""
    health = request.scope["path"] == "/healthz"
    if health and request.method in {"GET", "HEAD"}:
        return Response(status_code=204)
    return Response(status_code=405, headers={"Allow": "GET, HEAD, POST" if health else "POST"})


def too_slow() -> Response:
    """The answer to a body that has not arrived in time; the connection goes with it (RFC 9110, 15.5.9)."""
    log.warning("a push's body did not arrive in time")
    return Response(status_code=408, headers={"Connection": "close"})


def _chosen(setting: str, providers: Mapping[str, str]) -> Callable[[], Provider]:
    choice = os.environ.get(setting, "")
    if choice not in providers:
        raise SystemExit(f"hark: {setting} must be one of {', '.join(sorted(providers))}")
    module: ProviderModule = importlib.import_module(providers[choice])
    return module.provider()
