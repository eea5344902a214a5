"""Who asks for notifications meanwhile, as a client that is well made: under one key, until it is answered."""

import asyncio
import itertools
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

import aiohttp

from tests.drill.conditions import NAME
from tests.drill.samples import Samples

CHANNELS = ("email", "sms", "slack")
_TIMEOUT = aiohttp.ClientTimeout(total=10)
_PAUSE_SECONDS = 1.0


@dataclass(frozen=True)
class Asked:
    """One request's end. waited: seconds until the 202, over all tries; id: of the notification"""

    at: float
    channel: str
    id: str
    waited: float
    tries: int


@dataclass
class Load:
    http: aiohttp.ClientSession
    url: str
    key: str
    samples: Samples
    accepted: list[Asked] = field(default_factory=list)
    waiting: int = 0
    """Requests that have not been answered with 202 yet."""

    async def run(self, rate: float, stop: asyncio.Event) -> None:
        """So many a second, each channel in its turn; returns when each has its 202."""
        clock = asyncio.get_running_loop().time
        due = clock()
        async with asyncio.TaskGroup() as asking:
            for number in itertools.count():
                if stop.is_set():
                    return
                asking.create_task(self._ask(CHANNELS[number % len(CHANNELS)], number))
                due += 1 / rate
                await asyncio.sleep(max(0.0, due - clock()))

    async def _ask(self, channel: str, number: int) -> None:
        address = {
            "email": f"person-{number}@example.com",
            "sms": f"+1415{2_000_000 + number}",
            "slack": f"#room-{number}",
        }
        body = {
            "to": {channel: address[channel]},
            "subject": "A drill",
            "message": f"This is a drill, number {number}.",
        }
        headers = {"Authorization": f"Bearer {self.key}", "Idempotency-Key": str(uuid.uuid4())}
        began = time.time()
        self.waiting += 1
        for tries in itertools.count(1):
            made = await self._post(body, headers)
            if made is not None:
                self.waiting -= 1
                self.accepted.append(Asked(time.time(), channel, made, time.time() - began, tries))
                return
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _post(self, body: Mapping[str, object], headers: dict[str, str]) -> str | None:
        try:
            async with self.http.post(
                f"{self.url}/v1/notifications", json=body, headers=headers, timeout=_TIMEOUT
            ) as answer:
                self.samples.request(time.time(), f"{NAME}-gateway", answer.status)
                if answer.status == 202:
                    return str((await answer.json())["id"])
                if answer.status < 500 and answer.status != 429:
                    raise AssertionError(f"{answer.status}: {await answer.text()}")
                return None
        except (aiohttp.ClientError, TimeoutError):
            return None
