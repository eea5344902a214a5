"""Who brings the faults: one after the other, drawn from a seed, until it is told to stop; then everything is whole."""

import asyncio
import contextlib
import json
import os
import random
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from emulator.lab.faults import Mode as LabMode
from emulator.lab.receipt_faults import ReceiptMode
from shared.channels.declaration import topic
from tests.faults.histories import History
from tests.faults.proxy import Mode, Proxy

CHANNELS = ("email", "sms", "slack", "whatsapp", "voice", "push", "telegram", "discord")
FUNCTIONS = ("gateway", "dead_letter", "relay", "operations", *CHANNELS)
REPORTING = ("email", "sms", "whatsapp", "voice")
WEIGHTS = {
    "kill worker": 30,
    "kill group": 40,
    "kill pubsub": 1,
    "freeze": 3,
    "firestore": 6,
    "topic": 2,
    "lab": 8,
    "receipts": 6,
    "outage": 3,
}
KEEPING_MESSAGES = {act: weight for act, weight in WEIGHTS.items() if act != "kill pubsub"}
"""Where events are on: what Pub/Sub loses of these is lost."""
OUTAGE_SECONDS = 20.0  # for which one channel's provider refuses all

_OF_A_SUBSCRIPTION = {"topic", "pushConfig", "ackDeadlineSeconds", "deadLetterPolicy"}
ANSWER_SECONDS = 60.0  # for a killed process to be back


@dataclass
class Nemesis:
    """pause: mean seconds between two faults; lease: of a claim, in seconds; ports: by function
    lab: its URL; pubsub: the emulator's, with the project
    """

    history: History
    rng: random.Random
    proxy: Proxy
    http: aiohttp.ClientSession
    lab: str
    pubsub: str
    pids: Path
    ports: dict[str, int]
    pause: float
    lease: float
    functions: Sequence[str] = FUNCTIONS
    recoveries: list[float] = field(default_factory=list)
    kills: int = 0
    _frozen: set[str] = field(default_factory=set)
    _down: set[str] = field(default_factory=set)
    _mended: asyncio.Event = field(default_factory=asyncio.Event)
    _watching: set[asyncio.Task[None]] = field(default_factory=set)

    async def run(self, stop: asyncio.Event, weights: Mapping[str, int]) -> None:
        """weights: of the names of WEIGHTS; those that are missing do not happen."""
        acts: dict[str, Callable[[], Awaitable[None]]] = {
            "kill worker": self._kill_worker,
            "kill group": self._kill_group,
            "kill pubsub": self._kill_pubsub,
            "freeze": self._freeze,
            "firestore": self._firestore,
            "topic": self._topic,
            "lab": self._lab,
            "receipts": self._receipts,
            "outage": self._outage,
        }
        while weights and not stop.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self.rng.expovariate(1 / self.pause))
                return
            (name,) = self.rng.choices(list(weights), list(weights.values()))
            # What it is about may be down just now, or starting again: a process or its /proc is gone, a topic too.
            with contextlib.suppress(OSError, KeyError, aiohttp.ClientError):
                await acts[name]()

    async def mend(self) -> None:
        """All is whole again, and each function starts a life without a failpoint."""
        self._mended.set()
        self.proxy.turn(Mode.OPEN)
        for name in list(self._frozen):
            self._signal(name, signal.SIGCONT)
        for path in ("faults", "receipts"):
            await self.http.delete(f"{self.lab}/{path}")
        for name in self.functions:
            with contextlib.suppress(ProcessLookupError):
                self._signal(name, signal.SIGKILL)
        self.history.append(event="mended")
        await asyncio.gather(*self._watching)

    async def _kill_worker(self) -> None:
        """Only the process that serves: gunicorn's master starts another."""
        name = self.rng.choice(self.functions)
        master = self._pid(name)
        workers = Path(f"/proc/{master}/task/{master}/children").read_text().split()  # noqa: ASYNC240 - no disk
        if workers and name not in self._frozen:
            os.kill(int(workers[0]), signal.SIGKILL)
            self._killed(name, "kill worker")

    async def _kill_group(self) -> None:
        """As when a container dies; the next life has another failpoint."""
        name = self.rng.choice(self.functions)
        if name not in self._frozen:
            self._signal(name, signal.SIGKILL)
            self._killed(name, "kill group")

    async def _freeze(self) -> None:
        """Past its lease; the others go on meanwhile."""
        name = self.rng.choice(self.functions)
        if name in self._frozen:
            return
        seconds = self.lease * self.rng.uniform(0.5, 2)
        self._frozen.add(name)
        self._signal(name, signal.SIGSTOP)
        self.history.append(event="freeze", process=name, seconds=seconds)

        async def thaw() -> None:
            await asyncio.sleep(seconds)
            self._frozen.discard(name)
            with contextlib.suppress(ProcessLookupError):
                self._signal(name, signal.SIGCONT)

        self._watch(thaw())

    async def _kill_pubsub(self) -> None:
        """With all its messages; it comes back empty."""
        self._signal("pubsub", signal.SIGKILL)
        self.history.append(event="kill pubsub")

    async def _topic(self) -> None:
        """One channel's is gone for a while, so that publishing fails for it alone."""
        name, topics = topic(self.rng.choice(CHANNELS)), f"{self.pubsub}/topics"
        self.history.append(event="topic", topic=name)
        async with self.http.get(f"{topics}/{name}/subscriptions") as answer:
            names = (await answer.json())["subscriptions"]
        bodies = {}
        for path in names:
            async with self.http.get(f"{self.pubsub.partition('/projects')[0]}/{path}") as answer:
                bodies[path] = {k: v for k, v in (await answer.json()).items() if k in _OF_A_SUBSCRIPTION}
        await self.http.delete(f"{topics}/{name}")
        await asyncio.sleep(self.rng.uniform(0.5, 3))
        await self.http.put(f"{topics}/{name}", json={})
        for path, body in bodies.items():
            url = f"{self.pubsub.partition('/projects')[0]}/{path}"
            await self.http.delete(url)
            await self.http.put(url, json=body)

    async def _firestore(self) -> None:
        how = self.rng.choice(("reset", Mode.CUT, Mode.STALLED))
        seconds = self.rng.uniform(0.2, 4)
        self.history.append(event=f"firestore {how}", seconds=seconds)
        if how == "reset":
            self.proxy.reset()
            return
        self.proxy.turn(Mode(how))
        await asyncio.sleep(seconds)
        self.proxy.turn(Mode.OPEN)

    async def _lab(self) -> None:
        """One fault of one provider, for a while."""
        channel, mode = self.rng.choice(CHANNELS), self.rng.choice(list(LabMode))
        if channel in self._down:
            return
        if not self._down and self.rng.random() < 0.3:
            await self.http.delete(f"{self.lab}/faults")
        await self.set_lab("faults", channel, mode, self.rng.uniform(0.05, 0.5))

    async def _outage(self) -> None:
        """One channel's provider is down for a while, with whatever else happens."""
        channel = self.rng.choice(CHANNELS)
        if self._down:
            return
        self._down.add(channel)
        async with self.http.get(f"{self.lab}/faults") as answer:
            others = [fault for fault in (await answer.json())["items"] if fault["channel"] == channel]
        for fault in others:
            await self.set_lab("faults", channel, fault["mode"], 0)  # their rates leave room for one alone
        await self.set_lab("faults", channel, LabMode.UNAVAILABLE, 1)
        self.history.append(event="lab outage", channel=channel, seconds=OUTAGE_SECONDS)

        async def end() -> None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._mended.wait(), OUTAGE_SECONDS)
                return
            await self.set_lab("faults", channel, LabMode.UNAVAILABLE, 0)
            for fault in others:
                await self.set_lab("faults", channel, fault["mode"], fault["rate"])
            self._down.discard(channel)

        self._watch(end())

    async def _receipts(self) -> None:
        channel, mode = self.rng.choice(REPORTING), self.rng.choice(list(ReceiptMode))
        await self.set_lab("receipts", channel, mode, self.rng.uniform(0.1, 0.9))

    async def set_lab(self, what: str, channel: str, mode: str, rate: float) -> None:
        """what: "faults" or "receipts" """
        self.history.append(event=f"lab {what}", channel=channel, mode=mode, rate=round(rate, 2))
        await self.http.put(f"{self.lab}/{what}", json={"channel": channel, "mode": mode, "rate": rate})

    def _killed(self, name: str, how: str) -> None:
        self.history.append(event=how, process=name)
        self.kills += 1
        self._watch(self._until_answers(name))

    async def _until_answers(self, name: str) -> None:
        clock = asyncio.get_running_loop().time
        began = clock()
        while clock() - began < ANSWER_SECONDS:
            await asyncio.sleep(0.05)
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                timeout = aiohttp.ClientTimeout(total=2)
                async with self.http.get(f"http://127.0.0.1:{self.ports[name]}/healthz", timeout=timeout):
                    self.recoveries.append(clock() - began)
                    return

    def _watch(self, watching: Any) -> None:
        task = asyncio.create_task(watching)
        self._watching.add(task)
        task.add_done_callback(self._watching.discard)

    def _pid(self, name: str) -> int:
        return int(json.loads(self.pids.read_text())[name])

    def _signal(self, name: str, number: signal.Signals) -> None:
        os.killpg(self._pid(name), number)
