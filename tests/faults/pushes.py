"""Pushes that Pub/Sub may make and the emulator seldom does: the same message again, later, out of order, and as a dead
letter while its delivery is still being tried. What is published is written down on the way.
"""

import asyncio
import base64
import contextlib
import json
import random
from datetime import datetime
from typing import Any

import aiohttp

from shared.channels.declaration import topic
from tests.faults.histories import History
from tests.faults.nemesis import CHANNELS

_PAUSE_SECONDS = 1.0
_LONGEST_SECONDS = 20.0
_DEAD_LETTERS = 0.25


class Pushes:
    def __init__(
        self,
        http: aiohttp.ClientSession,
        pubsub: str,
        ports: dict[str, int],
        history: History,
        rng: random.Random,
        share: float,
    ) -> None:
        """pubsub: the emulator's URL with the project; share: of the messages, each pushed once to three times more

        One push in four goes to `dead_letter`.
        """
        self._http = http
        self._api = pubsub
        self._project = pubsub.partition("/projects/")[2]
        self._ports = ports
        self._history = history
        self._rng = rng
        self._share = share
        self._pushing: set[asyncio.Task[None]] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`; what is on its way then is waited for."""
        while not stop.is_set():
            for channel in CHANNELS:
                with contextlib.suppress(aiohttp.ClientError, TimeoutError, KeyError):
                    for message in await self._pull(channel):
                        self._note(channel, message)
                        if self._rng.random() < self._share:
                            self._again(channel, message)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _PAUSE_SECONDS)
        await asyncio.gather(*self._pushing)

    async def _pull(self, channel: str) -> list[dict[str, Any]]:
        """From a subscription of our own, which a killed Pub/Sub has forgotten."""
        name = f"{self._api}/subscriptions/faults-{channel}"
        await self._call("PUT", name, {"topic": f"projects/{self._project}/topics/{topic(channel)}"})
        answer = await self._call("POST", f"{name}:pull", {"maxMessages": 100, "returnImmediately": True})
        rows = answer.get("receivedMessages", [])
        if rows:
            await self._call("POST", f"{name}:acknowledge", {"ackIds": [row["ackId"] for row in rows]})
        return [row["message"] for row in rows]

    def _note(self, channel: str, message: dict[str, Any]) -> None:
        data = json.loads(base64.b64decode(message["data"]))
        published = datetime.fromisoformat(message["publishTime"]).timestamp()
        whole = data.get("content") is not None
        self._history.append(id=data["notification_id"], channel=channel, whole=whole, published=published)

    def _again(self, channel: str, message: dict[str, Any]) -> None:
        for _ in range(self._rng.randint(1, 3)):
            to = "dead_letter" if self._rng.random() < _DEAD_LETTERS else channel
            task = asyncio.create_task(self._push(to, message, self._rng.uniform(0, _LONGEST_SECONDS)))
            self._pushing.add(task)
            task.add_done_callback(self._pushing.discard)

    async def _push(self, to: str, message: dict[str, Any], delay: float) -> None:
        await asyncio.sleep(delay)
        body = {"message": message, "subscription": f"projects/{self._project}/subscriptions/again"}
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            url = f"http://127.0.0.1:{self._ports[to]}/"
            async with self._http.post(url, json=body, timeout=aiohttp.ClientTimeout(total=20)) as answer:
                await answer.read()

    async def _call(self, method: str, url: str, body: dict[str, Any]) -> dict[str, Any]:
        timeout = aiohttp.ClientTimeout(total=5)
        async with self._http.request(method, url, json=body, timeout=timeout) as answer:
            found: dict[str, Any] = await answer.json()
            return found
