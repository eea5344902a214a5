"""One call for what is asked for at the same time."""

import asyncio
from collections.abc import Sequence

import pytest
from google.protobuf.wrappers_pb2 import StringValue

from shared.google.rpc_batching import PATIENCE, Batches, byte_size
from shared.runtime import trace_context


class Remote:
    """What it is asked for; each call is under way until `answer`."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self._ends: list[asyncio.Future[None]] = []

    async def __call__(self, items: Sequence[str]) -> Sequence[str]:
        end = asyncio.get_running_loop().create_future()
        self.calls.append(list(items))
        self._ends.append(end)
        await end
        return [item.upper() for item in items]

    def answer(self, number: int, error: BaseException | None = None) -> None:
        self._ends[number].set_exception(error) if error else self._ends[number].set_result(None)


@pytest.fixture
def remote() -> Remote:
    return Remote()


@pytest.fixture
def batches(remote: Remote) -> Batches[str, str]:
    return Batches(remote, most=4, most_bytes=20, size=len, key=lambda item: item[0])


async def turns(times: int = 5) -> None:
    """What is ready to run has run."""
    for _ in range(times):
        await asyncio.sleep(0)


def asked(batches: Batches[str, str], *groups: Sequence[str]) -> list[asyncio.Task[Sequence[str]]]:
    return [asyncio.create_task(batches.send(group)) for group in groups]


async def test_one_alone_goes_at_once(batches: Batches[str, str], remote: Remote) -> None:
    (only,) = asked(batches, ["a"])
    await turns()
    assert remote.calls == [["a"]]
    remote.answer(0)
    assert await only == ["A"]


async def test_what_comes_during_a_call_goes_together_with_the_next(batches: Batches[str, str], remote: Remote) -> None:
    tasks = asked(batches, ["a"], ["b"], ["c", "d"])
    await turns()
    assert remote.calls == [["a"]]
    remote.answer(0)
    await turns()
    assert remote.calls == [["a"], ["b", "c", "d"]]
    remote.answer(1)
    assert await asyncio.gather(*tasks) == [["A"], ["B"], ["C", "D"]]


async def test_after_the_last_call_the_next_goes_at_once_again(batches: Batches[str, str], remote: Remote) -> None:
    for number in range(3):
        (task,) = asked(batches, ["a"])
        await turns()
        remote.answer(number)
        assert await task == ["A"]
    assert len(remote.calls) == 3


async def test_a_call_that_stands_still_holds_the_others_up_for_a_moment_only(
    batches: Batches[str, str], remote: Remote
) -> None:
    stalled, other = asked(batches, ["a"], ["b"])
    await asyncio.sleep(2 * PATIENCE)
    assert remote.calls == [["a"], ["b"]]
    (third,) = asked(batches, ["c"])
    remote.answer(0)  # an older one that ends lets nothing go: the newest is still young
    await turns()
    remote.answer(1)
    assert await other == ["B"]
    await turns()
    remote.answer(2)
    assert await third == ["C"]
    assert await stalled == ["A"]


async def test_no_call_has_more_than_its_most(batches: Batches[str, str], remote: Remote) -> None:
    tasks = asked(batches, ["a"], ["b", "c"], ["d", "e", "f"], ["g"])
    await turns()
    for number in range(3):
        remote.answer(number)
        await turns()
    assert remote.calls == [["a"], ["b", "c"], ["d", "e", "f", "g"]]
    await asyncio.gather(*tasks)


async def test_no_call_has_more_bytes_than_its_most(batches: Batches[str, str], remote: Remote) -> None:
    tasks = asked(batches, ["a"], ["b" * 15], ["c" * 6], ["d" * 40])
    await turns()
    for number in range(4):
        remote.answer(number)
        await turns()
    assert [[len(item) for item in call] for call in remote.calls] == [[1], [15], [6], [40]]
    await asyncio.gather(*tasks)


async def test_a_call_has_as_many_bytes_as_its_most(batches: Batches[str, str], remote: Remote) -> None:
    tasks = asked(batches, ["a"], ["b" * 15], ["c" * 5])
    await turns()
    for number in range(2):
        remote.answer(number)
        await turns()
    assert [[len(item) for item in call] for call in remote.calls] == [[1], [15, 5]]
    await asyncio.gather(*tasks)


async def test_a_call_is_part_of_no_trace_and_leaves_nothing_behind(remote: Remote) -> None:
    """Neither the task, which nobody else holds while it runs, nor the timer that would begin the next."""
    traces = []

    async def call(items: Sequence[str]) -> Sequence[str]:
        traces.append(trace_context.current())
        return await remote(items)

    batches = Batches(call, most=4, most_bytes=20, size=len)
    loop = asyncio.get_running_loop()
    timers: list[asyncio.TimerHandle] = []
    later = loop.call_later
    loop.call_later = lambda *args: timers.append(later(*args)) or timers[-1]  # type: ignore[method-assign, func-returns-value]
    with trace_context.bound(trace_context.traceparent(1, 1, 1)):
        (task,) = asked(batches, ["a"])
        await turns()
    assert (traces, len(batches._calls), len(timers)) == ([None], 1, 1)
    remote.answer(0)
    await task
    await turns()
    assert (len(batches._calls), [timer.cancelled() for timer in timers]) == (0, [True])


def test_the_size_of_a_protobuf_is_its_bytes() -> None:
    message = StringValue(value="twelve bytes")
    assert byte_size(message) == len(message.SerializeToString()) == 14


async def test_two_with_one_key_go_one_after_the_other(batches: Batches[str, str], remote: Remote) -> None:
    tasks = asked(batches, ["a"], ["b1"], ["b2"], ["b3"], ["c"])
    await turns()
    for number in range(4):
        remote.answer(number)
        await turns()
    assert remote.calls == [["a"], ["b1", "c"], ["b2"], ["b3"]]
    await asyncio.gather(*tasks)


async def test_a_failure_is_that_of_all_it_carried_and_of_no_other(batches: Batches[str, str], remote: Remote) -> None:
    first, *others, last = asked(batches, ["a"], ["b"], ["c"])
    await turns()
    remote.answer(0)
    await turns()
    (later,) = asked(batches, ["d"])
    remote.answer(1, OSError("gone"))
    results = await asyncio.gather(*others, last, return_exceptions=True)
    assert [type(result) for result in results] == [OSError, OSError]
    await turns()
    remote.answer(2)
    assert (await first, await later) == (["A"], ["D"])


async def test_what_is_cancelled_before_its_call_is_not_sent(batches: Batches[str, str], remote: Remote) -> None:
    first, second, third = asked(batches, ["a"], ["b"], ["c"])
    await turns()
    second.cancel()
    await turns()
    remote.answer(0)
    await turns()
    assert remote.calls == [["a"], ["c"]]
    remote.answer(1)
    assert (await first, await third) == (["A"], ["C"])


async def test_one_that_is_cancelled_during_its_call_takes_no_other_with_it(
    batches: Batches[str, str], remote: Remote
) -> None:
    first, second, third = asked(batches, ["a"], ["b"], ["c"])
    await turns()
    remote.answer(0)
    await turns()
    second.cancel()
    await turns()
    remote.answer(1)
    assert (await first, await third) == (["A"], ["C"])


async def test_a_call_that_is_cancelled_with_its_channel_leaves_nobody_waiting(
    batches: Batches[str, str], remote: Remote
) -> None:
    first, second = asked(batches, ["a"], ["b"])
    await turns()
    (call,) = batches._calls
    remote.answer(0, asyncio.CancelledError())
    with pytest.raises(asyncio.CancelledError):
        await first
    await turns()
    assert call.cancelled()
    remote.answer(1)
    assert await second == ["B"]


async def test_nothing_needs_no_call(batches: Batches[str, str], remote: Remote) -> None:
    assert await batches.send([]) == []
    assert remote.calls == []


async def test_what_cannot_be_measured_is_its_own_senders_mistake(batches: Batches[str, str], remote: Remote) -> None:
    (first,) = asked(batches, ["a"])
    await turns()
    with pytest.raises(TypeError):
        await batches.send([5])  # type: ignore[list-item]
    (second,) = asked(batches, ["b"])
    await turns()
    for number in range(2):
        remote.answer(number)
        await turns()
    assert (await first, await second) == (["A"], ["B"])


async def test_too_few_results_are_nobodys() -> None:
    async def forgetful(items: Sequence[str]) -> Sequence[str]:
        return items[1:]

    batches = Batches(forgetful, most=4, most_bytes=20, size=len)
    with pytest.raises(ValueError, match="each item"):
        await batches.send(["a", "b"])
