"""How far off the counts of what callers use are: by how many gateways there are, and by what is on its way."""

import asyncio
import random
from contextlib import suppress
from datetime import datetime, timedelta

import pytest

from functions.gateway.access import api_keys
from functions.gateway.access import caller_quotas as counting
from functions.gateway.access.caller import Caller, CallerKind, Scope
from functions.gateway.access.caller_quotas import CallerQuotas, Counted
from functions.gateway.web.problem_details import Problem
from tests.fakes.callers import MemoryCallers
from tests.fakes.clock import START, Clock

MINUTE = START.replace(hour=12, second=0, microsecond=0)


def a_caller(**quotas: int) -> Caller:
    return Caller(api_keys.new_caller_id(), CallerKind.LIVE, frozenset(Scope), **quotas)  # type: ignore[arg-type]


def quotas_over(store: MemoryCallers, clock: Clock) -> CallerQuotas:
    return CallerQuotas(store, clock.now, lambda: clock.now().timestamp())


async def exchanged(*quotas: CallerQuotas) -> None:
    """All exchanges that are on their way are over."""
    tasks = [count.exchange for each in quotas for count in each._counts.values() if count.exchange]
    await asyncio.gather(*tasks)


async def on_its_way() -> None:
    """An exchange that has begun has reached the store."""
    await asyncio.sleep(0)
    await asyncio.sleep(0)


def let_through(quotas: CallerQuotas, caller: Caller) -> bool:
    try:
        quotas.request(caller)
    except Problem:
        return False
    return True


def accepted(quotas: CallerQuotas, caller: Caller) -> Counted | None:
    try:
        quotas.request(caller)
        return quotas.notification(caller)
    except Problem:
        return None


async def test_a_refusal_names_the_limit_and_says_when_to_come_back() -> None:
    clock = Clock(START.replace(second=20))
    quotas = CallerQuotas(MemoryCallers(), clock.now)
    caller = a_caller(requests_per_minute=1)
    quotas.request(caller)
    with pytest.raises(Problem) as problem:
        quotas.request(caller)
    await exchanged(quotas)
    assert (problem.value.status, problem.value.detail) == (429, "this caller has a limit of 1 requests a minute")
    assert problem.value.headers == {"Retry-After": "40"}


async def test_one_gateway_counts_exactly_and_a_new_minute_begins_anew() -> None:
    clock = Clock(START.replace(second=0))
    quotas = CallerQuotas(MemoryCallers(), clock.now)
    caller = a_caller(requests_per_minute=30)
    assert sum([let_through(quotas, caller) for _ in range(50)]) == 30
    await exchanged(quotas)
    clock.advance(timedelta(seconds=59))
    assert not let_through(quotas, caller)
    clock.advance(timedelta(seconds=1))
    assert let_through(quotas, caller)
    await exchanged(quotas)


@pytest.mark.parametrize("gateways", [1, 2, 5, 10])
async def test_many_gateways_let_through_at_most_a_tenth_of_the_limit_each_too_much(gateways: int) -> None:
    clock = Clock(START.replace(second=0))
    store = MemoryCallers()
    quotas = [quotas_over(store, clock) for _ in range(gateways)]
    caller = a_caller(requests_per_minute=600)
    through = 0
    for n in range(3000):
        through += let_through(quotas[n * 7 % gateways], caller)
        await exchanged(*quotas)
        clock.advance(timedelta(milliseconds=15))
    assert 600 <= through <= 600 * (1 + gateways / 10)
    assert store.adds <= through // 60 + 10 * gateways * 2, "no exchange for each request"


@pytest.mark.parametrize("order", ["in turn", "one by one", "at random"])
@pytest.mark.parametrize("most", [10, 15, 40, 100])
@pytest.mark.parametrize("gateways", [1, 2, 5])
async def test_with_the_clock_still_the_tenths_alone_hold_notifications_and_requests(
    gateways: int, most: int, order: str
) -> None:
    """No exchange is due by the time, so only that a tenth has come together makes the gateways know of each other."""
    draw = random.Random(7)
    for name in ("requests_per_minute", "notifications_per_day"):
        clock, store = Clock(MINUTE), MemoryCallers()
        quotas = [quotas_over(store, clock) for _ in range(gateways)]
        caller = a_caller(**{name: most})
        through = 0
        for n in range(gateways * most * 2):
            asked = {"in turn": n % gateways, "one by one": n // (most * 2), "at random": draw.randrange(gateways)}
            through += accepted(quotas[asked[order]], caller) is not None
            await exchanged(*quotas)
        assert most <= through <= most + gateways * (most // 10), name


async def test_while_an_exchange_is_on_its_way_no_other_begins() -> None:
    clock, store = Clock(MINUTE), MemoryCallers()
    quotas = quotas_over(store, clock)
    caller = a_caller(requests_per_minute=1000, notifications_per_day=10)
    store.answering.clear()
    for _ in range(50):
        let_through(quotas, caller)
        await on_its_way()
    assert store.adds == 1
    assert accepted(quotas, caller)
    await on_its_way()
    assert store.adds == 1


async def test_what_came_meanwhile_is_exchanged_as_soon_as_it_may_be() -> None:
    """Not at the next request, which may come an hour later, and to another gateway."""
    clock, store = Clock(MINUTE), MemoryCallers()
    quotas = quotas_over(store, clock)
    caller = a_caller(notifications_per_day=10)
    store.answering.clear()
    quotas.request(caller)
    await on_its_way()
    for _ in range(3):
        assert quotas.notification(caller)
    store.answering.set()
    await exchanged(quotas)
    assert store.used[caller.id, f"{MINUTE:%d}"] == 3


@pytest.mark.parametrize("early", [0, 1, 5, 20, 29, 30])
@pytest.mark.parametrize("before", [1, 20, 30])
async def test_an_exchange_in_flight_over_a_minutes_turn_changes_nothing_in_the_new_minute(
    before: int, early: int
) -> None:
    """early: how many of the new minute's requests come before the answer of the old minute's exchange"""
    clock, store = Clock(MINUTE), MemoryCallers()
    quotas = quotas_over(store, clock)
    caller = a_caller(requests_per_minute=30)
    store.answering.clear()
    assert all(let_through(quotas, caller) for _ in range(before))
    await on_its_way()
    assert store.used[caller.id, f"{MINUTE:%d %H:%M}"] == before
    clock.advance(timedelta(minutes=1))
    through = sum([let_through(quotas, caller) for _ in range(early)])
    store.answering.set()
    await exchanged(quotas)
    through += sum([let_through(quotas, caller) for _ in range(60)])
    await exchanged(quotas)
    assert through == 30
    assert not let_through(quotas, caller)


@pytest.mark.parametrize("early", [0, 4, 10])
async def test_an_exchange_in_flight_over_midnight_changes_nothing_in_the_new_day(early: int) -> None:
    clock, store = Clock(MINUTE.replace(hour=23, minute=59)), MemoryCallers()
    quotas = quotas_over(store, clock)
    caller = a_caller(notifications_per_day=10)
    store.answering.clear()
    assert all(accepted(quotas, caller) for _ in range(8))
    await on_its_way()
    clock.advance(timedelta(minutes=1))
    through = [accepted(quotas, caller) for _ in range(early)]
    store.answering.set()
    await exchanged(quotas)
    through += [accepted(quotas, caller) for _ in range(30)]
    await exchanged(quotas)
    assert sum(counted is not None for counted in through) == 10


@pytest.mark.parametrize("turn", [timedelta(0), timedelta(hours=12)])
async def test_what_turns_out_to_be_no_notification_gives_its_place_back_on_its_own_day(turn: timedelta) -> None:
    clock, store = Clock(MINUTE), MemoryCallers()
    quotas = quotas_over(store, clock)
    caller = a_caller(notifications_per_day=10)
    counted = [accepted(quotas, caller) for _ in range(10)]
    assert accepted(quotas, caller) is None
    await exchanged(quotas)
    clock.advance(turn)
    for each in counted[:4]:
        assert each is not None
        each.uncount()
    await exchanged(quotas)
    again = [accepted(quotas, caller) for _ in range(30)]
    assert sum(each is not None for each in again) == (10 if turn else 4)
    await exchanged(quotas)


async def test_notifications_are_counted_by_the_day_and_survive_a_new_gateway() -> None:
    clock = Clock(START.replace(hour=12))
    store = MemoryCallers()
    caller = a_caller(notifications_per_day=20)
    first = quotas_over(store, clock)
    for _ in range(20):
        first.request(caller)
        first.notification(caller)
        clock.advance(timedelta(seconds=11))
        await exchanged(first)
    with pytest.raises(Problem) as problem:
        first.notification(caller)
    assert problem.value.status == 429
    assert problem.value.headers is not None
    assert 40_000 < int(problem.value.headers["Retry-After"]) <= 43_201

    second = quotas_over(store, clock)
    second.request(caller)
    await exchanged(second)
    with pytest.raises(Problem):
        second.notification(caller)
    clock.advance(timedelta(days=1))
    second.notification(caller)
    await exchanged(second)


async def test_that_none_is_left_is_told_without_counting_one() -> None:
    clock = Clock(MINUTE)
    quotas = quotas_over(MemoryCallers(), clock)
    caller = a_caller(notifications_per_day=1)
    for _ in range(3):
        quotas.notification_left(caller)
    quotas.notification(caller)
    with pytest.raises(Problem) as problem:
        quotas.notification_left(caller)
    assert problem.value.detail == "this caller has a limit of 1 notifications a day"
    await exchanged(quotas)


async def test_an_outage_of_the_records_leaves_each_gateway_its_own_count() -> None:
    store = MemoryCallers()
    store.down = True
    quotas = CallerQuotas(store, Clock(START).now)
    caller = a_caller(requests_per_minute=30)
    assert sum([let_through(quotas, caller) for _ in range(50)]) == 30
    await exchanged(quotas)
    assert not let_through(quotas, caller)
    await exchanged(quotas)


async def test_what_is_left_below_a_tenth_is_exchanged_though_all_are_refused() -> None:
    clock, store = Clock(MINUTE), MemoryCallers()
    quotas = quotas_over(store, clock)
    caller = a_caller(requests_per_minute=35)
    while let_through(quotas, caller):
        await exchanged(quotas)
    assert store.used[caller.id, f"{MINUTE:%d %H:%M}"] < 35
    clock.advance(10)
    assert not let_through(quotas, caller)
    await exchanged(quotas)
    assert store.used[caller.id, f"{MINUTE:%d %H:%M}"] == 35


async def test_of_callers_beyond_number_the_latest_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("functions.gateway.access.caller_quotas.MOST_CALLERS", 3)
    quotas = quotas_over(MemoryCallers(), Clock(MINUTE))
    for _ in range(10):
        caller = a_caller(requests_per_minute=1)
        assert let_through(quotas, caller)
        assert not let_through(quotas, caller)
        await exchanged(quotas)
        assert len(quotas._counts) <= 3


async def test_the_last_use_of_a_caller_without_limits_is_known_within_a_minute() -> None:
    clock, store = Clock(MINUTE), MemoryCallers()
    quotas = quotas_over(store, clock)
    caller = a_caller()
    seen: list[datetime] = []
    for _ in range(300):
        quotas.request(caller)
        await exchanged(quotas)
        seen.append(store.uses[caller.id])
        assert clock.now() - seen[-1] < timedelta(minutes=1)
        clock.advance(1)
    assert len(set(seen)) == 300 // 50


async def test_segments_are_counted_by_the_day_whole_messages_only() -> None:
    clock = Clock(MINUTE)
    quotas = quotas_over(MemoryCallers(), clock)
    caller = a_caller(segments_per_day=10)
    for _ in range(2):
        quotas.notification(caller, 3)
    counted = quotas.notification(caller, 3)
    with pytest.raises(Problem, match="10 segments a day") as problem:
        quotas.notification(caller, 2)
    assert problem.value.status == 429
    assert problem.value.headers is not None
    assert 0 < int(problem.value.headers["Retry-After"]) <= 86_400
    quotas.notification(caller)  # an e-mail has none
    quotas.notification(caller, 1)
    quotas.notification(caller)
    counted.uncount()
    quotas.notification(caller, 3)
    with pytest.raises(Problem):
        quotas.notification(caller, 1)
    clock.advance(timedelta(days=1))
    quotas.notification(caller, 10)
    quotas.notification(a_caller(), 1_000_000)
    await exchanged(quotas)


@pytest.mark.parametrize("gateways", [1, 2, 5])
async def test_with_the_clock_still_the_tenths_alone_hold_segments(gateways: int) -> None:
    clock, store = Clock(MINUTE), MemoryCallers()
    quotas = [quotas_over(store, clock) for _ in range(gateways)]
    caller = a_caller(segments_per_day=200)
    through = 0
    for n in range(200 * gateways):
        with suppress(Problem):
            quotas[n % gateways].notification(caller, 2)
            through += 2
        await exchanged(*quotas)
    assert 200 <= through <= 200 + gateways * 20


ODD = timedelta(minutes=1, seconds=1, microseconds=1)


async def test_a_minute_and_a_day_are_the_clocks_whatever_lies_between() -> None:
    clock = Clock(MINUTE + timedelta(seconds=12))
    quotas = quotas_over(MemoryCallers(), clock)
    caller = a_caller(requests_per_minute=1, notifications_per_day=1)
    quotas.request(caller)
    quotas.notification(caller)
    for left in (48, 47):
        with pytest.raises(Problem) as problem:
            quotas.request(caller)
        assert problem.value.headers == {"Retry-After": str(left)}
        clock.advance(timedelta(seconds=1))
    clock.advance(timedelta(microseconds=1))
    assert not let_through(quotas, caller)
    clock.time = MINUTE + timedelta(minutes=1)
    assert let_through(quotas, caller)
    midnight = MINUTE.replace(hour=0, minute=0) + timedelta(days=1)
    while clock.now() + 20 * ODD < midnight:
        clock.advance(20 * ODD)
        with pytest.raises(Problem) as problem:
            quotas.notification(caller)
    clock.time = midnight - timedelta(seconds=30)
    with pytest.raises(Problem) as problem:
        quotas.notification(caller)
    assert problem.value.headers == {"Retry-After": "30"}
    clock.time = midnight
    quotas.notification(caller)
    await exchanged(quotas)


async def test_who_is_over_its_segments_sends_what_has_none() -> None:
    """Several gateways together let through more than the limit."""
    clock, store = Clock(MINUTE), MemoryCallers()
    caller = a_caller(segments_per_day=100)
    gateways = [quotas_over(store, clock) for _ in range(2)]
    for quotas in gateways:
        quotas.notification(caller, 60)
    await exchanged(*gateways)
    with pytest.raises(Problem):
        gateways[1].notification(caller, 1)
    gateways[1].notification(caller)
    await exchanged(*gateways)


@pytest.mark.parametrize(
    "limit", [{"requests_per_minute": 10**9}, {"notifications_per_day": 10**9}, {"segments_per_day": 10**9}, {}]
)
async def test_who_has_any_limit_is_exchanged_every_ten_seconds_and_else_every_fifty(limit: dict[str, int]) -> None:
    clock, store = Clock(MINUTE), MemoryCallers()
    quotas = quotas_over(store, clock)
    caller = a_caller(**limit)
    at = []
    for second in range(101):
        before = store.adds
        quotas.request(caller)
        await exchanged(quotas)
        at += [second] * (store.adds - before)
        clock.advance(1)
    assert at == list(range(0, 101, 10 if limit else 50))


async def test_a_tenth_of_the_limit_is_exchanged_and_no_less() -> None:
    clock, store = Clock(MINUTE), MemoryCallers()
    quotas = quotas_over(store, clock)
    caller = a_caller(requests_per_minute=110)
    at = []
    for n in range(1, 40):
        before = store.adds
        quotas.request(caller)
        await exchanged(quotas)
        at += [n] * (store.adds - before)
    assert at == [1, 12, 23, 34]


def test_so_many_callers_are_counted_at_once() -> None:
    assert counting.MOST_CALLERS == 10_000
