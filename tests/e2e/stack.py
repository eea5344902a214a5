"""A whole stack of its own for a test: `python -m emulator` on free ports, with its data in a temporary folder."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx

from shared.delivery.model import PENDING
from tests import environment
from tests.ports import free_offset

ROOT = Path(__file__).parent.parent.parent
TO = {"email": "a@example.com", "sms": "+14155552671", "slack": "#ops"}
ARRIVED = {"sent", "delivered"}  # the second once a receipt has come
_START_SECONDS = 90.0

T = TypeVar("T")


@dataclass(frozen=True)
class System:
    """The processes of a stack that is up."""

    process: subprocess.Popen[bytes]
    run_dir: Path
    offset: int

    @property
    def env(self) -> dict[str, str]:
        """What it has written for its clients."""
        lines = (self.run_dir / str(self.offset) / "env").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines)


@dataclass(frozen=True)
class Stack:
    """A stack as one test talks to it."""

    http: httpx.AsyncClient
    system: System

    @property
    def offset(self) -> int:
        return self.system.offset

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{8080 + self.offset}"

    @property
    def lab(self) -> str:
        return f"http://127.0.0.1:{8090 + self.offset}"

    @property
    def folder(self) -> Path:
        return self.system.run_dir / str(self.offset)

    async def send(self, *, key: str | None = None, **request: Any) -> dict[str, Any]:
        """A notification; by default to every channel."""
        request = {"message": "Build 42 is live", **request}
        if not {"to", "recipient"} & set(request):
            request["to"] = TO
        headers = {} if key is None else {"Idempotency-Key": key}
        answer = await self.http.post(f"{self.url}/v1/notifications", json=request, headers=headers)
        assert answer.status_code == 202, answer.text
        notification: dict[str, Any] = answer.json()
        return notification

    async def read(self, notification_id: str) -> dict[str, Any]:
        answer = await self.http.get(f"{self.url}/v1/notifications/{notification_id}")
        assert answer.status_code == 200, answer.text
        notification: dict[str, Any] = answer.json()
        return notification

    async def ended(self, notification_id: str, seconds: float = 60) -> dict[str, Any]:
        """The notification once each of its deliveries is terminal."""

        async def all_final() -> dict[str, Any] | None:
            notification = await self.read(notification_id)
            return None if PENDING & {d["status"] for d in notification["deliveries"]} else notification

        return await until(all_final, seconds)

    async def inbox(self, notification_id: str | None = None) -> list[dict[str, Any]]:
        params = {} if notification_id is None else {"notification_id": notification_id}
        answer = await self.http.get(f"{self.lab}/inbox.json", params=params)
        items: list[dict[str, Any]] = answer.json()["items"]
        return items

    async def fault(self, channel: str, mode: str, **fault: Any) -> None:
        answer = await self.http.put(f"{self.lab}/faults", json={"channel": channel, "mode": mode, **fault})
        assert answer.status_code == 200, answer.text

    async def receipts(self, channel: str, mode: str, **how: Any) -> None:
        answer = await self.http.put(f"{self.lab}/receipts", json={"channel": channel, "mode": mode, **how})
        assert answer.status_code == 200, answer.text

    async def repair(self) -> None:
        await self.http.delete(f"{self.lab}/faults")
        await self.http.delete(f"{self.lab}/receipts")

    def pid(self, name: str) -> int:
        pid: int = json.loads((self.folder / "pids.json").read_text())[name]
        return pid

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """The whole process group, as when a container dies."""
        os.killpg(self.pid(name), number)

    def logs(self) -> str:
        return "\n".join(f"== {log.name}\n{log.read_text()[-3000:]}" for log in (self.folder / "logs").glob("*.log"))


async def until(condition: Callable[[], Awaitable[T | None]], seconds: float = 30) -> T:
    """What the condition gives once that is neither None nor false. Fails at the deadline."""
    give_up_at = time.monotonic() + seconds
    while True:
        try:
            result = await condition()
        except httpx.TransportError:
            result = None  # a process that a test has killed is on its way back
        if result:
            return result
        assert time.monotonic() < give_up_at, f"not within {seconds} s: {condition.__qualname__}"
        await asyncio.sleep(0.1)


@contextmanager
def running(run_dir: Path, env: Mapping[str, str] | None = None, *, root: Path = ROOT) -> Iterator[System]:
    """A stack that is ready; stopped at the end, which must leave no process behind."""
    offset = free_offset()
    environ = environment.neutral(os.environ)  # without emulators brought along: a test may kill its own
    environ |= {"HARK_PORT_OFFSET": str(offset), "HARK_RUN_DIR": str(run_dir)}
    # Most texts of the tests go to one number; and an operator's example is of any country.
    environ |= {"SMS_PER_NUMBER_PER_HOUR": "0", "SMS_COUNTRIES": "*", **(env or {})}
    with (run_dir / "stack.log").open("wb") as output:
        command = [sys.executable, "-m", "emulator"]
        process = subprocess.Popen(command, cwd=root, env=environ, stdout=output, stderr=output)
    try:
        give_up_at = time.monotonic() + _START_SECONDS
        while not (run_dir / str(offset) / "env").exists():
            waiting = process.poll() is None and time.monotonic() < give_up_at
            assert waiting, (run_dir / "stack.log").read_text()
            time.sleep(0.1)
        yield System(process, run_dir, offset)
    finally:
        process.terminate()
        process.wait(30)


@asynccontextmanager
async def talking_to(system: System) -> AsyncIterator[Stack]:
    headers = {"Authorization": f"Bearer {system.env['HARK_API_KEY']}"}
    async with httpx.AsyncClient(timeout=30, headers=headers) as http:
        yield Stack(http, system)
