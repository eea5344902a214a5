"""How many lists are made and sent at once: each caller waits for itself alone."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from functions.gateway.access.caller_turns import MOST_MADE, MOST_OF_A_CALLER, MOST_WAITING, Turns
from functions.gateway.web.problem_details import Problem


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("functions.gateway.access.caller_turns.WAIT_SECONDS", 0.05)


@pytest.fixture
def lists() -> Turns:
    return Turns()


async def refused(lists: Turns, caller: str) -> Problem | None:
    try:
        async with lists.turn(caller):
            return None
    except Problem as problem:
        return problem


async def test_a_callers_excess_is_a_429_that_says_when_to_ask_again(lists: Turns) -> None:
    async with AsyncExitStack() as turns:
        for _ in range(MOST_OF_A_CALLER):
            await turns.enter_async_context(lists.turn("greedy"))
        problem = await refused(lists, "greedy")
        assert problem is not None
        assert problem.status == 429
        assert problem.headers == {"Retry-After": "1"}
        assert await refused(lists, "other") is None
    assert await refused(lists, "greedy") is None


async def test_whoever_waits_gets_the_turn_of_one_that_ends(lists: Turns) -> None:
    async with AsyncExitStack() as turns:
        for _ in range(MOST_OF_A_CALLER - 1):
            await turns.enter_async_context(lists.turn("busy"))
        async with lists.turn("busy"):
            waiting = asyncio.create_task(refused(lists, "busy"))
            await asyncio.sleep(0)
        assert await waiting is None


async def test_of_those_that_wait_there_are_so_many(lists: Turns) -> None:
    async with AsyncExitStack() as turns:
        for _ in range(MOST_OF_A_CALLER):
            await turns.enter_async_context(lists.turn("greedy"))
        waiting = [asyncio.create_task(refused(lists, "greedy")) for _ in range(MOST_WAITING)]
        await asyncio.sleep(0)
        at_once = asyncio.create_task(refused(lists, "greedy"))
        await asyncio.sleep(0)
        assert at_once.done()
        assert not any(task.done() for task in waiting)
        problems = await asyncio.gather(at_once, *waiting)
    assert {problem.status for problem in problems if problem} == {429}
    assert await refused(lists, "greedy") is None


async def test_one_who_goes_away_while_it_waits_leaves_its_place(lists: Turns) -> None:
    async with AsyncExitStack() as turns:
        for _ in range(MOST_OF_A_CALLER):
            await turns.enter_async_context(lists.turn("fickle"))
        waiting = [asyncio.create_task(refused(lists, "fickle")) for _ in range(MOST_WAITING)]
        await asyncio.sleep(0)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    for _ in range(2 * MOST_OF_A_CALLER):
        assert await refused(lists, "fickle") is None


async def test_a_caller_has_one_made_at_a_time_and_all_together_a_few(lists: Turns) -> None:
    made: list[str] = []
    most = 0

    async def one(caller: str) -> None:
        nonlocal most
        async with lists.turn(caller), lists.making(caller):
            made.append(caller)
            assert len(set(made)) == len(made) <= MOST_MADE
            most = max(most, len(made))
            await asyncio.sleep(0)
            made.remove(caller)

    await asyncio.gather(*(one(caller) for caller in "aabbccdd"))
    assert most == MOST_MADE


async def test_nobody_is_blamed_for_the_lists_of_others(lists: Turns) -> None:
    async with AsyncExitStack() as others:
        for n in range(MOST_MADE):
            await others.enter_async_context(lists.turn(f"other {n}"))
            await others.enter_async_context(lists.making(f"other {n}"))
        async with lists.turn("mine"):
            with pytest.raises(Problem) as busy:
                async with lists.making("mine"):
                    raise AssertionError("there is no place")
    assert busy.value.status == 503
    assert "Retry-After" in (busy.value.headers or {})


async def test_nothing_is_kept_of_a_caller_that_lists_no_more(lists: Turns) -> None:
    for n in range(1000):
        assert await refused(lists, f"{n}") is None
    assert not lists._turns
