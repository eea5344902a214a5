"""Tests take no setting from the environment, but emulators that answer."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from shared.runtime.settings import CoreSettings
from tests.environment import NEEDED, emulators, neutral, neutralise, settings


class Answering(BaseHTTPRequestHandler):
    text: bytes

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.text)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@contextmanager
def answering(text: bytes) -> Iterator[str]:
    """The host:port of a server that says this."""
    server = HTTPServer(("127.0.0.1", 0), type("Handler", (Answering,), {"text": text}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def test_the_settings_are_those_of_the_readmes_table() -> None:
    assert {name.upper() for name in CoreSettings.model_fields} <= settings()
    assert {"PUBLIC_URL", "PUBSUB_EMULATOR_HOST", "OTEL", "HARK_PORT_OFFSET", "HARK_RUN_DIR"} <= settings()


def test_none_is_set_here() -> None:
    """But for what no function starts without."""
    assert {name.upper() for name in os.environ} & settings() == set(NEEDED)


@pytest.mark.parametrize("spelt", [str.upper, str.lower, str.title])
def test_a_setting_is_taken_out_however_it_is_spelt(spelt: Callable[[str], str]) -> None:
    hostile = {spelt(name): "hostile" for name in settings()}
    kept = {"PATH": "/bin", "HOME": "/root", "CI": "true", "JAVA_HOME": "/java", "TMPDIR": "/tmp"}
    assert neutral(hostile | kept) == kept


@pytest.mark.parametrize(
    "name", ["OTEL_EXPORTER_OTLP_ENDPOINT", "CLOUD_RUN_TIMEOUT_SECONDS", "WORKERS", "DEBUG", "PORT"]
)
def test_so_is_what_the_functions_server_and_libraries_read(name: str) -> None:
    assert neutral({name: "1"}) == {}


@pytest.mark.parametrize("prefix", ["", "http://"])
def test_emulators_that_answer_are_taken_and_seen_by_none_but_the_tests(prefix: str) -> None:
    with answering(b"Ok\n") as host:
        environ = {"FIRESTORE_EMULATOR_HOST": prefix + host, "PUBSUB_EMULATOR_HOST": "127.0.0.1:1", "PATH": "/bin"}
        assert emulators(environ) == {"FIRESTORE_EMULATOR_HOST": prefix + host}
        neutralise(environ)
        assert not environ.keys() & settings()
        neutralise(environ)  # as in a worker of xdist, which begins with what is left
    assert emulators(environ) == {"FIRESTORE_EMULATOR_HOST": prefix + host}


@pytest.mark.parametrize("value", ["", "127.0.0.1:1", "hostile", "http://", "a b:c", "127.0.0.1:http", "☠"])
def test_what_does_not_answer_is_no_emulator(value: str) -> None:
    assert emulators({"FIRESTORE_EMULATOR_HOST": value}) == {}


def test_what_answers_something_else_is_no_emulator() -> None:
    with answering(b"Welcome") as host:
        assert emulators({"PUBSUB_EMULATOR_HOST": host}) == {}
