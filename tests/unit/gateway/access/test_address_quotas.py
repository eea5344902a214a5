"""How many messages an hour go to one address: exactly from one gateway, and how far off from several."""

import asyncio
from datetime import timedelta

import pytest

from functions.gateway.access import address_quotas
from functions.gateway.access.address_quotas import AddressQuotas
from functions.gateway.web.problem_details import Problem
from shared.channels.declaration import Screen
from tests.fakes.callers import MemoryCallers
from tests.fakes.clock import START, Clock

NUMBER = "+14155552671"
HOUR = START.replace(minute=0, second=0, microsecond=0)


def screens(most: int | None = 30) -> dict[str, Screen]:
    return {"sms": Screen(lambda _: None, most, "SMS_PER_NUMBER_PER_HOUR")}


def sent(quotas: AddressQuotas, address: str = NUMBER, most: int | None = 30, *, simulated: bool = False) -> bool:
    try:
        quotas.add(quotas.check(screens(most), {"sms": address, "email": "a@example.com"}, simulated=simulated))
    except Problem:
        return False
    return True


async def exchanged(*quotas: AddressQuotas) -> None:
    """All exchanges that are on their way are over."""
    await asyncio.gather(*(count.exchange for each in quotas for count in each._counts.values() if count.exchange))


async def test_one_gateway_counts_exactly_and_a_new_hour_begins_anew() -> None:
    clock = Clock(HOUR)
    quotas = AddressQuotas(MemoryCallers(), clock.now)
    assert sum([sent(quotas) for _ in range(300)]) == 30
    await exchanged(quotas)
    assert sent(quotas, "+14155552672")
    clock.advance(timedelta(minutes=59))
    assert not sent(quotas)
    clock.advance(timedelta(minutes=1))
    assert sent(quotas)
    await exchanged(quotas)


async def test_what_is_scheduled_counts_in_the_hour_that_it_is_for() -> None:
    quotas = AddressQuotas(MemoryCallers(), Clock(HOUR).now)
    later = HOUR + timedelta(hours=20, minutes=5)

    def scheduled() -> None:
        quotas.add(quotas.check(screens(2), {"sms": NUMBER}, later, simulated=False))

    scheduled()
    scheduled()
    with pytest.raises(Problem):
        scheduled()
    assert [sent(quotas, most=2) for _ in range(3)] == [True, True, False]
    await exchanged(quotas)


async def test_a_refusal_names_the_setting_and_says_when_to_come_back() -> None:
    quotas = AddressQuotas(MemoryCallers(), Clock(HOUR + timedelta(minutes=50)).now)
    assert sent(quotas, most=1)
    with pytest.raises(Problem) as problem:
        quotas.check(screens(1), {"sms": NUMBER}, simulated=False)
    await exchanged(quotas)
    assert problem.value.status == 429
    assert (problem.value.detail or "").startswith("SMS_PER_NUMBER_PER_HOUR: 1 messages an hour")
    assert NUMBER not in (problem.value.detail or "")
    assert problem.value.headers == {"Retry-After": "600"}


async def test_without_a_limit_nothing_is_counted() -> None:
    store = MemoryCallers()
    quotas = AddressQuotas(store, Clock(HOUR).now)
    assert all(sent(quotas, most=None) for _ in range(100))
    assert (store.adds, quotas._counts) == (0, {})


async def test_an_address_that_gets_few_costs_no_write() -> None:
    store = MemoryCallers()
    quotas = AddressQuotas(store, Clock(HOUR).now)
    for n in range(100):
        assert sent(quotas, f"+1415555{n:04}")
        assert sent(quotas, f"+1415555{n:04}")
    await exchanged(quotas)
    assert store.adds == 0


@pytest.mark.parametrize("gateways", [1, 2, 5, 10])
async def test_many_gateways_let_through_at_most_a_tenth_of_the_limit_each_too_much(gateways: int) -> None:
    store, clock = MemoryCallers(), Clock(HOUR)
    quotas = [AddressQuotas(store, clock.now) for _ in range(gateways)]
    through = 0
    for n in range(300):
        through += sent(quotas[n * 7 % gateways])
        await exchanged(*quotas)
    assert 30 <= through <= 30 * (1 + gateways / 10)
    assert store.adds <= through // 3 + gateways


async def test_what_is_none_is_uncounted_in_its_own_hour() -> None:
    clock = Clock(HOUR)
    quotas = AddressQuotas(MemoryCallers(), clock.now)
    for _ in range(100):
        counts = quotas.check(screens(), {"sms": NUMBER}, simulated=False)
        quotas.add(counts)
        quotas.uncount(counts)
    counts = quotas.check(screens(), {"sms": NUMBER}, simulated=False)
    quotas.add(counts)
    clock.advance(timedelta(hours=1))
    assert sum([sent(quotas) for _ in range(50)]) == 30
    quotas.uncount(counts)
    assert not sent(quotas)
    await exchanged(quotas)


async def test_what_a_test_key_sends_takes_nothing_from_anybody() -> None:
    quotas = AddressQuotas(MemoryCallers(), Clock(HOUR).now)
    assert sum([sent(quotas, simulated=True) for _ in range(50)]) == 30
    assert sent(quotas)
    await exchanged(quotas)


async def test_an_outage_of_the_records_leaves_each_gateway_its_own_count() -> None:
    store = MemoryCallers()
    store.down = True
    quotas = AddressQuotas(store, Clock(HOUR).now)
    assert sum([sent(quotas) for _ in range(50)]) == 30
    await exchanged(quotas)


async def test_memory_is_bounded_and_holds_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address_quotas, "MOST_ADDRESSES", 10)
    store = MemoryCallers()
    quotas = AddressQuotas(store, Clock(HOUR).now)
    for n in range(100):
        for _ in range(3):
            assert sent(quotas, f"+1415555{n:04}")
    await exchanged(quotas)
    assert len(quotas._counts) == 10
    assert "+1415" not in repr((quotas._counts, store.used))
