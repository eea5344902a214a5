"""Takes spans and metrics by OTLP over HTTP, and says each notification's trace once no new span of it comes.

https://opentelemetry.io/docs/specs/otlp/#otlphttp
"""

import asyncio
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from aiohttp import web

from emulator.errors import StartFailed
from emulator.traces.spans import NOTIFICATION_ID, MalformedRequest, Span, read
from emulator.traces.tree import render

# Also of what a compressed one unfolds to; 512 spans, an exporter's batch, are about 200 KiB.
MAX_BODY = 8 * 1024 * 1024
# By the time the supervisor closes it, whoever sent spans has ended.
SHUTDOWN_SECONDS = 0.1


@dataclass(frozen=True)
class Limits:
    """quiet_seconds: without a new span, after which a trace is said; more than the exporters' pause between batches
    max_traces, max_spans: remembered at most, spans in each trace; the oldest are forgotten
    """

    quiet_seconds: float = 2.0
    max_traces: int = 256
    max_spans: int = 512


class Traces:
    def __init__(self, say: Callable[[str], None], limits: Limits) -> None:
        self._say = say
        self._limits = limits
        self._spans: dict[str, dict[str, Span]] = {}  # by trace, that of the newest span last; by span id
        self._waiting: dict[str, asyncio.TimerHandle] = {}

    def add(self, spans: Iterable[Span]) -> None:
        """To be called in the event loop. A span that is there already, since an exporter sent it twice, is no news."""
        for span in spans:
            trace = self._spans.get(span.trace_id, {})
            if span.span_id in trace:
                continue
            self._spans.pop(span.trace_id, None)
            self._spans[span.trace_id] = trace
            trace[span.span_id] = span
            if len(trace) > self._limits.max_spans:
                del trace[next(iter(trace))]
            self._wait(span.trace_id)
            if len(self._spans) > self._limits.max_traces:
                self._forget(next(iter(self._spans)))

    def flush(self) -> None:
        """Says what is still waiting."""
        for trace_id in list(self._waiting):
            self._show(trace_id)

    def _wait(self, trace_id: str) -> None:
        if trace_id in self._waiting:
            self._waiting[trace_id].cancel()
        loop = asyncio.get_running_loop()
        self._waiting[trace_id] = loop.call_later(self._limits.quiet_seconds, self._show, trace_id)

    def _show(self, trace_id: str) -> None:
        """Only a notification's: a client that asks for its status each second would drown it."""
        self._waiting.pop(trace_id).cancel()
        spans = self._spans[trace_id].values()
        if any(NOTIFICATION_ID in span.attributes for span in spans):
            self._say(render(spans))

    def _forget(self, trace_id: str) -> None:
        if trace_id in self._waiting:
            self._show(trace_id)
        del self._spans[trace_id]


class Collector:
    def __init__(self, say: Callable[[str], None], limits: Limits | None = None) -> None:
        self._traces = Traces(say, limits or Limits())
        self._runner = web.AppRunner(application(self._traces), access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)

    async def start(self, host: str, port: int) -> int:
        """The port: with 0 the system has chosen one. Raises StartFailed."""
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        try:
            await site.start()
        except OSError as error:
            reason = os.strerror(error.errno or 0)
            raise StartFailed(f"port {port}, for traces, cannot be listened on ({reason})") from error
        return site.port

    async def close(self) -> None:
        """Takes nothing any more, and says what it has; also when it was never started."""
        await self._runner.cleanup()
        self._traces.flush()


def application(traces: Traces) -> web.Application:
    async def take_spans(request: web.Request) -> web.Response:
        try:
            traces.add(read(await _body(request)))
        except MalformedRequest as error:
            return web.Response(status=400, text=str(error))
        return _nothing_to_say()

    async def take_metrics(request: web.Request) -> web.Response:
        await _body(request)
        return _nothing_to_say()

    app = web.Application(client_max_size=MAX_BODY)
    app.router.add_post("/v1/traces", take_spans)
    app.router.add_post("/v1/metrics", take_metrics)
    return app


async def _body(request: web.Request) -> bytes:
    """Raises HTTPRequestEntityTooLarge and HTTPBadRequest."""
    try:
        return await request.read()
    except web.RequestPayloadError as error:
        raise web.HTTPBadRequest(text="the body is not what its Content-Encoding says") from error


def _nothing_to_say() -> web.Response:
    """An empty Export…ServiceResponse: in protobuf that is no byte at all."""
    return web.Response(body=b"", content_type="application/x-protobuf")
