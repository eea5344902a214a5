"""Answers that never end take no memory, whichever provider they come from and wherever they begin.

Measured in a process of its own: this one serves the floods.
"""

import asyncio
import json
import os
import sys
import zlib
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.contract.flooded import DEADLINE
from tests.contract.providers import SLACK_SECONDS, HttpContract
from tests.contract.scripted import Script, Smtp, http, pour, serving

ROOT = Path(__file__).parents[2]
MOST_GROWTH = 50e6

_packer = zlib.compressobj(9, wbits=31)
PACKED_HEAD = _packer.compress(b" " * 2**20) + _packer.flush(zlib.Z_FULL_FLUSH)
PACKED_MORE = _packer.compress(b" " * 2**26) + _packer.flush(zlib.Z_FULL_FLUSH)
"""64 MiB in 64 kB: what follows a full flush can be said again and again."""

HTTP: Mapping[str, tuple[bytes, bytes]] = {
    **HttpContract.floods,
    "nothing but line ends": (b"", b"\r\n"),
    "a header's name": (b"HTTP/1.1 200 OK\r\nX-", b"x"),
    "a header's folds": (b"HTTP/1.1 200 OK\r\nX-Flood: x", b"\r\n x"),
    "a refusal's header": (b"HTTP/1.1 400 Bad Request\r\nX-Flood: ", b"x"),
    "a refusal's body": (b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\n\r\n", b'{"code": '),
    "an outage's page": (b"HTTP/1.1 503 Down\r\nContent-Type: text/html\r\n\r\n", b"<p>Sorry</p>"),
    "10 GB": (b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n", b" "),
    "10 GB accepted": (b"HTTP/1.1 202 Accepted\r\nX-Message-Id: 1\r\nContent-Length: 10000000000\r\n\r\n", b" "),
    "a chunk's extension": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"x"),
    "trailers": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X-Flood: x\r\n"),
    "a packed body": (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + PACKED_HEAD, PACKED_MORE),
}
SMTP: Mapping[str, tuple[bytes, bytes]] = {
    "a line": (b"250 ", b"x"),
    "a line of a longer reply": (b"250-", b"x"),
    "lines": (b"", b"250-more\r\n"),
    "replies": (b"", b"250 ok\r\n"),
    "line ends": (b"", b"\r\n"),
    "garbage": (b"", b"\0\xff"),
}
PHASES = ["BANNER", "EHLO", "MAIL", "RCPT", "DATA", "END"]


def scripts(suite: str) -> Mapping[str, Script]:
    """Every flood that the suite's provider can meet."""
    if suite == "TestSmtp":
        return {f"{name} at {phase}": Smtp({phase: pour(*flood)}) for phase in PHASES for name, flood in SMTP.items()}
    return {name: http(pour(*flood)) for name, flood in HTTP.items()}


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Hangs up before it has said a word."""


@pytest.mark.parametrize(
    "suite", ["TestSendGrid", "TestSmtp", "TestTwilio", "TestVonage", "TestSlack", "TestSlackWebhook"]
)
async def test_an_endless_answer_ends_in_bounded_time_and_memory(suite: str) -> None:
    # The first send only warms up.
    floods = {"nothing": silent, **scripts(suite)}
    async with AsyncExitStack() as servers:
        ports = [(await servers.enter_async_context(serving(script))).port for script in floods.values()]
        told = await sends(suite, ports)
    assert len(told) == len(floods)
    for name, one in list(zip(floods, told, strict=True))[1:]:
        # Nothing of a SendGrid success but its head is read.
        accepted = (suite, name) == ("TestSendGrid", "10 GB accepted")
        assert (one["outcome"] == "accepted") is accepted, name
        assert one["seconds"] < DEADLINE + SLACK_SECONDS, name
        assert one["grown"] < MOST_GROWTH, name


async def sends(suite: str, ports: Sequence[int]) -> list[dict[str, Any]]:
    """What each send came to, in a process that does nothing else."""
    command = [sys.executable, "-m", "tests.contract.flooded", suite, *map(str, ports)]
    environ = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=environ, stdout=asyncio.subprocess.PIPE)
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    return [json.loads(line) for line in output.splitlines() if line.startswith(b"{")]
