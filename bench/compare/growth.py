"""Whether a notification costs more when many are stored: the same requests to databases of different sizes.

Firestore's emulator answers a query by looking at every document (1.19.9): with 2,000 stored a listing waits for a
second, with 200,000 for longer than our deadline. So what queries is measured with fewer than what reads by name.
"""

import asyncio
import secrets
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from bench.compare.client import get, post
from bench.compare.figures import Table, median, ratio, ratios
from bench.compare.processes import Child
from bench.compare.sides import Disturbed, Hark, Source, expect, texts
from bench.compare.targets import Target
from bench.compare.world import World, free_port
from functions.gateway.access import api_keys
from shared.delivery.model import Attempt, Delivery, DeliveryStatus, Notification, Outcome
from shared.delivery.store import SHARDS
from shared.google.firestore import records, rpc, writes

BATCH = 250  # notifications; each is two documents, and a BatchWrite takes 500
AT_ONCE = 4
NAMED = ("accept", "read")
QUERIES = ("list", "sweep")
WORK = (*NAMED, *QUERIES)


@dataclass(slots=True)
class Grown:
    """One database of so many, with a gateway and a relay of its own. An entry a round: our CPU, and latency, in ms."""

    stored: int
    hark: Hark
    ids: list[str]
    gateway: Child
    relay: Child
    relay_port: int
    cpu: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in WORK})
    waited: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in WORK})


Pairs = Mapping[str, tuple[Grown, Grown]]
"""By work: the database with few and the one with many."""


def measure(world: World, sizes: tuple[int, int, int], requests: int, rounds: int) -> Pairs:
    """sizes: few, many for what queries, many for what does not.

    Leaves out what the emulator does not answer in time.
    """
    few, some, many = sizes
    # What queries has databases of its own: one that accepts grows, and its sweep finds work.
    named, queried = [(_grown(world, few), _grown(world, size)) for size in (many, some)]
    pairs = {work: named if work in NAMED else queried for work in WORK}
    unanswered: set[str] = set()
    for number in range(rounds + 1):
        for work, pair in pairs.items():
            # Whoever goes first has another's leavings in the emulator's heap: they take turns in that as well.
            for grown in pair if number % 2 else reversed(pair):
                if work in unanswered:
                    continue
                try:
                    cpu, waited = _measured(world, grown, work, requests)
                except Disturbed as disturbed:
                    print(f"growth: {work} is left out: {disturbed}", flush=True)
                    unanswered.add(work)
                    continue
                if number:
                    grown.cpu[work].append(cpu)
                    grown.waited[work].append(waited)
    for grown in (*named, *queried):
        grown.gateway.stop()
        grown.relay.stop()
    return {work: pair for work, pair in pairs.items() if work not in unanswered}


def table(pairs: Pairs) -> Table:
    rows = [
        (
            work,
            f"{few.stored:,}",
            f"{many.stored:,}",
            median(few.cpu[work]),
            median(many.cpu[work]),
            ratio(many.cpu[work], few.cpu[work]),
            median(few.waited[work]),
            median(many.waited[work]),
        )
        for work, (few, many) in pairs.items()
    ]
    header = ("", "few", "many", "few: CPU, ms", "many: CPU, ms", "ratio", "few: p50, ms", "many: p50, ms")
    notes = [
        "CPU of our function alone. The waiting is for the emulator, which looks at every document for a query, "
        "where Firestore has an index; so what queries (a listing of 20, a sweep of nothing) is measured with fewer."
    ]
    return Table("growth", "Cost with what is stored", header, rows, 5, "times the CPU", notes)


def targets(pairs: Pairs) -> list[Target]:
    found = []
    for work, (few, many) in pairs.items():
        what = f"growth: {work}, {few.stored:,} to {many.stored:,}"
        found.append(Target(what, ratios(many.cpu[work], few.cpu[work]), 1.1))
    return found


def _measured(world: World, grown: Grown, work: str, requests: int) -> tuple[float, float]:
    key = {"Authorization": f"Bearer {grown.hark.key}"}
    port, child, status = grown.hark.port, grown.gateway, "200"
    match work:
        case "accept":
            status = "202"
            asked = [grown.hark.request(text) for text in texts(requests)]
        case "read":
            ids = [grown.ids[n % len(grown.ids)] for n in range(requests)]
            asked = [get(f"/v1/notifications/{ident}", key) for ident in ids]
        case "list":
            asked = [get("/v1/notifications?limit=20", key)] * max(1, requests // 20)
        case _:
            asked = [post("/", "")] * max(1, requests // 20)
            port, child = grown.relay_port, grown.relay
    began = child.cpu_seconds()
    result = world.load.run(port, asked, 4 if work in NAMED else 1)
    expect(f"{work} of {grown.stored}", result, status, len(asked))
    return 1000 * (child.cpu_seconds() - began) / len(asked), 1000 * median(result.latencies)


def _grown(world: World, stored: int) -> Grown:
    hark = Hark(world)
    hark.name = f"grown-{stored}-{secrets.token_hex(2)}"
    hark.start_accepting()
    began = time.monotonic()
    parsed = api_keys.parse(hark.key or "")
    assert parsed is not None
    ids = asyncio.run(_store(world, hark, parsed[1], stored))
    print(f"growth: {stored} stored in {time.monotonic() - began:.0f} s", flush=True)
    port = free_port()
    relay = hark.start(f"{hark.name}-relay", Source("relay", "functions/relay/main.py"), port)
    return Grown(stored, hark, ids, hark.accepting, relay, port)


async def _store(world: World, hark: Hark, caller: str, count: int) -> list[str]:
    """Sent ones, of the caller whose id that is. Returns some of their ids."""
    project = f"projects/{hark.project}/databases/(default)"
    database = rpc.Rpc(rpc.connect(world.hosts["firestore"]), project, emulated=True)
    at_once = asyncio.Semaphore(AT_ONCE)
    ids: list[str] = []

    async def store(batch: Sequence[Notification]) -> None:
        async with at_once:
            written = []
            for one in batch:
                name = records.notification_name(database.documents, one.id)
                delivery = _delivery(one)
                path = records.delivery_name(database.documents, one.id, "sms")
                values = records.fixed_values(delivery) | records.state_values(delivery)
                written += [writes.create(name, records.notification_values(one)), writes.create(path, values)]
            assert None not in await database.batch_write(written)

    async with asyncio.TaskGroup() as tasks:
        for start in range(0, count, BATCH):
            batch = [_notification(n, caller) for n in range(start, min(start + BATCH, count))]
            ids += [one.id for one in batch[:10]]
            tasks.create_task(store(batch))
            if start % (BATCH * 20) == 0:
                await asyncio.sleep(0)
    return ids


def _notification(number: int, caller: str) -> Notification:
    created = datetime.now(UTC) - timedelta(seconds=600 + number)
    expires = created + timedelta(days=30)
    return Notification(
        str(uuid.uuid4()), ("sms",), f"Build {number} is live", created, expires, "", number % SHARDS, caller
    )


def _delivery(one: Notification) -> Delivery:
    delivery = Delivery(
        one.id, "sms", "+14155552671", one.created_at, one.caller, shard=one.shard, expire_at=one.expire_at
    )
    attempt = Attempt(1, one.created_at, Outcome.ACCEPTED, duration_ms=40)
    message_id = f"SM{secrets.token_hex(16)}"
    return replace(
        delivery,
        status=DeliveryStatus.SENT,
        attempts=(attempt,),
        updated_at=one.created_at,
        provider="twilio",
        provider_message_id=message_id,
    )


def summary(pairs: Pairs) -> Mapping[str, object]:
    return {
        work: {str(grown.stored): {"cpu_ms": grown.cpu[work], "p50_ms": grown.waited[work]} for grown in pair}
        for work, pair in pairs.items()
    }
