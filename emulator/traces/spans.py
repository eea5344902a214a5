"""Spans as a collector gets them: OTLP in protobuf.

https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/trace/v1/trace.proto
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2

# A span is kept for long: no more of it than a line can show.
MAX_TEXT = 100
MAX_LINKS = 8

STATUS_CODE = "http.response.status_code"
ATTEMPT = "hark.attempt"
OUTCOME = "hark.outcome"
ANSWER = "hark.answer"
NOTIFICATION_ID = "hark.notification_id"
STATUS = "hark.status"
RPC_STATUS = "rpc.response.status_code"
ERROR_TYPE = "error.type"
KEPT = frozenset((STATUS_CODE, ATTEMPT, OUTCOME, ANSWER, STATUS, RPC_STATUS, NOTIFICATION_ID, ERROR_TYPE))

_SCALARS = ("string_value", "bool_value", "int_value", "double_value")


@dataclass(frozen=True)
class Link:
    """Ids as in Span."""

    trace_id: str
    span_id: str


@dataclass(frozen=True)
class Span:
    """Ids in lower-case hex; times in nanoseconds since 1970. Texts are as they came: not for a terminal."""

    trace_id: str
    span_id: str
    parent_id: str
    """Empty: it has none."""
    name: str
    service: str
    start: int
    end: int
    attributes: Mapping[str, str] = field(default_factory=dict)
    """Those of KEPT that it has."""
    links: tuple[Link, ...] = ()
    error: str | None = None
    """What its status says, perhaps nothing; None: its status is no error."""


class MalformedRequest(Exception):
    """The body is no ExportTraceServiceRequest, or an id in it has not its length."""


def read(body: bytes) -> list[Span]:
    """Raises MalformedRequest."""
    request = ExportTraceServiceRequest()
    try:
        request.ParseFromString(body)
    except DecodeError as error:
        raise MalformedRequest("the body is no ExportTraceServiceRequest in protobuf") from error
    return [
        _span(span, service)
        for resource_spans in request.resource_spans
        for service in [dict(_scalars(resource_spans.resource.attributes)).get("service.name", "")]
        for scope_spans in resource_spans.scope_spans
        for span in scope_spans.spans
    ]


def _span(span: trace_pb2.Span, service: str) -> Span:
    failed = span.status.code == trace_pb2.Status.STATUS_CODE_ERROR
    return Span(
        trace_id=_hex("trace_id", span.trace_id, 16),
        span_id=_hex("span_id", span.span_id, 8),
        parent_id=_hex("parent_span_id", span.parent_span_id, 8) if span.parent_span_id else "",
        name=span.name[:MAX_TEXT],
        service=service,
        start=span.start_time_unix_nano,
        end=span.end_time_unix_nano,
        attributes={key: value for key, value in _scalars(span.attributes) if key in KEPT},
        links=tuple(
            Link(_hex("links.trace_id", link.trace_id, 16), _hex("links.span_id", link.span_id, 8))
            for link in span.links[:MAX_LINKS]
        ),
        error=span.status.message[:MAX_TEXT] if failed else None,
    )


def _scalars(attributes: Iterable[KeyValue]) -> Iterator[tuple[str, str]]:
    for attribute in attributes:
        value: AnyValue = attribute.value
        kind = value.WhichOneof("value")
        if kind in _SCALARS:
            yield attribute.key, str(getattr(value, kind))[:MAX_TEXT]


def _hex(name: str, value: bytes, length: int) -> str:
    if len(value) != length:
        raise MalformedRequest(f"{name} has {len(value)} bytes, expected {length}")
    return value.hex()
