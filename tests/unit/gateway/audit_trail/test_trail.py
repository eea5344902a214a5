"""The chains: each entry says what is before it, whatever becomes of a write."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from functions.gateway.audit_trail.entry import Act, AuditEntry, AuditResult, digest
from functions.gateway.audit_trail.trail import CHAIN_LASTS, Trail
from shared.delivery.errors import StoreUnavailable
from shared.runtime import logs
from tests.fakes.audit import MemoryAudit
from tests.fakes.clock import Clock
from tests.integration.canaries import Output

ACT = Act("0123456789abcdef", "pause_channel", "channels/sms", AuditResult.DONE, 200, "203.0.113.0/24")


@pytest.fixture
def store() -> MemoryAudit:
    return MemoryAudit()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def trail(store: MemoryAudit, clock: Clock) -> Trail:
    return Trail(store, clock.now)


def on_record(store: MemoryAudit) -> list[AuditEntry]:
    return sorted(store.records.values(), key=lambda entry: (entry.at, entry.id))


async def test_each_entry_says_the_hash_of_the_one_before(store: MemoryAudit, trail: Trail) -> None:
    await asyncio.gather(*(trail.append(replace(ACT, status=200 + n)) for n in range(5)))
    entries = on_record(store)
    assert [entry.number for entry in entries] == [1, 2, 3, 4, 5]
    assert len({entry.chain for entry in entries}) == 1
    assert [entry.previous for entry in entries] == ["", *(entry.hash for entry in entries[:-1])]
    assert all(entry.hash == digest(entry) for entry in entries)
    assert store.writes == 2, "those that wait for the first are written together"


async def test_whoever_goes_away_while_it_is_written_leaves_the_others_theirs(store: MemoryAudit, trail: Trail) -> None:
    first = asyncio.create_task(trail.put(ACT))
    rest = [asyncio.create_task(trail.put(ACT)) for _ in range(2)]
    await asyncio.sleep(0)
    first.cancel()
    assert {entry.number for entry in await asyncio.gather(*rest)} == {1, 2}
    assert [entry.lost for entry in on_record(store)][:1] == [1]


@pytest.mark.parametrize(
    "change", [{"actor": "another"}, {"result": AuditResult.REFUSED}, {"network": None}, {"left_out": 1}, {"lost": 1}]
)
async def test_another_content_has_another_hash(store: MemoryAudit, trail: Trail, change: dict[str, object]) -> None:
    entry = await trail.put(ACT)
    assert digest(replace(entry, **change)) != entry.hash  # type: ignore[arg-type]


async def test_each_gateway_has_chains_of_its_own_and_a_new_one_says_where_the_others_ended(
    store: MemoryAudit, trail: Trail, clock: Clock
) -> None:
    await trail.append(ACT)
    last = await trail.put(ACT)
    clock.advance(1)
    first = await Trail(store, clock.now).put(ACT)
    assert first.chain != last.chain
    assert (first.number, first.follows, first.previous) == (1, (last.head,), "")


async def test_a_chain_ends_after_an_hour_and_the_next_one_names_its_end(trail: Trail, clock: Clock) -> None:
    last = await trail.put(ACT)
    clock.advance(CHAIN_LASTS)
    first = await trail.put(ACT)
    assert (first.number, first.follows) == (1, (last.head,))


async def test_a_clock_that_is_set_back_puts_no_entry_before_the_last(trail: Trail, clock: Clock) -> None:
    first = await trail.put(ACT)
    clock.time -= timedelta(seconds=5)
    assert (await trail.put(ACT)).at == first.at


@pytest.mark.parametrize("landing", [True, False])
async def test_a_write_whose_answer_is_lost_is_made_once(store: MemoryAudit, trail: Trail, landing: bool) -> None:
    store.failing, store.landing = 1, landing
    await trail.append(ACT)
    await trail.append(ACT)
    assert [(entry.number, entry.lost) for entry in on_record(store)] == [(1, 0), (2, 0)]


@pytest.mark.parametrize("landing", [True, False])
async def test_what_cannot_be_written_is_a_line_with_severity_error_and_counted_by_the_next(
    store: MemoryAudit, trail: Trail, capsys: pytest.CaptureFixture[str], landing: bool
) -> None:
    logs.configure()
    first = await trail.put(ACT)
    store.failing, store.landing = 2, landing
    await trail.append(ACT)
    (line,) = Output(capsys).lines()
    assert (line["severity"], line["message"]) == ("ERROR", "an act could not be put on record")
    assert line["audit"]["record"] == "channels/sms"
    after = await trail.put(ACT)
    assert (after.number, after.lost) == (1, 1), "the chain has ended: nobody knows whether there is a second of it"
    assert after.chain != first.chain
    (head,) = after.follows
    assert (head.chain, head.number) == (first.chain, 2 if landing else 1)


async def test_without_a_log_line_the_failure_is_raised(store: MemoryAudit, trail: Trail) -> None:
    store.failing = 2
    with pytest.raises(StoreUnavailable):
        await trail.put(ACT)


async def test_the_log_has_the_entry_with_its_hash(
    store: MemoryAudit, trail: Trail, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure()
    await trail.append(ACT)
    (line,) = Output(capsys).all_lines()
    (entry,) = on_record(store)
    assert (line["severity"], line["message"]) == ("INFO", "audit")
    assert (line["audit"]["hash"], line["audit"]["actor"]) == (entry.hash, ACT.actor)
