"""Requests that never end, at the real server: each is answered or cut off in bounded time and memory."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from emulator import config
from emulator.stack import functions
from tests.integration.servers import start
from tests.ports import free_offset

ROOT = Path(__file__).parents[2]
NOBODY = "127.0.0.1:1"  # what is refused needs no emulator
PATIENCE = 10.0  # seconds, the server's
SLACK = 5.0
MOST_GROWTH = 50e6
CROWD = 200

STRANGER = b"POST /v1/notifications HTTP/1.1\r\nHost: hark\r\nAuthorization: Bearer x\r\n"
# The signature covers the body, which is read first where the head looks right.
RECEIPT = (
    b"POST /v1/receipts/twilio HTTP/1.1\r\nHost: hark\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    b"X-Twilio-Signature: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n"
)
FORGED = b"POST /v1/receipts/twilio HTTP/1.1\r\nHost: hark\r\n"
PUSH = b"POST / HTTP/1.1\r\nHost: hark\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
CHUNKS = (b"4000\r\n" + b" " * 0x4000 + b"\r\n") * 4
CHUNK = b"1\r\n \r\n"
TEN_GB = b"Content-Length: 10000000000\r\n\r\n"
ASKED = b"GET /healthz HTTP/1.1\r\nHost: hark\r\nConnection: close\r\n"


@dataclass(frozen=True)
class Function:
    """A function under functions-framework, as in the cloud."""

    process: subprocess.Popen[bytes]
    port: int

    @contextmanager
    def within_memory(self, most_growth: float = MOST_GROWTH) -> Iterator[None]:
        """The block makes the server and its worker grow by no more than they may, not even for a moment."""
        before = self._resident_bytes("VmRSS")
        for process in self._processes():
            (process / "clear_refs").write_text("5")  # VmHWM begins anew: proc_pid_clear_refs(5)
        yield
        grown = self._resident_bytes("VmHWM") - before
        assert grown < most_growth, f"{grown / 1e6:.0f} MB more"

    def _resident_bytes(self, field: str) -> int:
        statuses = [(process / "status").read_text() for process in self._processes()]
        return (
            sum(int(kilobytes) for status in statuses for kilobytes in re.findall(rf"{field}:\s*(\d+)", status)) * 1024
        )

    def _processes(self) -> list[Path]:
        """Of the function's process group, in /proc."""
        pids = subprocess.run(["pgrep", "-g", str(self.process.pid)], capture_output=True, text=True, check=True).stdout
        return [Path("/proc") / pid for pid in pids.split()]


@dataclass
class Told:
    """What a hostile client was told before its connection ended, and when that was."""

    answer: bytes = b""
    seconds: float = 0.0

    @property
    def status(self) -> int | None:
        """None when the reset was faster than the answer."""
        return int(self.answer.split()[1]) if self.answer else None


@pytest.fixture(scope="module")
def running() -> Iterator[Mapping[str, Function]]:
    receipts = {"TWILIO_AUTH_TOKEN": "token", "PUBLIC_URL": "http://127.0.0.1:1"}
    environ = {**os.environ, "HARK_PORT_OFFSET": str(free_offset()), "SMS_PROVIDER": "log", **receipts}
    planned = config.load(ROOT, environ)
    programs = {p.name: p for p in functions(planned, NOBODY, NOBODY) if p.name in {"gateway", "sms"}}
    started = {name: Function(start(program), planned.ports[name]) for name, program in programs.items()}
    try:
        for function in started.values():
            asyncio.run(warm_up(function.port))
        yield started
    finally:
        for function in started.values():
            os.killpg(function.process.pid, signal.SIGTERM)
            function.process.wait(30)


async def warm_up(port: int) -> None:
    """Until it answers; and as many at once as the tests send, which it may keep buffers for."""
    give_up_at = time.monotonic() + 60
    while (await attack(port, ASKED + b"\r\n")).status is None:
        assert time.monotonic() < give_up_at
        await asyncio.sleep(0.1)
    await asyncio.gather(*(attack(port, ASKED + b"\r\n") for _ in range(CROWD)))


async def attack(port: int, head: bytes, unit: bytes = b"", pause: float = 0.0) -> Told:
    """Say the head, then the unit for ever; ends when the server ends the connection."""
    told = Told()
    began = time.monotonic()
    loop = asyncio.get_running_loop()
    with socket.socket() as client:
        client.setblocking(False)

        async def talk() -> None:
            await loop.sock_sendall(client, head)
            while unit:
                await asyncio.sleep(pause)
                await loop.sock_sendall(client, unit)

        talking = None
        with suppress(ConnectionError):
            await loop.sock_connect(client, ("127.0.0.1", port))
            talking = asyncio.create_task(talk())
            async with asyncio.timeout(PATIENCE + SLACK):
                while part := await loop.sock_recv(client, 65536):
                    told.answer += part
        if talking is not None:
            talking.cancel()
            await asyncio.gather(talking, return_exceptions=True)
    told.seconds = time.monotonic() - began
    return told


CUT_OFF: set[int] = set()  # in the middle of a body there is no room for an answer

FLOODS = {
    "chunks": ("gateway", RECEIPT + CHUNKED, CHUNKS, {413}),
    "10 GB": ("gateway", RECEIPT + TEN_GB, b" " * 65536, {413}),
    "one chunk of 10 GB": ("gateway", RECEIPT + CHUNKED + b"2540be400\r\n", b" " * 65536, {413}),
    "the line": ("gateway", b"GET /", b"x" * 65536, {414}),
    "the query": ("gateway", b"GET /v1/notifications?", b"x" * 65536, {414}),
    "the method": ("gateway", b"", b"X" * 65536, {400}),
    "a header's name": ("gateway", ASKED + b"X-", b"x" * 65536, {400}),
    "a header's value": ("gateway", ASKED + b"X-Flood: ", b"x" * 65536, {400}),
    "headers": ("gateway", ASKED, b"X-Flood: x\r\n" * 5000, {400}),
    "blank lines": ("gateway", b"", b"\r\n" * 32768, {400}),
    "a chunk's extension": ("gateway", RECEIPT + CHUNKED + b"1;", b"x" * 65536, CUT_OFF),
    "trailers": ("gateway", RECEIPT + CHUNKED + b"0\r\n", b"X-Flood: x\r\n" * 5000, CUT_OFF),
    "a trailer": ("gateway", RECEIPT + CHUNKED + b"0\r\nX-Flood: ", b"x" * 65536, CUT_OFF),
    "a body that nobody reads": ("gateway", STRANGER + CHUNKED, CHUNKS, {401}),
    "behind an upgrade": (
        "gateway",
        b"GET /healthz HTTP/1.1\r\nHost: hark\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        b"x" * 65536,
        {200, 400},
    ),
    "behind CONNECT": ("gateway", b"CONNECT hark:80 HTTP/1.1\r\nHost: hark\r\n\r\n", b"x" * 65536, {400, 404}),
    "a receipt that nobody signed": ("gateway", FORGED + CHUNKED, CHUNKS, {403}),
    "a body in single bytes": ("gateway", STRANGER + CHUNKED, CHUNK * 10_000, {400, 401}),
    "a push of chunks": ("sms", PUSH + CHUNKED, CHUNKS, {503}),
    "a push of 10 GB": ("sms", PUSH + TEN_GB, b" " * 65536, {503}),
    "a push's headers": ("sms", PUSH, b"X-Flood: x\r\n" * 5000, {400}),
}


@pytest.mark.parametrize("case", FLOODS)
async def test_what_pours_in_without_end_is_refused(running: Mapping[str, Function], case: str) -> None:
    name, head, unit, statuses = FLOODS[case]
    with running[name].within_memory():
        told = await attack(running[name].port, head, unit)
    assert told.status in {None, *statuses}


DRIPS = {
    "a body": ("gateway", RECEIPT + CHUNKED, CHUNK, {408}),
    "a body of a length": ("gateway", RECEIPT + b"Content-Length: 1000\r\n\r\n", b" ", {408}),
    "a body that never comes": ("gateway", RECEIPT + b"Content-Length: 1000\r\n\r\n", b"", {408}),
    "a head": ("gateway", ASKED + b"X-Drip: ", b"x", {400}),
    "half a head": ("gateway", ASKED, b"", {400}),
    "a line": ("gateway", b"GET /", b"x", {400}),
    "a push": ("sms", PUSH + CHUNKED, CHUNK, {408}),
    "a push that never comes": ("sms", PUSH + b"Content-Length: 1000\r\n\r\n", b"", {408}),
    "a push's head": ("sms", PUSH + b"X-Drip: ", b"x", {400}),
}


async def test_what_drips_from_many_at_once_is_given_up(running: Mapping[str, Function]) -> None:
    """All kinds together, so that the ten seconds are waited once: hundreds of connections to each function."""
    cases = [case for case in DRIPS for _ in range(CROWD // 3)]
    with running["gateway"].within_memory(), running["sms"].within_memory():
        told = await asyncio.gather(
            *(attack(running[name].port, head, unit, 1.0) for name, head, unit, _ in map(DRIPS.__getitem__, cases))
        )
    for case, one in zip(cases, told, strict=True):
        assert one.status in DRIPS[case][3], case
        assert one.seconds > PATIENCE - 1, case


async def test_thousands_of_headers_are_answered(running: Mapping[str, Function]) -> None:
    headers = b"".join(b"X-%d: x\r\n" % number for number in range(3000))
    assert (await attack(running["gateway"].port, ASKED + headers + b"\r\n")).status == 200


async def test_the_functions_still_serve(running: Mapping[str, Function]) -> None:
    assert (await attack(running["gateway"].port, ASKED + b"\r\n")).status == 200
    assert (await attack(running["sms"].port, ASKED + b"\r\n")).status == 204


PAGES = ["/healthz", "/docs", "/openapi.json", "/v1/channels", "/", "/favicon.ico", "/robots.txt", "/x" * 10_000]


@pytest.mark.parametrize("name", ["gateway", "sms"])
async def test_every_answer_tells_a_browser_what_it_may_do_and_none_whose_software_it_is(
    running: Mapping[str, Function], name: str
) -> None:
    """The framework's and the server's own, too."""
    for path in PAGES:
        for method in ("GET", "HEAD", "PUT", "TRACE"):
            line = f"{method} {path} HTTP/1.1\r\nHost: hark\r\nConnection: close\r\n\r\n"
            head, _, body = (await attack(running[name].port, line.encode())).answer.partition(b"\r\n\r\n")
            fields = [field.partition(":") for field in head.decode().split("\r\n")[1:]]
            headers = {each.lower(): value.strip() for each, _, value in fields}
            assert len(headers) == len(fields), (method, path)
            assert headers["x-content-type-options"] == "nosniff", (method, path)
            assert headers["referrer-policy"] == "no-referrer"
            assert headers["x-frame-options"] == "DENY"
            assert headers["content-security-policy"].startswith("default-src 'none'")
            assert "frame-ancestors 'none'" in headers["content-security-policy"]
            assert not {"server", "x-powered-by", "via"} & headers.keys()
            assert "uvicorn" not in head.decode().lower()
            assert method != "HEAD" or len(path) > 16_000 or body == b"", (method, path)


async def test_blanks_around_a_headers_value_are_none_of_it(running: Mapping[str, Function]) -> None:
    encoded = (
        b"POST /v1/channels HTTP/1.1\r\nHost: hark\r\nConnection: close \t\r\nAuthorization: \t Bearer  x \t \r\n\r\n"
    )
    told = await attack(running["gateway"].port, encoded)
    assert told.status == 405
