"""The collector of OTEL=console: what it takes by OTLP, when it says a trace, and how much it remembers."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import pytest
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status
from opentelemetry.sdk.resources import Resource as SdkResource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from emulator.errors import StartFailed
from emulator.traces.collector import MAX_BODY, Collector, Limits
from emulator.traces.spans import MAX_TEXT, Link, MalformedRequest, read

QUIET_SECONDS = 0.2
PROTOBUF = {"Content-Type": "application/x-protobuf"}
MINUTES = 600.0
ATTRIBUTES: dict[str, str | int] = {"hark.attempt": 1, "hark.notification_id": "n-1"}


def span(name: str, trace_id: int = 1, parent: str = "") -> Span:
    parent_id = parent.encode().rjust(8) if parent else b""
    made = Span(trace_id=bytes([trace_id] * 16), span_id=name.encode().rjust(8), parent_span_id=parent_id, name=name)
    made.attributes.append(text("hark.notification_id", "n-1"))
    return made


def body(*spans: Span) -> bytes:
    resource = Resource(attributes=[text("service.name", "sms")])
    group = ResourceSpans(resource=resource, scope_spans=[ScopeSpans(spans=spans)])
    return bytes(ExportTraceServiceRequest(resource_spans=[group]).SerializeToString())


def text(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value))


@dataclass(frozen=True)
class Console:
    """A running collector, its client, and what it has said."""

    http: httpx.AsyncClient
    port: int
    said: list[str]

    async def post(self, *spans: Span) -> None:
        assert (await self.http.post("/v1/traces", content=body(*spans), headers=PROTOBUF)).status_code == 200

    async def has_said(self, count: int) -> Sequence[str]:
        async with asyncio.timeout(20):
            while len(self.said) < count:  # noqa: ASYNC110 it says it when it will
                await asyncio.sleep(0.01)
        return self.said

    @property
    def names(self) -> list[list[str]]:
        """Of the spans of each tree that was said."""
        return [[line.strip(" ├└─").split(" ")[0] for line in tree.splitlines()[1:]] for tree in self.said]


@asynccontextmanager
async def running(limits: Limits) -> AsyncIterator[Console]:
    said: list[str] = []
    collector = Collector(said.append, limits)
    try:
        port = await collector.start("127.0.0.1", 0)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=5) as http:
            yield Console(http, port, said)
    finally:
        await collector.close()


@pytest.fixture
async def console() -> AsyncIterator[Console]:
    async with running(Limits(quiet_seconds=QUIET_SECONDS)) as console:
        yield console


def test_a_span_is_read_with_what_a_line_shows_of_it() -> None:
    sent = span("send", parent="root")
    sent.start_time_unix_nano, sent.end_time_unix_nano = 5, 9
    sent.attributes.extend(
        [
            KeyValue(key="hark.attempt", value=AnyValue(int_value=2)),
            text("hark.outcome", "x" * 1000),
            text("hark.unheard_of", "not kept"),
            KeyValue(key="hark.notification_id", value=AnyValue(array_value=ArrayValue())),
        ]
    )
    sent.links.add(trace_id=b"t" * 16, span_id=b"s" * 8)
    sent.status.CopyFrom(Status(code=Status.STATUS_CODE_ERROR, message="refused"))
    [got] = read(body(sent))
    assert (got.trace_id, got.span_id, got.parent_id) == ("01" * 16, b"    send".hex(), b"    root".hex())
    assert (got.name, got.service, got.start, got.end, got.error) == ("send", "sms", 5, 9, "refused")
    expected = {"hark.attempt": "2", "hark.outcome": "x" * MAX_TEXT, "hark.notification_id": "n-1"}
    assert got.attributes == expected
    assert got.links == (Link("74" * 16, "73" * 8),)


def test_a_status_that_is_no_error_is_none() -> None:
    fine = span("a")
    fine.status.CopyFrom(Status(code=Status.STATUS_CODE_OK))
    assert [each.error for each in read(body(fine, span("b")))] == [None, None]


@pytest.mark.parametrize("field", ["trace_id", "span_id", "parent_span_id"])
def test_an_id_of_a_wrong_length_is_refused_by_name(field: str) -> None:
    bad = span("a")
    setattr(bad, field, b"short")
    with pytest.raises(MalformedRequest, match=rf"{field} has 5 bytes"):
        read(body(bad))


async def test_a_trace_is_said_once_no_new_span_of_it_comes(console: Console) -> None:
    await console.post(span("child", parent="root"))
    await console.post(span("root"))
    assert console.said == []
    await console.has_said(1)
    assert console.names == [["root", "child"]]


async def test_a_trace_of_no_notification_is_not_said(console: Console) -> None:
    poll, send = span("poll", trace_id=1), span("send", trace_id=2)
    del poll.attributes[:]
    await console.post(poll)
    await console.post(send)
    await console.has_said(1)
    assert console.names == [["send"]]


async def test_traces_are_said_each_by_itself(console: Console) -> None:
    await console.post(span("one", 1), span("two", 2))
    await console.has_said(2)
    assert console.names == [["one"], ["two"]]


async def test_a_late_span_brings_the_whole_tree_again(console: Console) -> None:
    await console.post(span("root"))
    await console.has_said(1)
    await console.post(span("retry", parent="root"))
    await console.has_said(2)
    assert console.names == [["root"], ["root", "retry"]]


async def test_a_batch_that_is_sent_again_is_no_news(console: Console) -> None:
    await console.post(span("root"))
    await console.has_said(1)
    await console.post(span("root"))
    await asyncio.sleep(2 * QUIET_SECONDS)
    assert len(console.said) == 1


async def test_what_is_waiting_is_said_when_it_closes() -> None:
    async with running(Limits(quiet_seconds=MINUTES)) as console:
        await console.post(span("one", 1), span("two", 2))
        assert console.said == []
    assert console.names == [["one"], ["two"]]


async def test_the_trace_that_is_longest_without_news_is_forgotten_but_not_unsaid() -> None:
    async with running(Limits(quiet_seconds=MINUTES, max_traces=2)) as console:
        await console.post(span("a1", 1), span("b", 2), span("a2", 1), span("c", 3))
        assert console.names == [["b"]]
        await console.post(span("late", 2))
        assert console.names == [["b"], ["a1", "a2"]]
    assert console.names == [["b"], ["a1", "a2"], ["c"], ["late"]]


async def test_of_a_long_trace_the_newest_spans_are_kept() -> None:
    async with running(Limits(quiet_seconds=MINUTES, max_spans=3)) as console:
        await console.post(*(span(f"s{n}") for n in range(5)))
    assert console.names == [["s2", "s3", "s4"]]


async def test_the_answers_are_empty_responses_in_protobuf(console: Console) -> None:
    for path in ("/v1/traces", "/v1/metrics"):
        answer = await console.http.post(path, content=body(), headers=PROTOBUF)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-protobuf")
        assert ExportTraceServiceResponse.FromString(answer.content) == ExportTraceServiceResponse()


async def test_a_body_may_be_compressed(console: Console) -> None:
    packed = gzip.compress(body(span("root")))
    answer = await console.http.post("/v1/traces", content=packed, headers=PROTOBUF | {"Content-Encoding": "gzip"})
    assert answer.status_code == 200
    await console.has_said(1)
    assert console.names == [["root"]]


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (b"\xff\xff\xff", {}),
        (b'{"resourceSpans": []}', {"Content-Type": "application/json"}),
        (body(Span(trace_id=b"short", span_id=b"s" * 8)), {}),
        (b"not gzip", {"Content-Encoding": "gzip"}),
    ],
    ids=["bytes", "json", "id", "gzip"],
)
async def test_a_malformed_body_is_a_400_and_the_next_one_is_taken(
    console: Console, content: bytes, headers: dict[str, str]
) -> None:
    assert (await console.http.post("/v1/traces", content=content, headers=PROTOBUF | headers)).status_code == 400
    await console.post(span("root"))
    await console.has_said(1)


@pytest.mark.parametrize("path", ["/v1/traces", "/v1/metrics"])
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
async def test_a_body_that_is_too_large_is_a_413_also_when_it_was_packed_small(
    console: Console, path: str, encoding: str
) -> None:
    zeros = bytes(MAX_BODY + 1)
    content = gzip.compress(zeros) if encoding == "gzip" else zeros
    answer = await console.http.post(path, content=content, headers=PROTOBUF | {"Content-Encoding": encoding})
    assert answer.status_code == 413


async def test_a_taken_port_stops_the_start_with_its_number() -> None:
    async with running(Limits()) as console:
        second = Collector(console.said.append)
        with pytest.raises(StartFailed, match=str(console.port)):
            await second.start("127.0.0.1", console.port)
        await second.close()


async def test_closing_one_that_was_never_started_does_nothing() -> None:
    said: list[str] = []
    await Collector(said.append).close()
    assert said == []


@pytest.fixture(params=[Compression.NoCompression, Compression.Gzip])
def exporter(console: Console, request: pytest.FixtureRequest) -> Iterator[OTLPSpanExporter]:
    exporter = OTLPSpanExporter(f"http://127.0.0.1:{console.port}/v1/traces", compression=request.param, timeout=5)
    yield exporter
    exporter.shutdown()  # type: ignore[no-untyped-call]


async def test_what_the_sdk_exports_is_understood(console: Console, exporter: OTLPSpanExporter) -> None:
    provider = TracerProvider(resource=SdkResource({"service.name": "gateway"}), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("hark")

    def work() -> None:
        with tracer.start_as_current_span("POST", attributes={"http.response.status_code": 202}) as root:
            link = trace.Link(root.get_span_context())
            with tracer.start_as_current_span("publish", links=[link], attributes=ATTRIBUTES):
                pass

    await asyncio.to_thread(work)
    [said] = await console.has_said(1)
    first, root, child = (line.split() for line in said.splitlines())
    assert (first[0], len(first[1])) == ("trace", len("4bf92f3577b34da6a3ce929d0e0e4736,"))
    assert (root[:2], root[-1]) == (["POST", "gateway"], "202")
    assert (child[:3], child[-5:]) == (["└─", "publish", "gateway"], ["attempt", "1,", "links", "to", "POST"])
