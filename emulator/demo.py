"""`make demo`: one notification to every channel, its timeline, and exit status 0 only if all arrived.

Starts the system first if it is not up, and stops what it started.
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from emulator.process import die_with_parent
from shared.delivery.model import PENDING, SUCCESS

ROOT = Path(__file__).parent.parent
START_SECONDS = 120.0
ARRIVE_SECONDS = 60.0
POLL_SECONDS = 0.1


async def main() -> int:
    """The exit status: 0 when all arrived; 1 when not, or when it was interrupted."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None

    def stop() -> None:
        """Once: a SIGTERM often comes twice, to the process group and passed on by make, and a second cancel would end
        the wait for what was started.
        """
        if not task.cancelling():
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop)
    try:
        return await _run()
    except asyncio.CancelledError:
        print("interrupted")
        return 1


async def _run() -> int:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as http, _running(http) as env:
        return await _demo(http, env)


async def _demo(http: aiohttp.ClientSession, env: Mapping[str, str]) -> int:
    """Send, wait, show. `env`: what the stack wrote into its env file."""
    url, lab = env["HARK_URL"], env["HARK_LAB_URL"]
    entries = yaml.safe_load((ROOT / "infra/channels.yaml").read_text(encoding="utf-8"))
    key = {"Authorization": f"Bearer {env['HARK_API_KEY']}"}
    async with http.get(f"{url}/v1/channels", headers=key) as answer:
        channels = [channel["name"] for channel in (await answer.json())["items"]]
    request = {
        "to": {name: entries[name]["example"] for name in channels},
        "subject": "Hark's demo",
        "message": "This notification went to every channel.",
    }
    async with http.post(f"{url}/v1/notifications", json=request, headers=key) as answer:
        notification = await answer.json()
        print(f"POST {url}/v1/notifications → {answer.status}")
        if answer.status != 202:
            print(notification)
            return 1
    path = f"{url}/v1/notifications/{notification['id']}"
    give_up_at = time.monotonic() + ARRIVE_SECONDS
    while PENDING & {d["status"] for d in notification["deliveries"]} and time.monotonic() < give_up_at:
        await asyncio.sleep(POLL_SECONDS)
        async with http.get(path, headers=key) as answer:
            notification = await answer.json()
    async with http.get(f"{lab}/inbox.json", params={"notification_id": notification["id"]}) as answer:
        inbox = {item["channel"]: item for item in (await answer.json())["items"]}
    print(f"GET {path} → {notification['status']}")
    # The provider `log` sends nothing to the lab: what it printed is all there is.
    arrived = [
        delivery["status"] in SUCCESS and (delivery["channel"] in inbox or delivery["provider"] == "log")
        for delivery in notification["deliveries"]
    ]
    for delivery in notification["deliveries"]:
        _show(delivery, notification["created_at"], inbox.get(delivery["channel"]))
    print(f"{sum(arrived)} of {len(arrived)} arrived; the inbox is {lab}/")
    return 0 if all(arrived) else 1


def _show(delivery: Mapping[str, Any], created_at: str, inbox: Mapping[str, Any] | None) -> None:
    print(f"\n{delivery['channel']} → {delivery['address']}")
    steps = [(created_at, "queued")]
    for attempt in delivery["attempts"]:
        error = f": {attempt['error']}" if attempt["error"] else ""
        steps.append((attempt["at"], f"attempt {attempt['number']} began; it ended {attempt['outcome']}{error}"))
    if inbox:
        steps.append((inbox["at"], f"in the lab's inbox from {inbox['provider']} ({inbox['message_id']})"))
    steps.append((delivery["updated_at"], delivery["status"]))
    start = datetime.fromisoformat(created_at)
    for at, what in sorted(steps):
        milliseconds = (datetime.fromisoformat(at) - start).total_seconds() * 1000
        print(f"  {milliseconds:7.0f} ms  {what}")


@asynccontextmanager
async def _running(http: aiohttp.ClientSession) -> AsyncIterator[Mapping[str, str]]:
    """The env file of the stack with our port offset: the one that is up, or one started for the while."""
    base = Path(os.environ.get("HARK_RUN_DIR", ROOT / ".run"))
    file = base / os.environ.get("HARK_PORT_OFFSET", "0") / "env"
    if await _up(http, file):
        yield _read(file)
        return
    print("Nothing is up: starting the system for the demo.")
    stack = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "emulator", cwd=ROOT, start_new_session=True, preexec_fn=die_with_parent(os.getpid())
    )
    try:
        give_up_at = time.monotonic() + START_SECONDS
        while not await _up(http, file):
            if stack.returncode is not None or time.monotonic() > give_up_at:
                raise SystemExit("the system did not start")
            await asyncio.sleep(POLL_SECONDS)
        yield _read(file)
    finally:
        if stack.returncode is None:
            stack.send_signal(signal.SIGTERM)
            await stack.wait()


async def _up(http: aiohttp.ClientSession, file: Path) -> bool:
    url = _read(file).get("HARK_URL")
    if url is None:
        return False
    try:
        async with http.get(url + "/healthz") as answer:
            return answer.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False


def _read(file: Path) -> Mapping[str, str]:
    if not file.exists():
        return {}
    return dict(line.split("=", 1) for line in file.read_text(encoding="utf-8").splitlines() if "=" in line)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
