"""A broadcast on a whole system of this machine: `python -m bench.broadcast [--count 5000] [--emulators]`.

Recipients and the list are put on record past the API, which takes them one by one. Measured are how long it takes and
whether everybody has it once, by the lab's witness; what a recipient costs the operations' function in time as it goes
on; the memory of each process; and how long single notifications take from their accept to their sent meanwhile,
against the same before it. All in one process by default, records too; `--emulators` for Google's, each function a
process. Ends with 1 when somebody was left out or has it twice.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.compare.processes import memory, pids_of
from shared.delivery.model import Recipient
from shared.google.firestore import records, rpc, writes
from shared.google.firestore.list_store import FirestoreLists
from shared.people.lists import added
from tests.e2e.stack import Stack, System, running, talking_to, until

LIST = "everybody"
SINGLES_PER_SECOND = 4.0
_AT_ONCE = 250
_FUNCTIONS = ("gateway", "operations", "email", "relay")


def _name(number: int) -> str:
    return f"person-{number:06}"


async def _members(system: System, stack: Stack, count: int) -> None:
    """A list of so many recipients, each with one address."""
    answer = await stack.http.put(f"{stack.url}/v1/lists/{LIST}", json={})
    answer.raise_for_status()
    env, now = system.env, datetime.now(UTC)
    async with rpc.connect(env["FIRESTORE_EMULATOR_HOST"]) as channel:
        database = f"projects/{env['GOOGLE_CLOUD_PROJECT']}/databases/(default)"
        calls = rpc.Rpc(channel, database, emulated=True)
        lists = FirestoreLists(calls)
        there = await lists.recipient_list(LIST)
        assert there is not None
        for start in range(0, count, _AT_ONCE):
            names = [_name(number) for number in range(start, min(start + _AT_ONCE, count))]
            made = [Recipient(name, {"email": f"{name}@example.com"}, now, now) for name in names]
            new = [
                writes.create(records.recipient_name(calls.documents, r.name), records.recipient_values(r))
                for r in made
            ]
            assert all(await calls.batch_write(new))
            assert all(await lists.put_members(there.id, [added(None, name, now) for name in names]))


async def _singles(stack: Stack, seconds: float) -> list[float]:
    """Seconds from the accept to the sent of each, as their records say."""
    ids = []
    clock = time.monotonic
    began = clock()
    while clock() - began < seconds:
        made = await stack.send(to={"email": "one@example.com"}, message="a code")
        ids.append(made["id"])
        await asyncio.sleep(max(0.0, began + len(ids) / SINGLES_PER_SECOND - clock()))
    waited = []
    for notification_id in ids:
        read = await stack.ended(notification_id)
        (delivery,) = read["deliveries"]
        attempt = delivery["attempts"][-1]
        sent = datetime.fromisoformat(attempt["at"]).timestamp() + (attempt["duration_ms"] or 0) / 1000
        waited.append(sent - datetime.fromisoformat(read["created_at"]).timestamp())
    return waited


def _p95(waited: Sequence[float]) -> float:
    return sorted(waited)[int(len(waited) * 0.95)]


def _memory(stack: Stack, system: System) -> dict[str, float]:
    """MB (Pss) of each function; where all are one process, that process's."""
    pids = stack.folder / "pids.json"
    if not pids.exists():
        return {"all": memory([system.process.pid])["Pss"]}
    of: dict[str, int] = json.loads(pids.read_text())
    return {name: memory(pids_of(pid))["Pss"] for name, pid in of.items() if name in _FUNCTIONS}


async def _broadcast(stack: Stack, per_second: int) -> tuple[str, dict[str, Any]]:
    body = {"list": LIST, "message": "Sale", "subject": "Sale", "per_second": per_second, "dry_run": True}
    began = time.monotonic()
    answer = await stack.http.post(f"{stack.url}/v1/broadcasts", json=body, timeout=120)
    answer.raise_for_status()
    plan: dict[str, Any] = answer.json()
    _say(f"planned in {time.monotonic() - began:.1f} s: {plan['counted']} of {plan['recipients']} looked at")
    begun = await stack.http.post(f"{stack.url}/v1/broadcasts", json={"plan": plan["plan"]})
    begun.raise_for_status()
    operation_id: str = begun.json()["id"]
    return operation_id, plan


async def _run(system: System, stack: Stack, options: argparse.Namespace) -> bool:
    await _members(system, stack, options.count)
    _say(f"{options.count} recipients on record")
    before = await _singles(stack, options.singles)
    held = {"before": _memory(stack, system)}
    operation_id, _ = await _broadcast(stack, options.per_second)
    meanwhile = asyncio.create_task(_singles(stack, options.singles))
    began = last = time.monotonic()
    seen, paces = 0, list[float]()
    kills = options.kills
    while True:
        await asyncio.sleep(1)
        operation = (await stack.http.get(f"{stack.url}/v1/operations/{operation_id}")).json()
        done = sum(operation["counts"].values())
        if done - seen >= options.count / 20:
            paces.append((done - seen) / (time.monotonic() - last))
            seen, last = done, time.monotonic()
        if kills and done < options.count:
            stack.kill("operations")
            kills -= 1
        if operation["state"] != "running":
            break
    accepted_in = time.monotonic() - began
    held["after the last page"] = _memory(stack, system)
    singles = await meanwhile

    async def all_arrived() -> bool:
        return bool(_arrived(stack)[0] >= options.count)

    await until(all_arrived, 600)
    took = time.monotonic() - began
    people, twice = _arrived(stack)
    _say(f"{operation['state']}, {operation['counts']}, accepted in {accepted_in:.0f} s, sent in {took:.0f} s")
    _say(f"{people} have it, {twice} twice; {options.kills - kills} kills of the operations' function")
    if len(paces) > 2:
        tenth = max(1, len(paces) // 4)
        first, end = sum(paces[:tenth]) / tenth, sum(paces[-tenth:]) / tenth
        slower = f"{first:.0f} in the first quarter, {end:.0f} in the last: {first / end:.2f} × the time each"
        _say(f"recipients a second: {slower}")
    for when, of in held.items():
        _say(f"memory {when}: " + ", ".join(f"{name} {size:.0f} MB" for name, size in of.items()))
    alone, beside = _p95(before), _p95(singles)
    p95 = f"{alone * 1000:.0f} ms alone, {beside * 1000:.0f} ms beside it: {beside / alone:.2f} ×"
    _say(f"singles, accept to sent, p95: {p95}")
    everybody: bool = people == options.count
    return everybody and not twice


def _arrived(stack: Stack) -> tuple[int, int]:
    """How many of the list have it, and how many twice, by the lab's witness."""
    lines = (stack.folder / "witness.jsonl").read_text().splitlines()
    to = Counter(json.loads(line)["to"] for line in lines)
    people = [count for address, count in to.items() if address.startswith("person-")]
    return len(people), sum(count > 1 for count in people)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def _main(options: argparse.Namespace) -> bool:
    with tempfile.TemporaryDirectory(prefix="hark-bench-") as folder:
        env = {"EMBEDDED": "0" if options.emulators else "1"}
        with running(Path(folder), env) as system:
            async with talking_to(system) as stack:
                return await _run(system, stack, options)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.broadcast")
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--per-second", type=int, default=100)
    parser.add_argument(
        "--singles", type=float, default=30, help="seconds in which single ones are sent, before and beside"
    )
    parser.add_argument("--kills", type=int, default=0, help="of the operations' function; needs --emulators")
    parser.add_argument("--emulators", action="store_true")
    sys.exit(0 if asyncio.run(_main(parser.parse_args())) else 1)
