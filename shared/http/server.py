"""The settings of the server that functions-framework gives no way to set."""

import os
import socket
from asyncio import AbstractEventLoop, TimerHandle, Transport
from collections.abc import Callable
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn_worker import UvicornWorker

from shared.http.security_headers import HEADERS, secured

KEEP_ALIVE_SECONDS = 620
HEAD_LIMIT = 64 * 1024  # bytes, as uvicorn has it for its other parser
# What may come before anybody is known costs 3 ms at most (2026-11). Bytes are cheap; each of these is a call, or many.
URL_LIMIT = 16 * 1024  # bytes: uvicorn decodes each path, 64 KiB of %41 in 6 ms
MOST_HEADERS = 4_000  # 64 KiB have room for 16,000: 12 ms
MOST_PARTS = 1_000  # of a body, and one more for each of PART bytes: 1 MB in chunks of one byte is 80 ms
PART = 1024
UNREAD_LIMIT = 1024 * 1024  # bytes of a body behind the answer, which nobody reads: 200 MB are 50 ms
PATIENCE_SECONDS = 10.0
LOOK_SECONDS = 0.02  # any time will do: the loop reads before its next timers
LINGER_SECONDS = 2.0  # Apache's
SEND_BUFFER = 64 * 1024  # bytes, of the kernel for one connection; Linux takes twice as many


def keep_connections() -> None:
    """Idle connections are kept for longer than any client in front keeps them, and no others. Called at import.

    Gunicorn's default closes them after 2 s: a request that is on its way just then gets a reset instead of an
    answer, and its sender cannot know whether it was taken. Google's load balancers keep theirs for 600 s
    (https://cloud.google.com/load-balancing/docs/https#timeout-keepalive-backends).
    """
    UvicornWorker.CONFIG_KWARGS = {
        **UvicornWorker.CONFIG_KWARGS,
        "timeout_keep_alive": KEEP_ALIVE_SECONDS,
        "http": BoundedProtocol,
        "server_header": False,  # which software this is, is nobody's business
    }


def keep_workers() -> None:
    """No worker is killed for having been silent. Called at import, before the framework configures gunicorn.

    The framework has gunicorn kill workers that are silent for CLOUD_RUN_TIMEOUT_SECONDS, and so is one from which
    Cloud Run has withdrawn the CPU: it would be killed on waking up, with the request that woke it. What a request
    may take is bounded by the functions themselves, and by Cloud Run.
    """
    os.environ["CLOUD_RUN_TIMEOUT_SECONDS"] = "0"


class LingeringTransport:
    """A transport whose end does not take the answer from a client that is still sending: RFC 9112, 9.6.

    The kernel resets a connection that is closed with bytes unread, and a reset overtakes the answer. So where there
    may be such bytes only our side is ended, and theirs are thrown away, for LINGER_SECONDS and UNREAD_LIMIT at most.
    """

    def __init__(self, transport: Transport, loop: AbstractEventLoop, unread: Callable[[], bool]) -> None:
        self._transport = transport
        self._loop = loop
        self._unread = unread
        self._thrown = 0  # bytes
        self._end: TimerHandle | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        return self._end is not None or self._transport.is_closing()

    def write(self, data: bytes) -> None:
        if self._end is None:
            self._transport.write(data)

    def close(self) -> None:
        if self.is_closing():
            return
        if not self._unread():
            self._transport.close()
            return
        self._transport.resume_reading()
        self._transport.write_eof()
        self._end = self._loop.call_later(LINGER_SECONDS, self._transport.close)

    def throw_away(self, data: bytes) -> None:
        self._thrown += len(data)
        if self._thrown > UNREAD_LIMIT:
            self._transport.close()

    def lost(self) -> None:
        if self._end is not None:
            self._end.cancel()


class BoundedProtocol(HttpToolsProtocol):
    """Uvicorn's protocol with an end to what no application reads: a request's head, and its body after the answer;
    and to an answer that the client does not take.

    Uvicorn 0.54 on httptools bounds none of them, in size or in time. What an application does read is the
    application's to bound. A request that comes whole, and whose answer is taken, sets no timer, so the cost is a few
    method calls: 1 µs (2026-11).
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.app = secured(self.app)  # around the framework, too, which answers some requests by itself
        self.url = b""  # uvicorn sets it with the first request, and a refusal may come before
        self._progress = 0  # complete heads, and parts of a body
        self._parts = 0  # of this body
        self._body = 0  # bytes of it
        self._unread = 0  # those behind the answer
        self._pending = 0  # bytes since, of a head, a chunk's line or a trailer
        self._in_body = False
        self._refused = False
        self._end: TimerHandle | None = None
        self._untaken: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override] # as uvicorn narrows it
        self._lingering = LingeringTransport(transport, self.loop, lambda: self._in_body or self._refused)
        super().connection_made(cast(Transport, self._lingering))
        connection = transport.get_extra_info("socket")
        if connection is not None:
            # By itself the kernel takes megabytes for a client that takes nothing, and we would not know of it.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
            if hasattr(socket, "TCP_USER_TIMEOUT"):  # on Linux; the end of what is with the kernel when we are done
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(PATIENCE_SECONDS * 1000))

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            self._lingering.throw_away(data)
            return
        progress = self._progress
        super().data_received(data)
        if self._progress != progress or self.transport.is_closing():
            return
        self._pending += len(data)
        if self._pending > HEAD_LIMIT:
            self._give_up()
        elif self._end is None and not self._in_body:
            self._wait()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > URL_LIMIT:
            raise ValueError("the URL is too long")  # which the parser takes for a request that is none: 400

    def on_header(self, name: bytes, value: bytes) -> None:
        """Uvicorn takes a chunked body's trailers for headers (RFC 9110, 6.5.1, forbids it): credentials among them
        would be such that nobody in front of us has seen.
        """
        if len(self.headers) >= MOST_HEADERS:
            raise ValueError("there are too many headers")
        if not self._in_body:
            super().on_header(name, value.strip(b" \t"))  # blanks around a value are none of it: RFC 9110, 5.5

    def on_headers_complete(self) -> None:
        self._progressed()
        self._in_body = True
        self._parts = self._body = self._unread = 0
        self._unset_end()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._progressed()
        self._parts += 1
        self._body += len(body)
        if self._parts > MOST_PARTS + self._body // PART:
            raise ValueError("the body is in too many parts")
        if self._answered:
            self._unread += len(body)
            if self._unread > UNREAD_LIMIT:
                raise ValueError("nobody reads the body")
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_body = False
        self._unset_end()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._in_body and self._answered and not self.transport.is_closing():
            self._wait()

    def send_400_response(self, msg: str) -> None:
        """Uvicorn's own with the headers of `secured`, which stands around what is a request; and none in the middle or
        behind an answer.
        """
        self._refused = True
        answering = self.cycle is not None and self.cycle.response_started if self._in_body else not self._answered
        if not answering:
            status = b"400 Bad Request"
            if len(self.url) > URL_LIMIT:
                status, msg = b"414 URI Too Long", f"The URL has more than {URL_LIMIT} bytes."
            headers = [*self.server_state.default_headers, *HEADERS, (b"content-type", b"text/plain; charset=utf-8")]
            headers += [(b"content-length", str(len(msg)).encode()), (b"connection", b"close")]
            head = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
            self.transport.write(b"HTTP/1.1 " + status + b"\r\n" + head + b"\r\n" + msg.encode())
        self.transport.close()
        if not self._answered:  # the application learns it now, not when the connection is gone
            self.cycle.disconnected = True
            self.cycle.message_event.set()

    def timeout_keep_alive_handler(self) -> None:
        """Uvicorn's, after a look at what has arrived: SIGCONT ends epoll_wait with EINTR, and a loop that has slept
        for longer than its timers runs them before it reads what came meanwhile.
        """
        self.timeout_keep_alive_task = self.loop.call_later(LOOK_SECONDS, super().timeout_keep_alive_handler)

    def pause_writing(self) -> None:
        super().pause_writing()

        def look() -> None:
            self._untaken = self.loop.call_later(LOOK_SECONDS, self.transport.abort)

        self._untaken = self.loop.call_later(PATIENCE_SECONDS, look)

    def resume_writing(self) -> None:
        self._unset_untaken()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lingering.lost()
        self._unset_end()
        self._unset_untaken()
        super().connection_lost(exc)

    @property
    def _answered(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _wait(self) -> None:
        def look() -> None:
            self._end = self.loop.call_later(LOOK_SECONDS, self._out_of_patience)

        self._end = self.loop.call_later(PATIENCE_SECONDS, look)

    def _out_of_patience(self) -> None:
        self._end = None
        if self._answered:  # else a head has begun behind a request that is still at work: its next byte asks again
            self._give_up()

    def _give_up(self) -> None:
        if self._answered and not self._in_body:
            self.send_400_response("The head of the request is too large or too slow.")
        self.transport.close()

    def _progressed(self) -> None:
        self._progress += 1
        self._pending = 0

    def _unset_untaken(self) -> None:
        if self._untaken is not None:
            self._untaken.cancel()
            self._untaken = None

    def _unset_end(self) -> None:
        if self._end is not None:
            self._end.cancel()
            self._end = None
