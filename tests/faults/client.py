"""Who asks for notifications: at a steady rate, under the same key until it is answered, and sometimes once more."""

import asyncio
import itertools
import random
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp

from functions.gateway.broadcasts.broadcasting import key_of
from functions.gateway.notifications.idempotency import KEYS, new_notification_id
from tests.faults.histories import History

TIMEOUT_SECONDS = 6.0
PATIENCE_SECONDS = 90.0  # after this it asks no more: nobody knows then whether it was taken
_CANCELLED = 0.08
_BATCHES = 0.1  # of what is asked
_MOST_TOGETHER = 6
_GONE = "90e0fa11c0ffee"  # the mark of addresses that somebody may suppress
_OF_GONE = 0.08  # of what is asked
_SUPPRESSED = 0.02
_AUDIENCE = 40  # of the one broadcast
_TWINS = 0.05  # of what is asked: a text message like the last one, to the same number
_SHARED = "5ead0fa11c0ffee"  # the mark of addresses that several are sent to
_USUAL = (("email",), ("sms",), ("slack",), ("email", "sms"), ("email", "sms", "slack"))
CHANNELS = (
    *_USUAL,
    *_USUAL,
    ("whatsapp",),
    ("voice",),
    ("push",),
    ("telegram",),
    ("discord",),
    ("push", "telegram", "voice"),
)


@dataclass
class Client:
    """Each of its messages, subjects and addresses is one of a kind, so that it can be found wherever it turns up; but
    some text messages are asked for twice, which their provider cannot tell apart.

    special, keys, held: as of `Options`
    """

    http: aiohttp.ClientSession
    url: str
    api_key: str
    history: History
    rng: random.Random
    special: float
    keys: int
    held: float
    accepted: int = 0
    _twin: str | None = None
    _numbers: itertools.count = field(default_factory=itertools.count)  # type: ignore[type-arg]

    async def run(self, rate: float, stop: asyncio.Event) -> None:
        """Asks until `stop`, so many times a second; returns when each request has its end."""
        clock = asyncio.get_running_loop().time
        due = clock()
        async with asyncio.TaskGroup() as asking:
            asking.create_task(self._broadcast())
            if self.held:
                asking.create_task(self._pause_channels(stop))
            while not stop.is_set():
                if self.rng.random() < _SUPPRESSED:
                    asking.create_task(self._suppress())
                asking.create_task(self._ask() if self.rng.random() > _BATCHES else self._ask_together())
                due += self.rng.expovariate(rate)
                await asyncio.sleep(max(0.0, due - clock()))

    async def list_duplicates(self, history: History) -> None:
        """All that GET /v1/duplicates has, once all is over."""
        cursor: str | None = None
        while True:
            query = {"limit": "100", **({"cursor": cursor} if cursor else {})}
            headers = {"Authorization": f"Bearer {self.api_key}"}
            async with self.http.get(f"{self.url}/v1/duplicates", params=query, headers=headers) as answer:
                assert answer.status == 200, await answer.text()
                page = await answer.json()
            for item in page["items"]:
                pairs = item["pairs"]
                history.append(
                    id=item["notification_id"],
                    channel=item["channel"],
                    reasons=[pair["reason"] for pair in pairs],
                    attempts=[[attempt["number"] for attempt in pair["attempts"]] for pair in pairs],
                )
            cursor = page["next_cursor"]
            if cursor is None:
                return

    async def _ask(self) -> None:
        key, body = self._composed()
        give_up_at = asyncio.get_running_loop().time() + PATIENCE_SECONDS
        again = self.rng.random() < 0.1  # a client that has lost its answer, or its memory
        while asyncio.get_running_loop().time() < give_up_at:
            taken = await self._post(key, body)
            if taken is not None:
                if not again:
                    await self._taken(taken)
                    return
                again = False
            await asyncio.sleep(self.rng.uniform(0.1, 1.0))

    async def _ask_together(self) -> None:
        """Several in one batch, until each of them has been answered; sometimes those with an answer go along again."""
        left = dict(self._composed() for _ in range(self.rng.randint(2, _MOST_TOGETHER)))
        answered: dict[str, dict[str, Any]] = {}
        give_up_at = asyncio.get_running_loop().time() + PATIENCE_SECONDS
        while left and asyncio.get_running_loop().time() < give_up_at:
            again = answered if self.rng.random() < 0.3 else {}
            for key, taken in (await self._post_batch(left | again)).items():
                if key in left:
                    answered[key] = left.pop(key)
                    await self._taken(taken)
            await asyncio.sleep(self.rng.uniform(0.1, 1.0))

    async def _taken(self, notification_id: str) -> None:
        self.accepted += 1
        if self.rng.random() < _CANCELLED:
            await self._cancel(notification_id)

    def _composed(self) -> tuple[str, dict[str, Any]]:
        """A key and a request."""
        mark, key = f"{self.rng.getrandbits(64):016x}", f"key-of-canary-{self.rng.getrandbits(64):016x}"
        channels = self.rng.choice(CHANNELS)
        if self._twin is not None and self.rng.random() < _TWINS:
            mark, channels = self._twin, ("sms",)
        numbers = random.Random(mark)
        number = f"+1415{2_000_000 + numbers.randrange(7_999_999)}"
        address = {
            "email": f"canary-{mark}@example.com",
            "sms": number,
            "slack": f"#canary-{mark}",
            "whatsapp": number,
            "voice": number,
            "push": f"topic:canary-{mark}",
            "telegram": f"@canary_{mark}",
            "discord": "ops",  # whose URL the function has
        }
        if self.rng.random() < _OF_GONE:
            address["email"] = self._gone()
        if "sms" in channels:
            self._twin = mark
        body: dict[str, Any] = {
            "to": {channel: address[channel] for channel in channels},
            "subject": f"Subject of canary {mark}",
            "message": f"Text of canary {mark}",
        }
        return key, body | self._how(body)

    def _how(self, body: dict[str, Any]) -> dict[str, Any]:
        """When it goes, after which other, and over which channel first; of most nothing."""
        now, how = datetime.now(UTC), dict[str, Any]()
        if self.rng.random() > self.special:
            return how
        if self.rng.random() < 0.4:
            how["send_at"] = (now + timedelta(seconds=self.rng.uniform(1, 8))).isoformat()
        if self.rng.random() < 0.2:
            how["deliver_by"] = (now + timedelta(seconds=self.rng.uniform(10, 60))).isoformat()
        kind = self.rng.choice(("ordering_key", "ordering_key", "collapse_key", None))
        if kind is not None:
            number = self.rng.randrange(self.keys)
            shared = {"email": f"canary-{_SHARED}{number}@example.com", "slack": f"#canary-{_SHARED}{number}"}
            to = {channel: shared.get(channel, address) for channel, address in body["to"].items()}
            how |= {kind: f"key-{number}", "to": to}
        channels = list(body["to"])
        if len(channels) > 1 and self.rng.random() < 0.4:
            after = self.rng.choice((None, 2, 12))
            steps = [{"channel": channel, "after": after} for channel in channels[1:]]
            how["escalation"] = [{"channel": channels[0]}, *steps]
        return how

    def _gone(self) -> str:
        return f"canary-{_GONE}{self.rng.randrange(3)}@example.com"

    async def _suppress(self) -> None:
        """One of those addresses, from when on is answered."""
        address = self._gone()
        if await self._until("PUT", f"/v1/suppressions/email/{address}", {"reason": "hard_bounce"}) is not None:
            self.history.append(event="suppressed", channel="email", address=address)

    async def _pause_channels(self, stop: asyncio.Event) -> None:
        """One after the other, for as long as it takes to see that nothing goes over it. None stays paused."""
        for wait in itertools.chain([2.0], itertools.repeat(30.0)):
            await asyncio.sleep(self.rng.uniform(wait, 3 * wait))
            if stop.is_set():
                return
            channel = self.rng.choice(("email", "sms", "slack", "telegram"))
            path = f"/v1/channels/{channel}"
            if await self._until("POST", f"{path}/pause", {"reason": "a run with faults"}) is not None:
                self.history.append(event="paused", channel=channel)
            await asyncio.sleep(self.held)
            self.history.append(event="resuming", channel=channel)
            while await self._until("POST", f"{path}/resume") is None:
                pass

    async def _broadcast(self) -> None:
        """To a list of its own; its notifications are as if each had been asked for with a key."""
        mark = f"{self.rng.getrandbits(64):016x}"
        members = {f"canary-{mark}-{n:02}": f"canary-{mark}-{n:02}@example.com" for n in range(_AUDIENCE)}
        for name, address in members.items():
            await self._until("PUT", f"/v1/recipients/{name}", {"addresses": {"email": address}})
        await self._until("PUT", f"/v1/lists/canary-{mark}", {})
        await self._until("POST", f"/v1/lists/canary-{mark}/members", {"recipients": list(members)})
        await asyncio.sleep(1)  # two gateways' clocks differ by less
        text = {"subject": f"Subject of canary {mark}", "message": f"Text of canary {mark}"}
        body = {"list": f"canary-{mark}", **text, "per_second": 4, "dry_run": True}
        plan = await self._until("POST", "/v1/broadcasts", body)
        if plan is None or plan["recipients"] != _AUDIENCE:
            return
        operation_id = str(uuid.uuid5(KEYS, f"broadcast\n{plan['plan']}"))
        numbers = {name: next(self._numbers) for name in members}
        keys = {name: key_of(operation_id, name) for name in members}
        for name, address in members.items():
            self.history.append(event="request", n=numbers[name], key=keys[name], to={"email": address}, **text)
        if await self._until("POST", "/v1/broadcasts", {"plan": plan["plan"]}) is None:
            return
        caller_id = self.api_key.split("_")[2]
        for name, number in numbers.items():
            made = new_notification_id(caller_id, keys[name])
            self.history.append(event="answer", n=number, status=202, id=made)
        for _ in range(600):
            operation = await self._until("GET", f"/v1/operations/{operation_id}")
            if operation is None or operation["state"] != "running":
                return
            await asyncio.sleep(0.5)

    async def _until(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any] | None:
        """What a request is answered with once it is done; None when nobody knows."""
        give_up_at = asyncio.get_running_loop().time() + PATIENCE_SECONDS
        headers = {"Authorization": f"Bearer {self.api_key}"}
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        while asyncio.get_running_loop().time() < give_up_at:
            with suppress(aiohttp.ClientError, TimeoutError, ValueError):
                url = f"{self.url}{path}"
                async with self.http.request(method, url, json=body, headers=headers, timeout=timeout) as answer:
                    if answer.status in {200, 201, 202}:
                        done: dict[str, Any] = await answer.json()
                        return done
            await asyncio.sleep(self.rng.uniform(0.1, 1.0))
        return None

    async def _cancel(self, notification_id: str) -> None:
        """After a moment; what is answered is held against what the witness has got."""
        await asyncio.sleep(self.rng.uniform(0, 3))
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        url = f"{self.url}/v1/notifications/{notification_id}/cancel"
        headers = {"Authorization": f"Bearer {self.api_key}"}
        with suppress(aiohttp.ClientError, TimeoutError, ValueError):
            async with self.http.post(url, headers=headers, timeout=timeout) as answer:
                if answer.status == 200:
                    said = {each["channel"]: each["verdict"] for each in (await answer.json())["verdicts"]}
                    self.history.append(event="verdicts", id=notification_id, verdicts=said)

    async def _post(self, key: str, body: dict[str, Any]) -> str | None:
        """The notification's id of a 202."""
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
                return found.get("id")
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            self.history.append(event="lost", n=number, why=type(error).__name__)
            return None

    async def _post_batch(self, bodies: Mapping[str, dict[str, Any]]) -> dict[str, str]:
        """By key, the id of each notification that was answered with 202."""
        numbers = {key: next(self._numbers) for key in bodies}
        for key, body in bodies.items():
            self.history.append(event="request", n=numbers[key], key=key, **body)
        try:
            async with self.http.post(
                f"{self.url}/v1/batches",
                json={"items": [body | {"key": key} for key, body in bodies.items()]},
                headers={"Authorization": f"Bearer {self.api_key}"},
                timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS),
            ) as answer:
                items = (await answer.json())["items"] if answer.status == 200 else []
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            for number in numbers.values():
                self.history.append(event="lost", n=number, why=type(error).__name__)
            return {}
        said = dict(zip(bodies, items, strict=False))
        for key, number in numbers.items():
            status, made = said.get(key, {}).get("status", answer.status), said.get(key, {}).get("id")
            self.history.append(event="answer", n=number, status=status, id=made)
        return {key: each["id"] for key, each in said.items() if each["status"] == 202}
