"""The load: a process of its own, whose CPU nobody counts. Jobs come as lines of JSON, and so do their results.

Whole requests come ready made, so that this process does little beside the one that is measured.
"""

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, cast

import uvloop


@dataclass(slots=True)
class Result:
    """Of one job. `begun` and `latencies` are in seconds, in the order of the requests; 0 where no answer came.

    statuses: how many answers of each; "lost": the connection broke before the answer
    answered: the numbers of the requests that got a 2xx
    """

    seconds: float
    begun: list[float]
    latencies: list[float]
    answered: list[int] = field(default_factory=list)
    statuses: dict[str, int] = field(default_factory=dict)


class Connection(asyncio.Protocol):
    """One at a time: the next request goes out when the answer to the last is whole."""

    def __init__(self, job: "Job") -> None:
        self._job = job
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._current: int | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own class is no subclass of it
        self._next()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, separator, body = self._buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        lower = head.lower()
        _, found, rest = lower.partition(b"content-length:")
        if b"transfer-encoding: chunked" in lower:  # as uvicorn sends a framework's own 500
            if not body.endswith(b"0\r\n\r\n"):
                return
            self._buffer = b""
        else:
            length = int(rest.split(b"\r\n", 1)[0]) if found else 0
            if len(body) < length:
                return
            self._buffer = body[length:]
        assert self._current is not None
        self._job.answered(self._current, int(head.split(b" ", 2)[1]))
        self._current = None
        if b"connection: close" in lower:
            assert self._transport is not None
            self._transport.close()
        elif self._job.pause:
            asyncio.get_running_loop().call_later(self._job.pause, self._next)
        else:
            self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._current is not None:
            self._job.lost()
        self._job.closed()

    def _next(self) -> None:
        assert self._transport is not None
        if self._transport.is_closing():
            return
        self._current = next(self._job.numbers, None)
        if self._current is None:
            self._job.exhausted = True
            self._transport.close()
            return
        self._job.begun[self._current] = time.time()
        self._transport.write(self._job.requests[self._current])


class Job:
    """`pause`: seconds between an answer and the next request on its connection."""

    def __init__(self, port: int, requests: list[str], connections: int, pause: float) -> None:
        self.requests = [request.encode() for request in requests]
        self.pause = pause
        self.numbers: Iterator[int] = iter(range(len(requests)))
        self.begun = [0.0] * len(requests)
        self.exhausted = False
        self._port = port
        self._connections = connections
        self._latencies = [0.0] * len(requests)
        self._statuses: dict[str, int] = {}
        self._answered: list[int] = []
        self._done = asyncio.Event()
        self._left = len(requests)

    def answered(self, number: int, status: int) -> None:
        self._latencies[number] = time.time() - self.begun[number]
        if status < 300:
            self._answered.append(number)
        self._ended(str(status))

    def lost(self) -> None:
        self._ended("lost")

    def closed(self) -> None:
        """A server may end a connection after any answer; another takes its place while there is work."""
        if not self.exhausted:
            asyncio.get_running_loop().create_task(self._connect())

    async def run(self) -> Result:
        began = time.time()
        for _ in range(self._connections):
            await self._connect()
        await self._done.wait()
        return Result(time.time() - began, self.begun, self._latencies, self._answered, self._statuses)

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._done.is_set():
            try:
                await loop.create_connection(lambda: Connection(self), "127.0.0.1", self._port)
            except OSError:
                await asyncio.sleep(0.05)  # a process that was killed, and comes again
            else:
                return

    def _ended(self, how: str) -> None:
        self._statuses[how] = self._statuses.get(how, 0) + 1
        self._left -= 1
        if not self._left:
            self._done.set()


def main() -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        for line in sys.stdin:
            asked: dict[str, Any] = json.loads(line)
            result = runner.run(_run(asked))
            print(json.dumps(asdict(result)), flush=True)


async def _run(asked: dict[str, Any]) -> Result:
    return await Job(**asked).run()


if __name__ == "__main__":
    main()
