"""What is exported, and what a collector that misbehaves can do to a function: nothing."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

ROOT = Path(__file__).parents[2]

# As uvicorn's worker: SIGTERM ends the serving in order, and then it dies of the signal.
FUNCTION = """
import asyncio, os, resource, signal
from shared.runtime import telemetry
from shared.runtime.telemetry_export import Otel
from shared.runtime.telemetry import Kind

async def serve():
    ended = asyncio.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    telemetry.configure(lambda: Otel("otlp", "a-project", "sms"))
    with telemetry.span("late", Kind.SERVER, {"hark.attempt": 1}):
        telemetry.count(telemetry.ATTEMPTS, {"channel": "sms"})
        telemetry.record(telemetry.ACCEPT_TO_SENT, 1.5, {"channel": "sms"})
    os.kill(os.getpid(), signal.SIGTERM)
    await ended.wait()

asyncio.run(serve())
signal.signal(signal.SIGTERM, signal.SIG_DFL)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, flush=True)
signal.raise_signal(signal.SIGTERM)
"""


class Collector(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, mode: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.mode = mode
        self.bodies: dict[str, bytes] = {}
        self.closing = threading.Event()


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Quiet."""

    def do_POST(self) -> None:
        server = self.server
        assert isinstance(server, Collector)
        server.bodies[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
        if server.mode == "hangs":
            server.closing.wait(30)
            return
        self.send_response(500 if server.mode == "fails" else 200)
        if server.mode == "drips":
            self.send_header("Content-Length", "100000")
        self.end_headers()
        while server.mode in {"endless", "drips"} and not server.closing.is_set():
            self.wfile.write(b"x" * (1 << 20 if server.mode == "endless" else 1))
            time.sleep(0.001 if server.mode == "endless" else 0.2)


@contextmanager
def collector(mode: str) -> Iterator[Collector]:
    with Collector(mode) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield server
        server.closing.set()
        server.shutdown()


def run(server: Collector, **variables: str) -> "tuple[subprocess.CompletedProcess[str], float]":
    """The function, from its start to its end by SIGTERM, and the seconds that took."""
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{server.server_port}", **variables}
    began = time.monotonic()
    command = [sys.executable, "-c", FUNCTION]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60, check=False)
    return done, time.monotonic() - began


def test_what_is_left_is_exported_when_sigterm_ends_it() -> None:
    with collector("answers") as server:
        done, _ = run(server)
    assert done.returncode == -15, done.stderr
    spans = ExportTraceServiceRequest.FromString(server.bodies["/v1/traces"]).resource_spans[0]
    assert [span.name for span in spans.scope_spans[0].spans] == ["late"]
    names = {attribute.key: attribute.value.string_value for attribute in spans.resource.attributes}
    assert (names["service.name"], names["gcp.project_id"]) == ("sms", "a-project")
    metrics = ExportMetricsServiceRequest.FromString(server.bodies["/v1/metrics"]).resource_metrics[0]
    assert {metric.name for metric in metrics.scope_metrics[0].metrics} == {"hark.attempts", "hark.accept_to_sent"}


@pytest.mark.parametrize("mode", ["hangs", "fails", "endless", "drips"])
def test_a_collector_that_misbehaves_costs_neither_memory_nor_the_end(mode: str) -> None:
    with collector("answers") as server:
        usual, usual_seconds = run(server)
    with collector(mode) as server:
        done, seconds = run(server)
    assert server.bodies
    assert done.returncode == -15, done.stderr
    assert seconds < usual_seconds + 5  # two of them for the flush; the rest is for a busy machine
    assert int(done.stdout) < int(usual.stdout) + 30  # MiB


def test_a_variable_of_opentelemetry_that_is_wrong_costs_the_traces_and_no_more() -> None:
    with collector("answers") as server:
        done, _ = run(server, OTEL_BSP_MAX_QUEUE_SIZE="1")
    assert done.returncode == -15, done.stderr
    assert "no traces and no metrics" in done.stdout
