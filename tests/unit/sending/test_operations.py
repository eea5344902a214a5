"""Work on many records: page by page, one worker at a time, whoever dies, pauses or cancels."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest

from shared.delivery.errors import PublishFailed, StoreUnavailable, UnreadableRecord, WrongState
from shared.runtime import logs
from shared.sending import operations as module
from shared.sending.operations import (
    AGAIN,
    MOST_FAILURES,
    NEAR,
    Operation,
    OperationState,
    Worker,
    begun,
    cancelled,
    paused,
    resumed,
)
from tests.fakes.clock import START, Clock
from tests.fakes.operations import MemoryOperations

S = OperationState
SECOND = timedelta(seconds=1)
Steer = Callable[[Operation, datetime], Operation]


async def nothing() -> None:
    pass


@dataclass
class Counting:
    """Counts to `last`, ten a page, each of them once however often its page runs. pace: between two pages."""

    clock: Clock
    last: int = 50
    pace: timedelta | None = None
    during: Callable[[], Awaitable[None]] = nothing
    pages: list[str | None] = field(default_factory=list)
    done: set[int] = field(default_factory=set)

    async def page(self, operation: Operation) -> Operation:
        self.pages.append(operation.after)
        first = int(operation.after or 0)
        new = set(range(first, first + 10)) - self.done
        self.done |= new
        await self.during()
        counts = {"counted": operation.counts.get("counted", 0) + len(new)}
        if first + 10 == self.last:
            return replace(operation, counts=counts, total=self.last, state=S.DONE)
        due_at = operation.due_at if self.pace is None else self.clock.now() + self.pace
        return replace(operation, counts=counts, total=self.last, after=str(first + 10), due_at=due_at)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def operations() -> MemoryOperations:
    return MemoryOperations()


@pytest.fixture
def kind(clock: Clock) -> Counting:
    return Counting(clock)


@pytest.fixture
def worker(clock: Clock, operations: MemoryOperations, kind: Counting) -> Worker:
    return Worker({"count": kind}, operations, clock.now, clock.sleep)


async def made(operations: MemoryOperations, operation_id: str = "o", kind: str = "count") -> Operation:
    operation = begun(operation_id, kind, "c", {"what": "numbers"}, START)
    return replace(operation, version=await operations.create(operation))


async def steered(operations: MemoryOperations, steer: Steer, at: datetime = START) -> None:
    there = await operations.read("o")
    assert there is not None
    await operations.update(steer(there, at))


async def test_it_is_worked_off_page_by_page(worker: Worker, operations: MemoryOperations, kind: Counting) -> None:
    done = await worker.work(await made(operations), 60)
    assert (done.state, done.due_at, done.counts, done.total) == (S.DONE, None, {"counted": 50}, 50)
    assert kind.pages == [None, "10", "20", "30", "40"]
    assert operations.records["o"] == done


async def test_what_somebody_has_is_nobody_elses(worker: Worker, operations: MemoryOperations, clock: Clock) -> None:
    await made(operations)
    assert await worker.sweep(60) == 0
    clock.advance(AGAIN + SECOND)
    assert await worker.sweep(60) == 1
    assert operations.records["o"].state is S.DONE


async def test_a_page_is_under_a_lease_and_of_two_sweeps_one_gets_it(
    worker: Worker, operations: MemoryOperations, kind: Counting, clock: Clock
) -> None:
    await made(operations)
    clock.advance(AGAIN + SECOND)
    leases = []

    async def during() -> None:
        leases.append(operations.records["o"].due_at)
        assert await operations.due(clock.now(), 9, {"count"}) == []

    kind.during = during
    await asyncio.gather(worker.sweep(60), worker.sweep(60))
    assert leases == [clock.now() + AGAIN] * 5
    assert kind.pages == [None, "10", "20", "30", "40"]


async def test_without_time_it_stops_between_pages_and_is_due_at_once(
    worker: Worker, operations: MemoryOperations, clock: Clock
) -> None:
    stopped = await worker.work(await made(operations), 0)
    assert (stopped.state, stopped.after, stopped.due_at) == (S.RUNNING, "10", clock.now())
    clock.advance(SECOND)
    assert await worker.sweep(60) == 1
    assert operations.records["o"].counts == {"counted": 50}


async def test_a_near_page_is_waited_for(
    worker: Worker, operations: MemoryOperations, kind: Counting, clock: Clock
) -> None:
    kind.pace = timedelta(seconds=0.5)
    done = await worker.work(await made(operations), 60)
    assert (done.state, clock.slept) == (S.DONE, [0.5] * 4)


async def test_a_far_page_is_left_to_a_later_sweep(
    worker: Worker, operations: MemoryOperations, kind: Counting, clock: Clock
) -> None:
    kind.pace = NEAR + SECOND
    left = await worker.work(await made(operations), 60)
    assert (left.state, left.after, left.due_at, clock.slept) == (S.RUNNING, "10", START + kind.pace, [])
    assert await worker.sweep(60) == 0
    clock.advance(kind.pace + SECOND)
    assert await worker.sweep(60) == 1
    assert len(kind.pages) == 2


@pytest.mark.parametrize(
    ("steer", "state", "pages"),
    [(paused, S.PAUSED, 1), (cancelled, S.CANCELLED, 1), (resumed, S.RUNNING, 5)],
)
async def test_who_steers_during_a_page_is_heard_and_the_page_counts(
    worker: Worker, operations: MemoryOperations, kind: Counting, steer: Steer, state: OperationState, pages: int
) -> None:
    async def during() -> None:
        kind.during = nothing
        await steered(operations, steer)

    kind.during = during
    after = await worker.work(await made(operations), 60)
    assert len(kind.pages) == pages
    assert after.state is (S.DONE if pages == 5 else state)
    assert (operations.records["o"].state, operations.records["o"].counts) == (after.state, {"counted": 10 * pages})
    assert operations.records["o"].after == ("10" if pages == 1 else "40")


async def test_a_pause_that_is_over_before_the_page_is_stops_nothing(
    worker: Worker, operations: MemoryOperations, kind: Counting
) -> None:
    async def during() -> None:
        kind.during = nothing
        await steered(operations, paused)
        await steered(operations, resumed)

    kind.during = during
    assert (await worker.work(await made(operations), 60)).state is S.DONE
    assert kind.pages == [None, "10", "20", "30", "40"]


async def test_a_pause_between_two_paced_pages_stops_the_second(
    worker: Worker, operations: MemoryOperations, kind: Counting, clock: Clock
) -> None:
    kind.pace = SECOND

    async def sleep(seconds: float) -> None:
        await clock.sleep(seconds)
        await steered(operations, paused)

    after = await replace(worker, sleep=sleep).work(await made(operations), 60)
    assert (after.state, after.after, after.counts, len(kind.pages)) == (S.PAUSED, "10", {"counted": 10}, 1)


async def test_what_is_paused_is_not_due_and_resumed_it_goes_on_where_it_was(
    worker: Worker, operations: MemoryOperations, kind: Counting, clock: Clock
) -> None:
    await worker.work(await made(operations), 0)
    await steered(operations, paused)
    clock.advance(2 * AGAIN)
    assert await worker.sweep(60) == 0
    await steered(operations, resumed)
    assert await worker.sweep(60) == 1
    assert (operations.records["o"].state, kind.pages) == (S.DONE, [None, "10", "20", "30", "40"])


async def test_a_pause_during_the_last_page_is_too_late_and_a_cancel_stands(
    worker: Worker, operations: MemoryOperations, kind: Counting
) -> None:
    kind.last = 10
    for steer, state in ((paused, S.DONE), (cancelled, S.CANCELLED)):

        async def during(steer: Steer = steer) -> None:
            await steered(operations, steer)

        kind.during, operations.records = during, {}
        after = await worker.work(await made(operations), 60)
        assert (after.state, after.due_at) == (state, None)
        assert operations.records["o"] == after


async def test_a_worker_whose_lease_was_over_gives_way(
    worker: Worker, operations: MemoryOperations, kind: Counting, clock: Clock
) -> None:
    """While it was at its page another has done it all: nothing is counted twice, nothing is written over."""

    async def during() -> None:
        kind.during = nothing
        clock.advance(AGAIN + SECOND)
        assert await worker.sweep(60) == 1

    kind.during = during
    late = await worker.work(await made(operations), 60)
    assert late.state is S.RUNNING, "as far as it knows"
    assert (operations.records["o"].state, operations.records["o"].after) == (S.DONE, "40")
    assert kind.done == set(range(50))


@pytest.mark.parametrize("error", [StoreUnavailable("down"), PublishFailed("down")])
async def test_an_outage_is_left_to_the_next_sweep_and_keeps_no_other_back(
    worker: Worker, operations: MemoryOperations, kind: Counting, clock: Clock, error: Exception
) -> None:
    async def during() -> None:
        kind.during = nothing
        raise error

    kind.during = during
    await made(operations, "a")
    await made(operations, "b")
    clock.advance(AGAIN + SECOND)
    assert await worker.sweep(60) == 2
    assert sorted(o.state for o in operations.records.values()) == [S.DONE, S.RUNNING]
    (left,) = (o for o in operations.records.values() if o.state is S.RUNNING)
    assert (left.failures, left.error, left.due_at) == (0, None, clock.now() + AGAIN)
    clock.advance(AGAIN + SECOND)
    assert await worker.sweep(60) == 1
    assert {o.state for o in operations.records.values()} == {S.DONE}


async def test_a_record_that_cannot_be_read_again_keeps_no_other_back(
    worker: Worker, operations: MemoryOperations, kind: Counting, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def spoilt(_: str) -> Operation | None:
        raise UnreadableRecord("operations/a: spoilt")

    async def during() -> None:
        kind.during = nothing
        await operations.update(operations.records["a"])

    for name in "ab":
        await made(operations, name)
    clock.advance(AGAIN + SECOND)
    kind.during = during
    monkeypatch.setattr(operations, "read", spoilt)
    assert await worker.sweep(60) == 2
    assert [operations.records[name].state for name in "ab"] == [S.RUNNING, S.DONE]


async def test_a_page_that_fails_is_tried_ever_more_seldom_and_says_where(
    worker: Worker, operations: MemoryOperations, kind: Counting, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    async def during() -> None:
        raise KeyError("canary")

    logs.configure()
    kind.during = during
    await made(operations)
    pauses = []
    while (there := operations.records["o"]).state is S.RUNNING:
        assert there.due_at is not None
        pauses.append((there.due_at - clock.now()).total_seconds())
        clock.time = there.due_at + timedelta(microseconds=1)
        assert await worker.sweep(60) == 1
    assert (there.state, there.failures, there.due_at, len(kind.pages)) == (S.FAILED, MOST_FAILURES, None, 20)
    assert [round(pause) for pause in pauses[1:9]] == [30, 30, 60, 120, 240, 480, 960, 1920]
    assert {round(pause) for pause in pauses[9:]} == {3600}
    assert there.error is not None
    assert there.error.startswith("KeyError at test_operations.py:")
    assert "canary" not in capsys.readouterr().out + str(there)


async def test_a_page_that_works_again_forgets_the_failures(
    worker: Worker, operations: MemoryOperations, kind: Counting, clock: Clock
) -> None:
    async def during() -> None:
        kind.during = nothing
        raise KeyError

    kind.during = during
    failed = await worker.work(await made(operations), 60)
    assert (failed.state, failed.failures, failed.counts, failed.due_at) == (S.RUNNING, 1, {}, START + AGAIN)
    clock.advance(AGAIN + SECOND)
    await worker.sweep(60)
    there = operations.records["o"]
    assert (there.state, there.failures, there.error, kind.done) == (S.DONE, 0, None, set(range(50)))


async def test_a_kind_that_is_not_known_is_left_alone(
    worker: Worker, operations: MemoryOperations, clock: Clock
) -> None:
    newer = await made(operations, "a", "from a newer version")
    await made(operations, "b")
    clock.advance(AGAIN + SECOND)
    assert await worker.sweep(60) == 1
    assert (operations.records["a"], operations.records["b"].state) == (newer, S.DONE)


async def test_a_long_one_keeps_no_other_waiting(
    worker: Worker, operations: MemoryOperations, kind: Counting, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of a sweep take turns, and what comes meanwhile is begun when one of them is done."""
    monkeypatch.setattr(module, "_AT_ONCE", 2)
    for name in "abcd":
        await made(operations, name)
    clock.advance(AGAIN + SECOND)
    kind.during = lambda: asyncio.sleep(0)
    assert await worker.sweep(60) == 4
    assert kind.pages[:4] == [None, None, "10", "10"]
    assert {o.state for o in operations.records.values()} == {S.DONE}


async def test_a_write_that_is_always_too_late_is_an_outage(
    worker: Worker, operations: MemoryOperations, monkeypatch: pytest.MonkeyPatch
) -> None:
    operation = await made(operations)
    real = operations.read

    async def read(operation_id: str) -> Operation | None:
        there = await real(operation_id)
        assert there is not None
        await operations.update(there)  # somebody is faster once more
        return there

    monkeypatch.setattr(operations, "read", read)
    await operations.update(operation)
    with pytest.raises(StoreUnavailable):
        await worker.work(operation, 60)


def test_steering_is_idempotent_and_nothing_brings_back_what_has_ended() -> None:
    running = begun("o", "count", "c", {}, START)
    assert resumed(running, START) is running
    stopped = paused(running, START + SECOND)
    assert (stopped.state, stopped.updated_at, stopped.due_at) == (S.PAUSED, START + SECOND, running.due_at)
    assert paused(stopped, START) is stopped
    assert resumed(stopped, START).state is S.RUNNING
    ended = cancelled(stopped, START)
    assert cancelled(ended, START) is ended
    for state in (S.CANCELLED, S.DONE, S.FAILED):
        for steer in (paused, resumed, cancelled):
            if (steer, state) != (cancelled, S.CANCELLED):
                with pytest.raises(WrongState, match=f"the operation is {state}"):
                    steer(replace(running, state=state), START)
