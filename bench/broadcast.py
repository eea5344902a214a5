"""A broadcast on a whole system of this machine: `python -m bench.broadcast [--count 5000] [--emulators]`.

Each function is a process, and Pub/Sub its emulator. The records are in memory, in a process of their own: the
Firestore emulator's queries look at all that it stores (`--emulators` has it nevertheless). Recipients and the list are
put on record past the API, which takes them one by one.

Measured are how long it takes and whether everybody has it once, by the lab's witness; what a recipient costs as it
goes on, in CPU time; the memory of each function; and how long single notifications take from their accept to their
sent beside it, against the same before and after. Ends with 1 when somebody was left out or has it twice.
"""

import argparse
import asyncio
import itertools
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.compare.processes import cpu_seconds, memory, pids_of
from bench.whole_stack import Arrived, operation_of, records_in_memory, say
from shared.delivery.model import Recipient
from shared.google.firestore import records, rpc, writes
from shared.google.firestore.list_store import FirestoreLists
from shared.people.lists import added
from tests.e2e.stack import Stack, System, running, talking_to

LIST = "everybody"
SINGLES_PER_SECOND = 4.0
_AT_ONCE = 250
_PARTS = 20
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


async def _singles(stack: Stack, more: Callable[[float], bool]) -> list[float]:
    """Seconds from the accept to the sent of each, as their records say.

    more: whether there are to be more of them, after so many seconds
    """
    ids = []
    began = time.monotonic()
    while more(time.monotonic() - began):
        made = await stack.send(to={"email": "one@example.com"}, message="a code")
        ids.append(made["id"])
        await asyncio.sleep(max(0.0, began + len(ids) / SINGLES_PER_SECOND - time.monotonic()))
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


@dataclass(frozen=True)
class Cost:
    """CPU seconds since the start, when so many had it."""

    arrived: int
    functions: float
    records: float


class Watch:
    """What the processes of a stack use."""

    def __init__(self, stack: Stack, records_pid: int | None) -> None:
        self._functions = {name: stack.pid(name) for name in _FUNCTIONS}
        self._records = stack.pid("firestore") if records_pid is None else records_pid

    def memory(self) -> dict[str, float]:
        """MB (Pss) of each function."""
        return {name: memory(pids_of(pid))["Pss"] for name, pid in self._functions.items()}

    def cost(self, arrived: int) -> Cost:
        return Cost(arrived, sum(map(cpu_seconds, self._functions.values())), cpu_seconds(self._records))


def _per_recipient(costs: Sequence[Cost]) -> str:
    """Of the first and the last twentieth."""
    parts = [
        ((b.functions - a.functions) / (b.arrived - a.arrived), (b.records - a.records) / (b.arrived - a.arrived))
        for a, b in itertools.pairwise(costs)
    ]
    (first, first_records), (last, last_records) = parts[0], parts[-1]
    return (
        f"functions {first * 1000:.2f} ms in the first of {len(parts)} parts, {last * 1000:.2f} in the last: "
        f"{last / first:.2f} ×; records {first_records * 1000:.2f}, {last_records * 1000:.2f}: "
        f"{last_records / first_records:.2f} ×"
    )


async def _broadcast(stack: Stack, per_second: int) -> str:
    """Planned and begun; its operation's id."""
    body = {"list": LIST, "message": "Sale", "subject": "Sale", "per_second": per_second, "dry_run": True}
    began = time.monotonic()
    answer = await stack.http.post(f"{stack.url}/v1/broadcasts", json=body, timeout=120)
    answer.raise_for_status()
    plan: dict[str, Any] = answer.json()
    say(f"planned in {time.monotonic() - began:.1f} s: {plan['counted']} of {plan['recipients']} looked at")
    begun = await stack.http.post(f"{stack.url}/v1/broadcasts", json={"plan": plan["plan"]})
    begun.raise_for_status()
    operation_id: str = begun.json()["id"]
    return operation_id


async def _run(system: System, stack: Stack, options: argparse.Namespace, records_pid: int | None) -> bool:
    await _members(system, stack, options.count)
    say(f"{options.count} recipients on record")
    watch, arrived = Watch(stack, records_pid), Arrived(stack.folder / "witness.jsonl")
    alone = await _singles(stack, lambda seconds: seconds < options.singles)
    held = {"before": watch.memory()}
    operation_id = await _broadcast(stack, options.per_second)
    going = True
    beside = asyncio.create_task(_singles(stack, lambda _: going))
    began, costs, kills = time.monotonic(), [watch.cost(0)], options.kills
    while (people := arrived.look()[0]) < options.count:
        operation = await operation_of(stack, operation_id)
        if people - costs[-1].arrived >= options.count / _PARTS:
            costs.append(watch.cost(people))
        if kills and operation["state"] == "running":
            stack.kill("operations")
            kills -= 1
        silent = time.monotonic() - began > 120 + 3 * options.count / options.per_second
        if silent or operation["state"] in {"failed", "cancelled"}:
            break
        await asyncio.sleep(1)
    took = time.monotonic() - began
    held["after"] = watch.memory() if not options.kills else Watch(stack, records_pid).memory()
    going = False
    singles = await beside
    operation = await operation_of(stack, operation_id)
    alone += await _singles(stack, lambda seconds: seconds < options.singles)
    people, twice = arrived.look()
    say(f"{operation['state']}, {operation['counts']}, sent in {took:.0f} s: {people / took:.0f} a second")
    say(f"{people} have it, {twice} twice; {options.kills - kills} kills of the operations' function")
    if len(costs) > 2 and not options.kills:
        say(f"CPU for each recipient: {_per_recipient(costs)}")
    for when, of in held.items():
        say(f"memory {when}: " + ", ".join(f"{name} {size:.0f} MB" for name, size in of.items()))
    of_one, of_many = _p95(alone), _p95(singles)
    p95 = f"{of_one * 1000:.0f} ms alone ({len(alone)}), {of_many * 1000:.0f} ms beside it ({len(singles)})"
    say(f"singles, accept to sent, p95: {p95}: {of_many / of_one:.2f} ×")
    everybody: bool = people == options.count
    return everybody and not twice


async def _main(options: argparse.Namespace) -> bool:
    with ExitStack() as parts:
        folder = Path(parts.enter_context(tempfile.TemporaryDirectory(prefix="hark-bench-")))
        env, records_pid = {"EMBEDDED": "0"}, None
        if not options.emulators:
            env["FIRESTORE_EMULATOR_HOST"], records_pid = parts.enter_context(records_in_memory(folder))
        system = parts.enter_context(running(folder, env))
        async with talking_to(system) as stack:
            return await _run(system, stack, options, records_pid)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.broadcast")
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--per-second", type=int, default=100)
    parser.add_argument(
        "--singles", type=float, default=30, help="seconds in which single ones are sent, before and after"
    )
    parser.add_argument("--kills", type=int, default=0, help="of the operations' function")
    parser.add_argument("--emulators", action="store_true", help="Firestore's too")
    sys.exit(0 if asyncio.run(_main(parser.parse_args())) else 1)
