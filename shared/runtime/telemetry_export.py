"""Spans and metrics by OpenTelemetry, over OTLP (HTTP and protobuf), in the background.

Where they go is for OpenTelemetry's own variables to say (OTEL_EXPORTER_OTLP_ENDPOINT and the like), or they go to
Google's endpoint: https://cloud.google.com/stackdriver/docs/reference/telemetry/overview. No request ever waits for it:
what cannot be exported is dropped after some seconds, and of an answer nothing is read that could be long.
"""

import asyncio
import io
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.metrics import Counter, Histogram
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace import Span as OtelSpan
from opentelemetry.trace import set_span_in_context as in_context
from requests import PreparedRequest, Response, Session
from requests.adapters import HTTPAdapter

from shared.runtime import telemetry, trace_context
from shared.runtime.telemetry import Attributes, Kind, Span

_GOOGLE = "https://telemetry.googleapis.com/v1/"
_COUNTERS = {
    telemetry.ACCEPTED: "{delivery}",
    telemetry.ATTEMPTS: "{attempt}",
    telemetry.REPUBLISHED: "{delivery}",
    telemetry.LEASE_CONFLICTS: "{message}",
}
# Seconds: from a provider's usual answer over the objective's minute to the day after which a delivery is given up.
_BUCKETS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 6 * 3600, 24 * 3600]
_FLUSH_SECONDS = 2.0  # Cloud Run gives a stopped instance ten
_SHORT = 256  # bytes of an answer
_KINDS = {kind: SpanKind[kind.name] for kind in Kind}


class Otel:
    """The backend of one process, made in its running loop; what is left is exported when SIGTERM ends it."""

    def __init__(self, exporting: Literal["otlp", "google"], project: str, service: str) -> None:
        resource = Resource.create({"service.name": service, "gcp.project_id": project})
        if exporting == "google":
            spans = OTLPSpanExporter(_GOOGLE + "traces", session=_session(project))
            metrics = OTLPMetricExporter(_GOOGLE + "metrics", session=_session(project))
        else:
            spans, metrics = OTLPSpanExporter(session=_session()), OTLPMetricExporter(session=_session())
        tracers = TracerProvider(resource=resource)
        tracers.add_span_processor(BatchSpanProcessor(spans))
        meters = MeterProvider([PeriodicExportingMetricReader(metrics)], resource=resource)
        _flush_at_end(tracers, meters)
        self._tracer, meter = tracers.get_tracer("hark"), meters.get_meter("hark")
        self._counters: dict[str, Counter] = {n: meter.create_counter(n, unit) for n, unit in _COUNTERS.items()}
        self._histogram: Histogram = meter.create_histogram(
            telemetry.ACCEPT_TO_SENT, "s", explicit_bucket_boundaries_advisory=_BUCKETS
        )

    @contextmanager
    def span(
        self, name: str, kind: Kind, parent: str | None, links: Sequence[str], attributes: Attributes
    ) -> Iterator[Span]:
        made = self._tracer.start_span(
            name,
            context=in_context(NonRecordingSpan(at)) if parent and (at := _context(parent)) else None,
            kind=_KINDS[kind],
            attributes=attributes,
            links=[Link(at) for link in links if (at := _context(link))],
        )
        span = _Span(made)
        try:
            with trace_context.bound(span.traceparent or parent):
                yield span
        except BaseException as error:
            span.fail(type(error).__name__)  # never its text, which may hold anything
            raise
        finally:
            made.end()

    def count(self, name: str, amount: int, attributes: Attributes) -> None:
        self._counters[name].add(amount, attributes)

    def record(self, name: str, value: float, attributes: Attributes) -> None:
        assert name == telemetry.ACCEPT_TO_SENT  # noqa: S101 - the one there is
        self._histogram.record(value, attributes)


class _Span(Span):
    def __init__(self, made: OtelSpan) -> None:
        self._made = made
        at = made.get_span_context()
        if at.is_valid:
            self.traceparent = trace_context.traceparent(at.trace_id, at.span_id, at.trace_flags)

    def name(self, name: str) -> None:
        self._made.update_name(name)

    def note(self, attributes: Attributes) -> None:
        self._made.set_attributes(attributes)

    def fail(self, code: str) -> None:
        self._made.set_attribute("error.type", code)
        self._made.set_status(Status(StatusCode.ERROR))


def _context(traceparent: str) -> SpanContext | None:
    """None for what is on record in a form of another version's."""
    parts = trace_context.parse(traceparent)
    return parts and SpanContext(parts[0], parts[1], is_remote=True, trace_flags=TraceFlags(parts[2]))


def _flush_at_end(tracers: TracerProvider, meters: MeterProvider) -> None:
    """Before SIGTERM ends this process it exports: uvicorn's worker then dies of the signal, past any `atexit`."""
    if threading.current_thread() is not threading.main_thread():
        return  # signals are not its own
    loop, end = asyncio.get_running_loop(), signal.getsignal(signal.SIGTERM)
    if not callable(end):
        return  # there is no server that would end in order

    def flush() -> None:
        exports = [threading.Thread(target=each.force_flush, daemon=True) for each in (tracers, meters)]
        for export in exports:
            export.start()
        give_up_at = time.monotonic() + _FLUSH_SECONDS
        for export in exports:
            export.join(max(0.0, give_up_at - time.monotonic()))
        loop.call_soon_threadsafe(end, signal.SIGTERM, None)

    def ending(*_: Any) -> None:
        signal.signal(signal.SIGTERM, end)  # a second one does not wait
        threading.Thread(target=flush, daemon=True).start()

    signal.signal(signal.SIGTERM, ending)


class _Adapter(HTTPAdapter):
    """Leaves an answer that is not short unread: a collector has nothing to say, and it may have no end."""

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        answer = super().send(request, *args, **kwargs)
        length = answer.headers.get("Content-Length", "")
        if not (length.isdecimal() and int(length) <= _SHORT):
            answer.raw.close()
            answer.raw = io.BytesIO()
        return answer


def _session(google_project: str | None = None) -> Session:
    session = Session() if google_project is None else _google_session(google_project)
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter())
    return session


def _google_session(project: str) -> Session:
    import google.auth  # noqa: PLC0415 - only who exports there needs them
    from google.auth.transport.requests import AuthorizedSession  # noqa: PLC0415

    credentials, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
    session: Session = AuthorizedSession(credentials)  # type: ignore[no-untyped-call]
    session.headers["x-goog-user-project"] = project
    return session
