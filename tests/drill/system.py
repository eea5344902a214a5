"""The system of a drill: on the emulators, with a way to slow Firestore, and with Pub/Sub's pushes looked at.

Of what Cloud Monitoring knows of itself it measures here what infra's alerts ask for: how the functions answer, how
old the oldest message is that is not acknowledged, and how many Pub/Sub gives up on.
"""

import asyncio
import contextlib
import json
import os
import signal
import time
from collections import Counter as Count
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
from aiohttp import web

from emulator import google
from emulator.config import HOST, Config, load
from emulator.provision import MAX_DELIVERY_ATTEMPTS, plan
from emulator.rundir import RunDir
from emulator.stack import Stack
from tests import environment
from tests.drill.conditions import NAME
from tests.drill.samples import DEAD_LETTERED, OF_SUBSCRIPTIONS, OLDEST, Event, Level, Samples
from tests.emulators import emulator
from tests.faults.observer import Observer
from tests.faults.proxy import Proxy
from tests.ports import free_offset

ROOT = Path(__file__).parents[2]
PROJECT = "hark-drill"
START_SECONDS = 120


@dataclass
class System:
    """firestore: what it is reached through; pushes: what they are; key: of a caller that may do all"""

    config: Config
    logs: Path
    witness: Path
    http: aiohttp.ClientSession
    firestore: Proxy
    observer: Observer
    pushes: "Pushes"
    key: str

    async def lab(self, channel: str, mode: str | None) -> None:
        """How its provider behaves; None: as it should."""
        url = f"{self.config.url('lab')}/faults"
        if mode is None:
            await self.http.delete(url)
            return
        async with self.http.put(url, json={"channel": channel, "mode": mode, "rate": 1}) as answer:
            assert answer.status == 200, await answer.text()

    def freeze_pubsub(self) -> None:
        """It answers nobody, and pushes nothing."""
        self._signal("pubsub", signal.SIGSTOP)

    def thaw_pubsub(self) -> None:
        self._signal("pubsub", signal.SIGCONT)

    async def get(self, path: str) -> Any:
        headers = {"Authorization": f"Bearer {self.key}"}
        async with self.http.get(self.config.url("gateway") + path, headers=headers) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    def _signal(self, process: str, number: signal.Signals) -> None:
        pids = json.loads((self.config.stack_dir / "pids.json").read_text())
        os.killpg(pids[process], number)


@dataclass
class Pushes:
    """Each goes through here to its function, as from Pub/Sub itself."""

    config: Config
    http: aiohttp.ClientSession
    samples: Samples
    _waiting: dict[tuple[str, str], float] = field(default_factory=dict)
    """By subscription and message, since when it is there; what no function has acknowledged."""
    _refused: Count[tuple[str, str]] = field(default_factory=Count)
    """How often; the emulator's pushes do not say."""

    @contextlib.asynccontextmanager
    async def serving(self, pubsub: str) -> AsyncIterator[None]:
        """pubsub: the emulator, as host:port; its subscriptions push here from now on."""
        app = web.Application(client_max_size=32 * 1024 * 1024)
        app.router.add_post("/{function}", self._push)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, HOST, 0)
        await site.start()
        try:
            port = runner.addresses[0][1]
            by_port = {str(self.config.ports[name]): name for name in self.config.functions}
            for path, body in plan(self.config, HOST).subscriptions.items():
                if "pushConfig" in body:
                    function = by_port[body["pushConfig"]["pushEndpoint"].rstrip("/").rpartition(":")[2]]
                    wanted = {"pushConfig": {"pushEndpoint": f"http://{HOST}:{port}/{function}"}}
                    async with self.http.post(f"http://{pubsub}/v1/{path}:modifyPushConfig", json=wanted) as answer:
                        assert answer.status == 200, await answer.text()
            yield
        finally:
            await runner.cleanup()

    def measure(self, at: float) -> None:
        """The oldest message of each subscription."""
        oldest: dict[str, float] = {}
        for (subscription, _), since in self._waiting.items():
            oldest[subscription] = min(oldest.get(subscription, since), since)
        for path, body in plan(self.config, HOST).subscriptions.items():
            name = path.rpartition("/")[2]
            if "pushConfig" in body:
                labels = (OF_SUBSCRIPTIONS, ("subscription_id", name))
                self.samples.levels.append(Level(at, OLDEST, labels, at - oldest.get(name, at)))

    async def _push(self, request: web.Request) -> web.Response:
        body = await request.read()
        pushed = json.loads(body)
        message, name = pushed["message"], pushed["subscription"].rpartition("/")[2]
        at = (name, message["messageId"])
        self._waiting.setdefault(at, datetime.fromisoformat(message["publishTime"]).timestamp())
        function = request.match_info["function"]
        status = await self._forward(function, body)
        taken = status // 100 == 2
        self._refused[at] += not taken
        given_up = not taken and self._refused[at] == MAX_DELIVERY_ATTEMPTS
        if taken or given_up:
            self._waiting.pop(at, None)
        if given_up:
            labels = (OF_SUBSCRIPTIONS, ("subscription_id", name))
            self.samples.events.append(Event(time.time(), DEAD_LETTERED, labels))
        self.samples.request(time.time(), f"{NAME}-{function.replace('_', '-')}", status)
        return web.Response(status=status)

    async def _forward(self, function: str, body: bytes) -> int:
        headers = {"Content-Type": "application/json"}
        timeout = aiohttp.ClientTimeout(total=self.config.ack_deadline_seconds)
        try:
            async with self.http.post(
                self.config.url(function) + "/", data=body, headers=headers, timeout=timeout
            ) as answer:
                await answer.read()
                return answer.status
        except (aiohttp.ClientError, TimeoutError):
            return 504


@contextlib.asynccontextmanager
async def running(run_dir: Path, samples: Samples, minute: float, environ: Mapping[str, str]) -> AsyncIterator[System]:
    """Ready, and looked at; nothing of it is left afterwards. Raises NoEmulators."""
    with emulator("firestore") as firestore:
        host, _, port = firestore.partition(":")
        proxy = Proxy((host, int(port)))
        async with proxy.serving() as proxied, _http(samples, minute) as (http, ports):
            given = {
                **environment.neutral(environ),
                "GOOGLE_CLOUD_PROJECT": PROJECT,
                "FIRESTORE_EMULATOR_HOST": proxied,
                "HARK_PORT_OFFSET": str(free_offset()),
                "HARK_RUN_DIR": str(run_dir),
            }
            config = load(ROOT, given)
            ports |= {config.ports[name]: f"{NAME}-{name}" for name in ("relay", "operations")}
            async with _stack(config, http) as folder:
                said = dict(line.split("=", 1) for line in (config.stack_dir / "env").read_text().splitlines())
                pushes = Pushes(config, http, samples)
                async with pushes.serving(said["PUBSUB_EMULATOR_HOST"]):
                    observer = Observer(firestore, PROJECT)
                    key = said["HARK_API_KEY"]
                    yield System(config, folder.logs, folder.witness, http, proxy, observer, pushes, key)


@contextlib.asynccontextmanager
async def _stack(config: Config, http: aiohttp.ClientSession) -> AsyncIterator[RunDir]:
    folder = RunDir(config)
    stack = Stack(config, folder, http, lambda _: None, await google.find(config, print))
    serving = asyncio.create_task(stack.serve())
    try:
        async with asyncio.timeout(START_SECONDS):
            while not (config.stack_dir / "env").exists() and not serving.done():  # noqa: ASYNC110 - a file
                await asyncio.sleep(0.1)
        if serving.done():
            await serving
        yield folder
    finally:
        serving.cancel()
        await asyncio.wait({serving})
        await stack.stop(asyncio.Event())
        folder.close()


@contextlib.asynccontextmanager
async def _http(samples: Samples, minute: float) -> AsyncIterator[tuple[aiohttp.ClientSession, dict[int, str]]]:
    """A session whose calls of the functions on these ports are counted: those of Cloud Scheduler.

    minute: seconds that stand for one
    """
    ports: dict[int, str] = {}

    async def began(_: aiohttp.ClientSession, call: SimpleNamespace, __: aiohttp.TraceRequestStartParams) -> None:
        call.began = time.time()

    async def ended(_: aiohttp.ClientSession, call: SimpleNamespace, params: aiohttp.TraceRequestEndParams) -> None:
        over(call.began, params.url.port, params.response.status)

    async def failed(
        _: aiohttp.ClientSession, call: SimpleNamespace, params: aiohttp.TraceRequestExceptionParams
    ) -> None:
        over(call.began, params.url.port, 504)

    ended_at: dict[int, float] = {}  # by port, of the last call that went well

    def over(since: float, port: int | None, status: int) -> None:
        """A sweep may last for a minute, as in the cloud, and the local supervisor waits as long after a slow one, or
        longer. That is many of the drill's minutes: each of them has its own.
        """
        if port not in ports:
            return
        now = at = time.time()
        since = ended_at.pop(port, since)
        while at >= since:
            samples.request(at, ports[port], status)
            at -= minute
        if status // 100 == 2:
            ended_at[port] = now

    tracing = aiohttp.TraceConfig()
    tracing.on_request_start.append(began)
    tracing.on_request_end.append(ended)
    tracing.on_request_exception.append(failed)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), trace_configs=[tracing]) as http:
        yield http, ports
