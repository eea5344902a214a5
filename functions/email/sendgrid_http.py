"""The connections on which SendGrid's SDK is called.

The SDK is synchronous, has no time limit and reads answers of any length. So each call runs in a thread, on
connections that bound what they read and that are shut down when the call is given up, which ends the thread.
"""

import http.client
import socket
import urllib.request
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

import python_http_client

from shared.http.client import ANSWER_LIMIT

_CONNECT_TIMEOUT = 10.0  # seconds


class Call:
    """One call's socket, so that whoever awaits the call can end it."""

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        self.connected = False
        self._socket: socket.socket | None = None
        self._ended = False

    def began(self, opened: socket.socket) -> None:
        self.connected, self._socket = True, opened
        if self._ended:
            self.end()

    def end(self) -> None:
        self._ended = True
        if self._socket is not None:
            with suppress(OSError):  # the peer was first
                self._socket.shutdown(socket.SHUT_RDWR)


CALL: ContextVar[Call] = ContextVar("call")


class _Response(http.client.HTTPResponse):
    def read(self, amt: int | None = None) -> bytes:
        """The SDK reads once, without a limit, and closes nothing.

        It reads refusals, a line or two for each field that SendGrid is at odds with, and ten messages of its activity:
        some kilobytes at most.
        """
        try:
            return super().read(ANSWER_LIMIT if amt is None else amt)
        finally:
            self.close()


class _Connection(http.client.HTTPConnection):
    response_class = _Response

    def connect(self) -> None:
        super().connect()
        self.sock.settimeout(CALL.get().timeout)
        CALL.get().began(self.sock)


class _TlsConnection(http.client.HTTPSConnection):
    response_class = _Response

    def connect(self) -> None:
        super().connect()
        self.sock.settimeout(CALL.get().timeout)
        CALL.get().began(self.sock)


class _Http(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_Connection, req)


class _Https(urllib.request.HTTPSHandler):
    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_TlsConnection, req)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirected POST would come back as a GET's 200 and look like success."""

    def redirect_request(self, *_: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_Http, _Https, _NoRedirect)


class Client(python_http_client.Client):  # type: ignore[misc] # the SDK has no types
    """The SDK's HTTP client on the connections above."""

    def _build_client(self, name: str | None = None) -> "Client":
        built = super()._build_client(name)
        return Client(built.host, built.request_headers, built._version, built._url_path)

    def _make_request(self, opener: Any, request: Any, timeout: float | None = None) -> Any:
        return super()._make_request(_OPENER, request, timeout=_CONNECT_TIMEOUT)
