"""One run: the system, its load and its nemesis; then the drain, and what the histories say."""

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from emulator.config import FIRST_CHANNEL_PORT, FIXED_PORTS, HOST, OPERATIONS
from emulator.process import die_with_parent
from tests import environment
from tests.emulators import emulator
from tests.faults import histories
from tests.faults.checker import Limits
from tests.faults.client import Client
from tests.faults.histories import DEATH, Histories, History
from tests.faults.machine import Machine, seconds_given
from tests.faults.nemesis import CHANNELS, FUNCTIONS, WEIGHTS, Nemesis
from tests.faults.observer import Observer
from tests.faults.proxy import Proxy
from tests.faults.pushes import Pushes
from tests.faults.system import ASKING, CALM, WRONG_CLOCKS
from tests.ports import free_offset

ROOT = Path(__file__).parents[2]
PROJECT = "hark-faults"
OF_EVENTS = ("webhook", "events")
"""The functions that are there with events, in the order of their ports."""
_QUIET_SECONDS = 20.0  # more than a push that nobody answers is waited for
_SHARE_OF_WRONG_CLOCKS = 0.2  # what has ended before is checked against the times on record


@dataclass(frozen=True)
class Options:
    """What a run is like.

    seconds: of load and faults; they go on for at most twice as long until there are so many `kills` and `accepted`
    rate: requests a second; pause: mean seconds between two acts of the nemesis; acts: of the nemesis, by weight
    hits: how often a failpoint is passed before it kills, half to twice; 0: there are none
    clock: share of lives whose clock is ten minutes off, in the last fifth of the time
    again: share of the messages that are pushed again
    held: seconds that a channel is paused for, again and again; 0: none is
    special: share of the requests with a time, a key or steps; keys: how many keys these share
    lab: faults of every channel's provider from the beginning, and their rates; receipts: of what it reports back
    asking: whether the providers say what became of a message, or answer 503 to each such question
    events: whether a live endpoint wants each
    max_attempts: MAX_ATTEMPTS
    drain: seconds that the rest may take, and on a starved machine twice as many; root: whose code runs
    """

    seed: str
    seconds: float = 60
    rate: float = 10
    kills: int = 0
    accepted: int = 0
    pause: float = 1.5
    hits: int = 20
    clock: float = 0
    again: float = 0.1
    held: float = 16
    special: float = 0.4
    keys: int = 3
    acts: Mapping[str, int] = field(default_factory=lambda: WEIGHTS)
    lab: Mapping[str, float] = field(default_factory=dict)
    receipts: Mapping[str, float] = field(default_factory=dict)
    asking: bool = True
    events: bool = False
    max_attempts: int = 5
    drain: float = 240
    root: Path = ROOT

    @property
    def limits(self) -> Limits:
        return Limits(self.max_attempts, retry_base=0.5, retry_cap=3, lease=6)

    @property
    def settings(self) -> dict[str, str]:
        return {
            "MAX_ATTEMPTS": str(self.limits.max_attempts),
            "RETRY_BASE_SECONDS": str(self.limits.retry_base),
            "RETRY_CAP_SECONDS": str(self.limits.retry_cap),
            "LEASE_SECONDS": str(self.limits.lease),
            "SEND_DEADLINE_SECONDS": "3",
            "GRACE_SECONDS": "3",
            "ACK_DEADLINE_SECONDS": "15",
            "ACK_MARGIN_SECONDS": "1",
            **({"EVENTS": "on"} if self.events else {}),
        }


@dataclass(frozen=True)
class Outcome:
    histories: Histories
    recoveries: list[float]
    """Seconds from each kill by the nemesis until the process answered again."""
    load_seconds: float
    drain_seconds: float
    drain_given: float
    """Of these, seconds in which the machine was not starved: only they count."""


async def run(options: Options, folder: Path) -> Outcome:
    """folder: empty; the histories and the stack's own files are left in it."""
    with emulator("firestore") as firestore:
        host, _, port = firestore.partition(":")
        proxy = Proxy((host, int(port)))
        async with proxy.serving() as proxied, _system(options, folder, proxied) as system, _http() as http:
            return await _run(options, folder, system, proxy, Observer(firestore, PROJECT), http)


@dataclass(frozen=True)
class _System:
    offset: int
    folder: Path
    env: dict[str, str]

    def url(self, port: int) -> str:
        return f"http://{HOST}:{port + self.offset}"

    @property
    def ports(self) -> dict[str, int]:
        after = (*CHANNELS, OPERATIONS, *OF_EVENTS)
        named = FIXED_PORTS | {name: FIRST_CHANNEL_PORT + n for n, name in enumerate(after)}
        return {name: port + self.offset for name, port in named.items()}


async def _run(
    options: Options, folder: Path, system: _System, proxy: Proxy, observer: Observer, http: aiohttp.ClientSession
) -> Outcome:
    clock = time.monotonic
    pubsub = f"{system.url(FIXED_PORTS['pubsub'])}/v1/projects/{PROJECT}"
    nemesis = Nemesis(
        History(folder / histories.NEMESIS),
        random.Random(f"{options.seed} nemesis"),
        proxy,
        http,
        system.url(FIXED_PORTS["lab"]),
        pubsub,
        system.folder / "pids.json",
        system.ports,
        options.pause,
        options.limits.lease,
        (*FUNCTIONS, *OF_EVENTS) if options.events else FUNCTIONS,
    )
    if options.events:
        await _make_endpoint(system, http)
    client = Client(
        http,
        system.url(FIXED_PORTS["gateway"]),
        system.env["HARK_API_KEY"],
        History(folder / histories.CLIENT),
        random.Random(f"{options.seed} client"),
        options.special,
        options.keys,
        options.held,
    )
    published, rng = History(folder / histories.PUBLISHED), random.Random(f"{options.seed} pushes")
    pushes = Pushes(http, pubsub, system.ports, published, rng, options.again)
    for channel in CHANNELS:
        for what, rates in (("faults", options.lab), ("receipts", options.receipts)):
            for mode, rate in rates.items():
                await nemesis.set_lab(what, channel, mode, rate)
    stop = asyncio.Event()
    machine = Machine(History(folder / histories.MACHINE))
    watching = [
        asyncio.create_task(observer.watch(History(folder / histories.OBSERVED))),
        asyncio.create_task(observer.watch_breakers(History(folder / histories.BREAKERS))),
        asyncio.create_task(machine.watch()),
    ]
    began = clock()
    asking = asyncio.create_task(client.run(options.rate, stop))
    faults = [asyncio.create_task(nemesis.run(stop, options.acts)), asyncio.create_task(pushes.run(stop))]
    await asyncio.sleep(options.seconds * (1 - _SHARE_OF_WRONG_CLOCKS))
    (folder / WRONG_CLOCKS).touch()
    await asyncio.sleep(options.seconds * _SHARE_OF_WRONG_CLOCKS)
    for _ in range(round(options.seconds)):
        deaths = nemesis.kills + _deaths(system.folder / "logs")
        if client.accepted >= options.accepted and deaths >= options.kills:
            break
        await asyncio.sleep(1)
    loaded = clock()
    stop.set()
    (folder / CALM).touch()
    await asyncio.gather(*faults)
    await nemesis.mend()
    await asking
    draining = time.time()
    pending = await observer.pending()
    while pending != 0 and clock() - loaded < 2 * options.drain:
        if seconds_given(machine.looks, draining) >= options.drain:
            break
        await asyncio.sleep(0.5)
        pending = await observer.pending()
    drained = clock()
    if options.events:
        await _all_told(system, observer, clock() + options.drain)
    given = seconds_given(machine.looks, draining)
    await asyncio.sleep(3)  # receipts, which the lab sends two seconds after an accept
    for task in watching:
        task.cancel()
    await observer.record(History(folder / histories.RECORDS))
    (folder / histories.DUPLICATES).touch()
    await client.list_duplicates(History(folder / histories.DUPLICATES))
    found = histories.load(
        folder,
        system.folder / histories.WITNESS,
        system.folder / "logs",
        system.env["HARK_API_KEY"],
        events=options.events,
    )
    return Outcome(found, nemesis.recoveries, loaded - began, drained - loaded, given)


async def _make_endpoint(system: _System, http: aiohttp.ClientSession) -> None:
    """A system that takes all events, at the lab."""
    url, lab = (system.url(FIXED_PORTS[name]) for name in ("gateway", "lab"))
    asked = {"url": f"{lab}/webhooks/live", "events": ["*"]}
    headers = {"Authorization": f"Bearer {system.env['HARK_API_KEY']}"}
    while True:
        with contextlib.suppress(aiohttp.ClientError):
            async with http.put(f"{url}/v1/endpoints/live", json=asked, headers=headers) as answer:
                if answer.status in {200, 201}:
                    return
        await asyncio.sleep(0.5)


async def _all_told(system: _System, observer: Observer, give_up_at: float) -> None:
    """Until no event is left anywhere: on record, at Pub/Sub, on its way to the endpoint. Nobody can ask Pub/Sub, so
    the endpoint must have been told nothing for some seconds.
    """
    heard, since = -1, time.monotonic()
    while time.monotonic() < give_up_at:
        lines = sum(1 for _ in histories.read(system.folder / histories.WITNESS))
        left = await observer.untold() != 0 or await observer.pending() != 0
        if left or lines != heard:
            heard, since = lines, time.monotonic()
        elif time.monotonic() - since > _QUIET_SECONDS:
            return
        await asyncio.sleep(1)


def _deaths(logs: Path) -> int:
    return sum(log.read_bytes().count(DEATH.encode()) for log in logs.glob("*.log"))


@contextlib.asynccontextmanager
async def _http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        yield http


@contextlib.asynccontextmanager
async def _system(options: Options, folder: Path, firestore: str) -> AsyncIterator[_System]:
    """The stack, ready; nothing of it is left afterwards."""
    offset = free_offset()
    stack = folder / "run" / str(offset)
    environ = {
        **environment.neutral(os.environ),
        "CHANNELS": ",".join(CHANNELS),
        "SMS_PER_NUMBER_PER_HOUR": "0",  # a 429 would be a fault of none
        "VOICE_PER_NUMBER_PER_HOUR": "0",
        **options.settings,
        "PYTHONPATH": os.pathsep.join([str(options.root), str(ROOT)]),
        "GOOGLE_CLOUD_PROJECT": PROJECT,
        "FIRESTORE_EMULATOR_HOST": firestore,
        "EMBEDDED": "0",  # it kills processes
        "HARK_PORT_OFFSET": str(offset),
        "HARK_RUN_DIR": str(folder / "run"),
        "FAULTS_FOLDER": str(folder),
        "FAULTS_SEED": options.seed,
        "FAULTS_HITS": str(options.hits),
        "FAULTS_CLOCK": str(options.clock),
        ASKING: "on" if options.asking else "off",
    }
    with (folder / "stack.log").open("wb") as output:
        command = [sys.executable, "-m", "tests.faults.system"]
        process = subprocess.Popen(  # noqa: ASYNC220 - nothing else runs yet
            command,
            cwd=options.root,
            env=environ,
            stdout=output,
            stderr=output,
            preexec_fn=die_with_parent(os.getpid()),  # noqa: PLW1509 - a killed run leaves no stack behind
        )
    try:
        give_up_at = time.monotonic() + 120
        while not (stack / "env").exists():
            waiting = process.poll() is None and time.monotonic() < give_up_at
            assert waiting, (folder / "stack.log").read_text()
            await asyncio.sleep(0.1)
        lines = (stack / "env").read_text().splitlines()
        yield _System(offset, stack, dict(line.split("=", 1) for line in lines))
    finally:
        process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(process.wait, 60)
