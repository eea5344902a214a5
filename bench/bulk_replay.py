"""Many dead letters replayed by plan: `python -m bench.bulk_replay [--count 5000] [--kills 0] [--emulators]`.

Each function is a process, and Pub/Sub its emulator; the records are in memory, in a process of their own, or in the
Firestore emulator with `--emulators`. The dead letters are put on record past the API. Measured are how long the plan
and the replay take, the CPU of the operations' function for each, and whether everybody has it once, by the lab's
witness. Ends with 1 when somebody was left out or has it twice.
"""

import argparse
import asyncio
import sys
import tempfile
import time
import uuid
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.compare.processes import cpu_seconds
from bench.whole_stack import ADDRESSED, Arrived, operation_of, records_in_memory, say
from shared.delivery.model import Attempt, Delivery, DeliveryStatus, Notification, Outcome
from shared.delivery.retries import Policy
from shared.delivery.state_machine import queued
from shared.delivery.store import SHARDS
from shared.google.firestore import rpc
from shared.google.firestore.store import FirestoreStore
from shared.runtime.settings import CoreSettings
from tests.e2e.stack import Stack, System, running, talking_to

_AT_ONCE = 200
_PATIENCE_SECONDS = 120  # for the next that has it
_WHY = "attempts used up; the last one: SendGrid answered 503"


async def _die(system: System, count: int) -> None:
    """So many deliveries are dead."""
    env = system.env
    project, policy = env["GOOGLE_CLOUD_PROJECT"], CoreSettings(google_cloud_project="any").policy()
    async with rpc.connect(env["FIRESTORE_EMULATOR_HOST"]) as channel:
        store = FirestoreStore(rpc.Rpc(channel, f"projects/{project}/databases/(default)", emulated=True))
        for start in range(0, count, _AT_ONCE):
            await store.create_all([_dead(n, policy) for n in range(start, min(start + _AT_ONCE, count))])


def _dead(number: int, policy: Policy) -> tuple[Notification, list[Delivery]]:
    now = datetime.now(UTC) - timedelta(hours=1)
    notification = Notification(
        str(uuid.uuid4()), ("email",), "a text", now, now + timedelta(days=30), "", number % SHARDS, subject="a subject"
    )
    made = queued(notification, "email", f"{ADDRESSED}{number:06}@example.com", policy)
    attempts = tuple(Attempt(n, now, Outcome.RETRYABLE, "503", 12, provider="sendgrid") for n in range(1, 6))
    dead = replace(made, status=DeliveryStatus.DEAD, attempts=attempts, error=_WHY, due_at=None, dead_at=now)
    return notification, [dead]


async def _run(system: System, stack: Stack, options: argparse.Namespace) -> bool:
    await _die(system, options.count)
    say(f"{options.count} dead letters on record")
    url, arrived, kills = f"{stack.url}/v1/dead-letters/replay", Arrived(stack.folder / "witness.jsonl"), options.kills
    began = time.monotonic()
    asked = {"filter": {"channel": "email"}, "per_second": options.per_second, "dry_run": True}
    plan = (await stack.http.post(url, json=asked, timeout=120)).raise_for_status().json()
    say(f"planned in {time.monotonic() - began:.1f} s: {plan['count']} of {options.count} looked at")
    operation_id = (await stack.http.post(url, json={"plan": plan["plan"]})).raise_for_status().json()["id"]
    began, before = time.monotonic(), cpu_seconds(stack.pid("operations"))
    had, moved = 0, began
    while (people := arrived.look()[0]) < options.count:
        operation = await operation_of(stack, operation_id)
        if kills and people > options.count * (options.kills - kills + 1) / (options.kills + 1):
            stack.kill("operations")
            kills -= 1
        if people > had:
            had, moved = people, time.monotonic()
        if time.monotonic() - moved > _PATIENCE_SECONDS or operation["state"] == "failed":
            break
        await asyncio.sleep(1)
    took = time.monotonic() - began
    operation = await operation_of(stack, operation_id)
    people, twice = arrived.look()
    say(f"{operation['state']}, {operation['counts']}, sent in {took:.0f} s: {people / took:.0f} a second")
    say(f"{people} have it, {twice} twice; {options.kills - kills} kills of the operations' function")
    if not options.kills:
        spent = cpu_seconds(stack.pid("operations")) - before
        say(f"CPU of operations for each: {spent / options.count * 1000:.2f} ms")
    everybody: bool = people == options.count
    return everybody and not twice


async def _main(options: argparse.Namespace) -> bool:
    with ExitStack() as parts:
        folder = Path(parts.enter_context(tempfile.TemporaryDirectory(prefix="hark-bench-")))
        env = {"EMBEDDED": "0"}
        if not options.emulators:
            env["FIRESTORE_EMULATOR_HOST"], _ = parts.enter_context(records_in_memory(folder))
        system = parts.enter_context(running(folder, env))
        async with talking_to(system) as stack:
            return await _run(system, stack, options)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.bulk_replay")
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--per-second", type=int, default=200)
    parser.add_argument("--kills", type=int, default=0, help="of the operations' function")
    parser.add_argument("--emulators", action="store_true", help="Firestore's too")
    sys.exit(0 if asyncio.run(_main(parser.parse_args())) else 1)
