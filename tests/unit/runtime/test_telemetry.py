"""What is said of a notification's way: one trace from the caller to the provider, and what is counted."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from functions.gateway.web.middleware import traced
from functions.relay.overdue_deliveries import Relay
from shared.delivery.errors import Permanent, Retryable, Throttled
from shared.delivery.model import DeliveryStatus
from shared.runtime import telemetry, trace_context
from shared.runtime.settings import CoreSettings, load
from shared.runtime.telemetry import Kind
from shared.sending.breakers import Turn
from shared.sending.messages import Message, hint
from shared.sending.pipeline import Pipeline, _Calling
from tests.fakes.clock import Clock
from tests.fakes.provider import ScriptedProvider
from tests.fakes.publisher import MemoryPublisher
from tests.fakes.records import POLICY, a_notification, accepted, first_message
from tests.fakes.store import MemoryStore
from tests.fakes.telemetry import MemoryTelemetry

CALLERS = f"00-{'a' * 32}-{'b' * 16}-01"


@pytest.fixture
def heard() -> Iterator[MemoryTelemetry]:
    backend = MemoryTelemetry()
    telemetry.configure(lambda: backend)
    yield backend
    telemetry.configure(None)


@pytest.fixture(autouse=True)
def no_trace() -> Iterator[None]:
    with trace_context.bound(None):
        yield


@pytest.fixture
async def message(store: MemoryStore) -> Message:
    notification = a_notification()
    (delivery,) = await accepted(store, notification)
    return first_message(notification, delivery)


def pipeline(store: MemoryStore, *script: str | Exception, clock: Clock | None = None) -> Pipeline:
    clock = clock or Clock()
    return Pipeline(store, ScriptedProvider(script), POLICY, now=clock.now, sleep=clock.sleep, chance=lambda: 0.0)


async def test_a_send_is_a_span_of_the_messages_trace(
    heard: MemoryTelemetry, store: MemoryStore, message: Message
) -> None:
    trace_context.bind(CALLERS)
    await pipeline(store, "m-1").deliver(message)
    (span,) = heard.spans
    assert (span.title, span.kind, span.parent, span.links) == ("send scripted", Kind.CLIENT, CALLERS, [])
    assert (span.attributes, span.failed) == ({"hark.attempt": 1, "hark.outcome": "accepted"}, None)
    assert store.get(message.notification_id, "email").attempts[0].traceparent == span.traceparent


async def test_a_retry_links_to_the_attempt_before_it(
    heard: MemoryTelemetry, store: MemoryStore, message: Message
) -> None:
    clock = Clock()
    trace_context.bind(CALLERS)
    sending = pipeline(store, Retryable("busy"), Throttled("slower", retry_after=2), "m-1", clock=clock)
    await sending.deliver(message)
    clock.advance(timedelta(minutes=1))
    await sending.deliver(message)  # waits the throttle out, so both attempts are of one claim
    first, second, third = heard.spans
    assert (second.links, third.links) == ([first.traceparent], [second.traceparent])
    assert [s.failed for s in heard.spans] == ["retryable", "throttled", None]


async def test_attempts_are_counted_by_outcome_and_the_way_to_sent_is_measured(
    heard: MemoryTelemetry, store: MemoryStore, message: Message
) -> None:
    clock = Clock()
    sending = pipeline(store, Retryable("busy"), "m-1", clock=clock)
    await sending.deliver(message)
    clock.advance(timedelta(seconds=15))
    await sending.deliver(message)
    assert heard.counts == {"hark.attempts email scripted retryable": 1, "hark.attempts email scripted accepted": 1}
    assert heard.values == {"hark.accept_to_sent email scripted": [15.0]}
    assert heard.spans == []  # there is no trace that they would be part of


async def test_a_lost_attempt_is_counted_as_unknown_when_it_goes_on_record(
    heard: MemoryTelemetry, store: MemoryStore, message: Message
) -> None:
    clock = Clock()
    claimed = await pipeline(store, clock=clock)._claim(message, _Calling(Turn("scripted")))
    assert not heard.counts
    await pipeline(store, clock=clock).deliver(message)
    assert heard.counts == {"hark.lease_conflicts email": 1}
    clock.advance(POLICY.lease + timedelta(seconds=1))
    await pipeline(store, Permanent("no"), clock=clock).deliver(message)
    assert claimed
    assert heard.counts["hark.attempts email scripted unknown"] == 1
    assert heard.counts["hark.attempts email scripted permanent"] == 1


async def test_a_lost_attempt_is_counted_for_the_provider_on_record(
    heard: MemoryTelemetry, store: MemoryStore, message: Message
) -> None:
    """Another may be set by now."""
    clock = Clock()
    await pipeline(store, Retryable("busy"), clock=clock).deliver(message)
    claimed = store.get(message.notification_id, "email")
    await store.update(replace(claimed, status=DeliveryStatus.SENDING, provider="earlier", lease_until=clock.now()))
    clock.advance(POLICY.lease)
    await pipeline(store, "m-1", clock=clock).deliver(message)
    assert heard.counts["hark.attempts email earlier unknown"] == 1


async def test_what_the_relay_publishes_is_of_the_trace_that_it_was_accepted_in(
    heard: MemoryTelemetry, store: MemoryStore
) -> None:
    await accepted(store, a_notification(channels=["email", "sms"]), traceparent=CALLERS)
    publisher = MemoryPublisher()
    relay = Relay(store, publisher, POLICY, now=lambda: Clock().now() + POLICY.grace + timedelta(seconds=1))
    await relay.sweep()
    assert [message.traceparent for message in publisher.messages] == [CALLERS, CALLERS]
    assert heard.counts == {"hark.relay.republished email": 1, "hark.relay.republished sms": 1}


async def test_a_hint_says_its_trace_beside_its_data(store: MemoryStore) -> None:
    (delivery,) = await accepted(store, a_notification(), traceparent=CALLERS)
    assert hint(delivery).traceparent == CALLERS
    assert "traceparent" not in hint(delivery).model_dump_json()


@pytest.fixture
async def gateway() -> AsyncIterator[httpx.AsyncClient]:
    """Answers with the trace that is current, or with the status that is asked for."""

    async def tell(request: Request) -> Response:
        if "raise" in request.query_params:
            raise RuntimeError("alice@example.com")
        return Response(trace_context.current(), status_code=int(request.query_params.get("status", 200)))

    app = Starlette(routes=[Route("/v1/recipients/{name}", tell), Route("/healthz", tell)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(traced(app)), base_url="http://gateway") as client:
        yield client


async def test_a_request_is_a_span_of_the_callers_trace_named_by_its_route(
    heard: MemoryTelemetry, gateway: httpx.AsyncClient
) -> None:
    answer = await gateway.get("/v1/recipients/alice", headers={"traceparent": CALLERS})
    (span,) = heard.spans
    assert (span.kind, span.parent, answer.text) == (Kind.SERVER, CALLERS, span.traceparent)
    assert span.attributes == {"http.request.method": "GET", "http.response.status_code": 200}
    assert "alice" not in span.title


@pytest.mark.parametrize(("status", "failed"), [(200, None), (404, None), (503, "503")])
async def test_only_our_own_failures_fail_the_span(
    heard: MemoryTelemetry, gateway: httpx.AsyncClient, status: int, failed: str | None
) -> None:
    await gateway.get("/v1/recipients/alice", params={"status": status})
    assert heard.spans[0].failed == failed


async def test_an_exception_is_named_by_its_type_alone(heard: MemoryTelemetry, gateway: httpx.AsyncClient) -> None:
    with pytest.raises(RuntimeError):
        await gateway.get("/v1/recipients/alice?raise=1")
    assert heard.spans[0].failed == "RuntimeError"


async def test_a_probe_is_no_span(heard: MemoryTelemetry, gateway: httpx.AsyncClient) -> None:
    await gateway.get("/healthz")
    assert heard.spans == []


@pytest.mark.parametrize("header", [None, "no such header"])
async def test_where_nobody_listens_each_request_has_a_trace_all_the_same(
    gateway: httpx.AsyncClient, header: str | None
) -> None:
    answer = await gateway.get("/v1/recipients/alice", headers={"traceparent": header} if header else {})
    assert answer.text.startswith("00-")
    answer = await gateway.get("/v1/recipients/alice", headers={"traceparent": CALLERS})
    assert answer.text == CALLERS


@pytest.mark.parametrize(
    "wrong", [{"OTEL": "console"}, {"OTEL": "jaeger"}, {"OTEL": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}]
)
def test_an_exporter_that_there_is_not_stops_the_start(monkeypatch: pytest.MonkeyPatch, wrong: dict[str, str]) -> None:
    for name, value in {"GOOGLE_CLOUD_PROJECT": "test", **wrong}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit, match="OTEL"):
        load(CoreSettings)
