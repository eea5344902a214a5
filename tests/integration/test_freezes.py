"""Functions from which the CPU was withdrawn, as Cloud Run does between requests: thawed, each goes on at once.

Each is stopped for longer than gunicorn waits for a worker. Where there is libfaketime (Debian's package faketime) its
clocks, both kinds, go on for fifteen minutes more meanwhile.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import grpc.aio
import httpx
import pytest

from emulator import config
from emulator.provision import plan
from emulator.stack import functions
from functions.gateway.access.caller_store import FirestoreCallers
from shared.delivery.errors import StoreUnavailable
from shared.google.firestore import rpc
from shared.google.grpc_channel import CHANNEL_OPTIONS
from shared.sending.messages import Message
from tests.fakes.forgeries import push
from tests.faults.proxy import Proxy
from tests.faults.system import FAKETIME
from tests.integration.gateway import new_caller_in
from tests.integration.servers import start
from tests.ports import free_offset

ROOT = Path(__file__).parents[2]
GUNICORN_SECONDS = 1  # what CLOUD_RUN_TIMEOUT_SECONDS says, in the cloud a function's --timeout
FROZEN_SECONDS = 3.5  # gunicorn looks once a second, asks the worker to end, and kills it a second later
PRETENDED_SECONDS = 900
SETTINGS = {
    "CLOUD_RUN_TIMEOUT_SECONDS": str(GUNICORN_SECONDS),
    "EMAIL_PROVIDER": "log",
    "SMS_PROVIDER": "log",
    "SLACK_PROVIDER": "log",
    "SMS_COUNTRIES": "*",
}
TO = {"email": "a@example.com", "sms": "+14155552671", "slack": "#ops"}


def tcp(host: str) -> tuple[str, int]:
    name, _, port = host.partition(":")
    return name, int(port)


@dataclass
class System:
    """All functions, behind connections that can be cut; `ahead`: the file with what their clocks are ahead by."""

    ports: dict[str, int]
    processes: dict[str, subprocess.Popen[bytes]]
    proxies: tuple[Proxy, ...]
    ahead: Path
    key: str
    http: httpx.AsyncClient

    def workers(self) -> dict[str, str]:
        """The pids of each function's workers."""
        masters = {name: process.pid for name, process in self.processes.items()}
        return {name: Path(f"/proc/{pid}/task/{pid}/children").read_text() for name, pid in masters.items()}

    def signal(self, number: signal.Signals) -> None:
        for process in self.processes.values():
            os.killpg(process.pid, number)

    async def ask_all(self) -> dict[str, int]:
        """What each function answers to what it is there for, by name."""
        url, bearer = f"http://127.0.0.1:{self.ports['gateway']}", {"Authorization": f"Bearer {self.key}"}
        asked = {"to": TO, "message": "Build 42 is live"}
        accepted = await self.http.post(f"{url}/v1/notifications", json=asked, headers=bearer)
        answers = {"gateway": accepted.status_code}
        assert accepted.status_code == 202, accepted.text
        notification_id = accepted.json()["id"]
        for name in TO:
            answers[name] = await self._push(name, notification_id, name)
        answers["dead_letter"] = await self._push("dead_letter", notification_id, "email")
        for name in ("relay", "operations"):
            answers[name] = (await self.http.post(f"http://127.0.0.1:{self.ports[name]}/")).status_code
        listed = await self.http.get(f"{url}/v1/notifications/{notification_id}", headers=bearer)
        assert {d["status"] for d in listed.json()["deliveries"]} == {"sent"}, listed.text
        return answers

    async def _push(self, function: str, notification_id: str, channel: str) -> int:
        body = push(Message(notification_id=notification_id, channel=channel).model_dump_json().encode())
        return (await self.http.post(f"http://127.0.0.1:{self.ports[function]}/", content=body)).status_code


@pytest.fixture
async def system(firestore_host: str, pubsub_host: str, tmp_path: Path) -> AsyncIterator[System]:
    project = f"test-{uuid.uuid4().hex[:12]}"
    ahead = tmp_path / "ahead"
    ahead.write_text("+0")
    planned = config.load(
        ROOT, os.environ | SETTINGS | {"HARK_PORT_OFFSET": str(free_offset()), "GOOGLE_CLOUD_PROJECT": project}
    )
    pretending = (
        {"LD_PRELOAD": str(FAKETIME), "FAKETIME_TIMESTAMP_FILE": str(ahead), "FAKETIME_NO_CACHE": "1"}
        if FAKETIME.exists()
        else {}
    )
    records, topics = Proxy(tcp(firestore_host)), Proxy(tcp(pubsub_host))
    # Connections are kept for as long as the server keeps them: what is asked after the freeze goes over an old one.
    kept = httpx.Limits(keepalive_expiry=None)
    async with (
        httpx.AsyncClient(timeout=30, limits=kept) as http,
        records.serving() as firestore,
        topics.serving() as pubsub,
        rpc.connect(firestore_host) as channel,
    ):
        for path in plan(planned, "127.0.0.1").topics:
            (await http.put(f"http://{pubsub_host}/v1/{path}", json={})).raise_for_status()
        callers = FirestoreCallers(rpc.Rpc(channel, f"projects/{project}/databases/(default)", emulated=True))
        _, key = await new_caller_in(callers, name="tests")
        programs = functions(planned, pubsub, firestore, overrides=dict.fromkeys(planned.functions, pretending))
        processes = {program.name: start(program) for program in programs}
        try:
            system = System(dict(planned.ports), processes, (records, topics), ahead, key, http)
            await asyncio.gather(*(up(http, program.probe) for program in programs))
            yield system
        finally:
            system.signal(signal.SIGCONT)
            system.signal(signal.SIGTERM)
            for process in processes.values():
                process.wait(30)


async def up(http: httpx.AsyncClient, url: str) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                await http.get(url)
            except httpx.TransportError:
                await asyncio.sleep(0.1)
            else:
                return


GOOD = {"gateway": 202, "email": 204, "sms": 204, "slack": 204, "dead_letter": 204, "relay": 200, "operations": 200}


async def test_frozen_functions_go_on(system: System) -> None:
    """Once with the connections that they had, and once without: closed by the peer, as Google's servers do with idle
    ones.
    """
    assert await system.ask_all() == GOOD
    workers = system.workers()
    for freeze, closed in enumerate((False, True), 1):
        system.signal(signal.SIGSTOP)
        if closed:
            for proxy in system.proxies:
                proxy.reset()
        system.ahead.write_text(f"+{freeze * PRETENDED_SECONDS}")
        asked = asyncio.create_task(system.ask_all())  # the first request is there when they thaw
        await asyncio.sleep(FROZEN_SECONDS)
        system.signal(signal.SIGCONT)
        assert await asked == GOOD
        assert system.workers() == workers


SERVER = """
import socket, sys
import uvicorn
from shared.http import server

server.PATIENCE_SECONDS = 1.0

async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body"})

listening = socket.create_server(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)
protocol = server.BoundedProtocol
config = uvicorn.Config(app, loop=sys.argv[1], http=protocol, timeout_keep_alive=1, lifespan="off", log_config=None)
uvicorn.Server(config).run([listening])
"""
GET = b"GET / HTTP/1.1\r\nHost: hark\r\n\r\n"


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
@pytest.mark.parametrize("begun", [b"", GET[:20]], ids=["an idle connection", "half a head"])
async def test_what_came_while_the_server_was_frozen_counts(loop: str, begun: bytes) -> None:
    """Its timers are over when it thaws, and what ends their wait is there."""
    server = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", SERVER, loop), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert server.stdout is not None
        reader, writer = await asyncio.open_connection("127.0.0.1", int(await server.stdout.readline()))
        writer.write(GET)
        assert (await answered(reader)).startswith(b"HTTP/1.1 200 ")
        writer.write(begun)
        await asyncio.sleep(0.2)
        server.send_signal(signal.SIGSTOP)
        writer.write(GET[len(begun) :])
        await asyncio.sleep(1.5)
        server.send_signal(signal.SIGCONT)
        assert (await answered(reader)).startswith(b"HTTP/1.1 200 ")
        assert await reader.read() == b"", "closed after its second without a request"
        writer.close()
    finally:
        server.kill()
        await server.wait()


async def answered(reader: asyncio.StreamReader) -> bytes:
    return await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)


async def test_a_connection_that_was_dropped_while_frozen_is_given_up(firestore_host: str) -> None:
    """No one tells: Linux would believe in it for a quarter of an hour. Here thirty times as fast as it is set."""
    own = ("grpc.use_local_subchannel_pool", 1)
    options = [(name, value // 30 if name == "grpc.keepalive_time_ms" else value) for name, value in CHANNEL_OPTIONS]
    proxy = Proxy(tcp(firestore_host))
    async with proxy.serving() as host, grpc.aio.insecure_channel(host, options=[*options, own]) as channel:
        records = rpc.Rpc(channel, f"projects/test-{uuid.uuid4().hex[:12]}/databases/(default)", emulated=True)
        await records.batch_get([f"{records.documents}/a/b"])
        proxy.forget()
        began = time.monotonic()
        async with asyncio.timeout(30):
            while True:
                with suppress(StoreUnavailable):
                    await records.batch_get([f"{records.documents}/a/b"])
                    break
        assert time.monotonic() - began > 0.5, "or it was no test: no ping has gone unanswered yet"
