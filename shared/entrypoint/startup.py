"""What every function does when it starts, and how it opens its connections.

functions-framework forks after it has imported main.py, and gRPC and aiohttp belong to the loop that made them:
so the settings are read at import (a wrong one stops the start), and the connections are made at the first
request.
"""

import gc
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from shared.delivery.store import Store
from shared.google.firestore import rpc
from shared.google.firestore.store import FirestoreStore
from shared.http.server import keep_connections, keep_workers
from shared.runtime import failpoints, logs, telemetry
from shared.runtime.settings import CoreSettings, load

if TYPE_CHECKING:
    from shared.sending.event_messages import EventPublisher


def start() -> CoreSettings:
    """The first thing that a function's main.py does, at import. SystemExit when a setting is wrong."""
    settings = load(CoreSettings)
    logs.configure(settings.google_cloud_project)
    telemetry.configure(_exporter(settings))
    failpoints.arm(settings.hark_fail_at)
    keep_connections()
    keep_workers()
    _collect_garbage()
    return settings


def _collect_garbage() -> None:
    """But not what is there now, nor what is when gunicorn forks: the collector writes to all that it looks at, and so
    would make the worker's own copy of every page.
    """
    gc.freeze()
    gc.enable()
    os.register_at_fork(before=gc.freeze)


def _exporter(settings: CoreSettings) -> Callable[[], telemetry.Backend] | None:
    exporting = settings.otel
    if exporting == "none":
        return None
    from shared.runtime.telemetry_export import Otel  # noqa: PLC0415 - slows a cold start, and only of those who export

    names = ("OTEL_SERVICE_NAME", "K_SERVICE", "FUNCTION_TARGET")  # OpenTelemetry's, Cloud Run's, the framework's
    service = next(filter(None, map(os.environ.get, names)), "hark")
    return lambda: Otel(exporting, settings.google_cloud_project, service)


def open_store(settings: CoreSettings, records: rpc.Rpc, publisher: Callable[[], "EventPublisher"]) -> Store:
    """The records, and what is told of their changes, if events are on. publisher: opens what these go to"""
    store = FirestoreStore(records)
    if not settings.has_events:
        return store
    from shared.sending.telling_store import telling  # noqa: PLC0415 - who has no events does not load it

    return telling(store, publisher, settings.policy().grace)


def open_rpc(settings: CoreSettings) -> rpc.Rpc:
    """A connection to Firestore or its emulator, for whatever is on record there. Called within the running loop."""
    database = f"projects/{settings.google_cloud_project}/databases/{settings.firestore_database}"
    host = settings.firestore_emulator_host
    return rpc.Rpc(rpc.connect(host), database, emulated=host is not None)
