"""Who asks for notifications: at a steady rate, under the same key until it is answered, and sometimes once more."""

import asyncio
import itertools
import random
from dataclasses import dataclass, field

import aiohttp

from tests.faults.histories import History

TIMEOUT_SECONDS = 6.0
PATIENCE_SECONDS = 90.0  # after this it asks no more: nobody knows then whether it was taken
CHANNELS = (("email",), ("sms",), ("slack",), ("email", "sms"), ("email", "sms", "slack"))


@dataclass
class Client:
    """Each of its messages, subjects and addresses is one of a kind, so that it can be found wherever it turns up."""

    http: aiohttp.ClientSession
    url: str
    api_key: str
    history: History
    rng: random.Random
    accepted: int = 0
    _numbers: itertools.count = field(default_factory=itertools.count)  # type: ignore[type-arg]

    async def run(self, rate: float, stop: asyncio.Event) -> None:
        """Asks until `stop`, so many times a second; returns when each request has its end."""
        clock = asyncio.get_running_loop().time
        due = clock()
        async with asyncio.TaskGroup() as asking:
            while not stop.is_set():
                asking.create_task(self._ask())
                due += self.rng.expovariate(rate)
                await asyncio.sleep(max(0.0, due - clock()))

    async def _ask(self) -> None:
        mark = f"{self.rng.getrandbits(64):016x}"
        address = {
            "email": f"canary-{mark}@example.com",
            "sms": f"+1415{2_000_000 + self.rng.randrange(7_999_999)}",
            "slack": f"#canary-{mark}",
        }
        channels = self.rng.choice(CHANNELS)
        body: dict[str, object] = {
            "to": {channel: address[channel] for channel in channels},
            "subject": f"Subject of canary {mark}",
            "message": f"Text of canary {mark}",
        }
        key = f"key-of-canary-{mark}"
        give_up_at = asyncio.get_running_loop().time() + PATIENCE_SECONDS
        again = self.rng.random() < 0.1  # a client that has lost its answer, or its memory
        while asyncio.get_running_loop().time() < give_up_at:
            if await self._post(key, body) == 202:
                if not again:
                    self.accepted += 1
                    return
                again = False
            await asyncio.sleep(self.rng.uniform(0.1, 1.0))

    async def _post(self, key: str, body: dict[str, object]) -> int | None:
        number = next(self._numbers)
        headers = {"Authorization": f"Bearer {self.api_key}", "Idempotency-Key": key}
        self.history.append(event="request", n=number, key=key, **body)
        try:
            async with self.http.post(
                f"{self.url}/v1/notifications",
                json=body,
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS),
            ) as answer:
                found = await answer.json() if answer.status == 202 else {}
                self.history.append(event="answer", n=number, status=answer.status, id=found.get("id"))
                return answer.status
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            self.history.append(event="lost", n=number, why=type(error).__name__)
            return None
