"""What `make run` calls as Cloud Scheduler does: often while a call is quick, ever more seldom the longer one takes."""

import asyncio
from contextlib import asynccontextmanager, suppress
from types import SimpleNamespace
from typing import Any, cast

import pytest

from emulator.scheduled_calls import call
from tests.simulation.virtual import VirtualLoop

HOUR = 3600.0


class Relay:
    """Takes its time over each call, of a clock that runs only then."""

    def __init__(self, seconds: float, status: int = 200, waited: float = 0.0, apart: str = "waited") -> None:
        self.seconds = seconds
        self.apart = apart
        self.waited = waited
        self.status = status
        self.began: list[float] = []

    @asynccontextmanager
    async def post(self, *_: Any, **__: Any) -> Any:
        self.began.append(asyncio.get_running_loop().time())
        await asyncio.sleep(self.seconds)
        yield SimpleNamespace(status=self.status, json=self.swept)

    async def swept(self) -> dict[str, float]:
        return {"published": 0, self.apart: self.waited}


def called_for_an_hour(relay: Relay, name: str = "relay") -> list[float]:
    """The pauses between one call's beginning and the next one's."""

    async def an_hour() -> None:
        config = SimpleNamespace(url=lambda name: name)
        with suppress(TimeoutError):
            async with asyncio.timeout(HOUR):
                await call(cast(Any, relay), cast(Any, config), name, lambda _: None)

    loop = VirtualLoop()
    try:
        loop.run_until_complete(an_hour())
    finally:
        loop.close()
    return [later - earlier for earlier, later in zip(relay.began, relay.began[1:], strict=False)]


@pytest.mark.parametrize("seconds", [0.0, 0.01, 0.1])
def test_a_quick_relay_is_called_each_second(seconds: float) -> None:
    assert called_for_an_hour(Relay(seconds)) == pytest.approx([1.0] * 3599)


@pytest.mark.parametrize("status", [200, 503])
@pytest.mark.parametrize("seconds", [0.2, 1.0, 3.0, 6.0])
def test_its_sweeps_take_a_tenth_of_the_time_at_most(seconds: float, status: int) -> None:
    relay = Relay(seconds, status)
    assert min(called_for_an_hour(relay)) >= 10 * seconds - 1e-6
    assert seconds * len(relay.began) > 0.09 * HOUR


@pytest.mark.parametrize("seconds", [10.0, 60.0])
def test_it_waits_no_longer_than_the_clouds_minute(seconds: float) -> None:
    assert called_for_an_hour(Relay(seconds))[0] == seconds + 60


def test_one_slow_call_slows_only_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    relay = Relay(0.0)
    slow = iter([5.0])

    @asynccontextmanager
    async def post(*_: Any, **__: Any) -> Any:
        relay.began.append(asyncio.get_running_loop().time())
        await asyncio.sleep(next(slow, 0.0))
        yield SimpleNamespace(status=200, json=relay.swept)

    monkeypatch.setattr(relay, "post", post)
    assert called_for_an_hour(relay)[:3] == pytest.approx([50.0, 1.0, 1.0])


def test_what_it_waited_for_the_time_of_a_delivery_slows_no_call() -> None:
    assert called_for_an_hour(Relay(5.0, waited=4.9)) == pytest.approx([5.9] * 610)


def test_operations_are_called_every_few_seconds_and_work_at_them_slows_no_call() -> None:
    assert called_for_an_hour(Relay(0.01, apart="worked"), "operations") == pytest.approx([3.0] * 1199)
    busy = called_for_an_hour(Relay(50.0, waited=49.9, apart="worked"), "operations")
    assert busy == pytest.approx([50.9] * 70)
