"""The breaker of one provider: when it opens, and how it comes from one state to the next."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from shared.delivery.model import Outcome
from shared.sending.breaker import (
    FLAPS_WITHIN,
    LOOKED_AT,
    OLDEST,
    OTHERS_WORD,
    Breaker,
    BreakerState,
    Calls,
    all_open,
    closed,
    is_others_word,
    opened,
    probe_failed,
    probe_not_made,
    probing,
    ramp_from,
)
from tests.fakes.clock import START

T = Outcome
SECOND = timedelta(seconds=1)
LATER = START + timedelta(hours=1)


def calls(outcomes: Sequence[Outcome], addresses: int = 100) -> Calls:
    made = Calls()
    for n, outcome in enumerate(outcomes):
        made.note(START, outcome, f"address-{n % addresses}")
    return made


@pytest.mark.parametrize(
    ("outcomes", "addresses", "is_down"),
    [
        ([T.RETRYABLE] * 8, 3, True),
        ([T.UNKNOWN] * 8, 3, True),
        ([T.RETRYABLE] * 7, 7, False),
        ([T.RETRYABLE] * 20, 2, False),  # two addresses are no provider
        ([T.THROTTLED] * 20, 20, False),
        ([T.PERMANENT] * 20, 20, False),
        ([T.REFUSED] * 20, 20, False),
        ([T.ACCEPTED] * 20 + [T.RETRYABLE] * 15, 20, False),
        ([T.ACCEPTED] * 20 + [T.RETRYABLE] * 16, 20, True),
        ([T.RETRYABLE, T.ACCEPTED] * 10, 20, False),
        ([T.THROTTLED, T.RETRYABLE] * 8, 20, True),  # who throttles says nothing
    ],
)
def test_a_provider_is_down_when_most_of_the_last_calls_failed_for_several_addresses(
    outcomes: list[Outcome], addresses: int, is_down: bool
) -> None:
    assert calls(outcomes, addresses).say_it_is_down(START + SECOND, None) is is_down


def test_what_is_old_or_was_before_it_closed_says_nothing() -> None:
    failing = calls([T.RETRYABLE] * LOOKED_AT)
    assert failing.say_it_is_down(START + OLDEST - SECOND, None)
    assert not failing.say_it_is_down(START + OLDEST, None)
    assert not failing.say_it_is_down(START + SECOND, START)
    assert failing.say_it_is_down(START + SECOND, START - SECOND)
    failing.clear()
    assert not failing.say_it_is_down(START + SECOND, None)


def test_probes_are_five_to_thirty_seconds_apart() -> None:
    breaker = opened(None, START, "i", "503")
    assert (breaker.state, breaker.since, breaker.by, breaker.reason) == (BreakerState.OPEN, START, "i", "503")
    pauses, now = [], START
    for _ in range(6):
        assert breaker.probe_at is not None
        pauses.append((breaker.probe_at - now) / SECOND)
        assert not breaker.wants_probe(breaker.probe_at - SECOND)
        now = breaker.probe_at
        assert breaker.wants_probe(now)
        breaker = probe_failed(breaker, now, "503")
    assert pauses == [5, 10, 20, 30, 30, 30]


def test_while_a_probe_is_under_way_there_is_no_other() -> None:
    taken = probing(opened(None, START, "i", None), LATER, "p", timedelta(seconds=55))
    assert not taken.wants_probe(LATER + timedelta(seconds=54))
    assert taken.wants_probe(LATER + timedelta(seconds=55))
    assert probe_not_made(taken, LATER).wants_probe(LATER)
    assert not closed(taken, LATER, "i").wants_probe(LATER + timedelta(hours=1))


def test_one_that_flaps_is_probed_as_rarely_as_before() -> None:
    breaker = probe_failed(probe_failed(opened(None, START, "i", None), START, None), START, None)
    there = closed(breaker, LATER, "i")
    assert opened(there, LATER + FLAPS_WITHIN - SECOND, "i", None).probes == 3
    assert opened(there, LATER + FLAPS_WITHIN, "i", None).probes == 0


def test_whom_another_contradicts_looks_for_the_fault_with_itself() -> None:
    there = closed(opened(None, START, "sick", None), START, "well")
    assert is_others_word(there, START + OTHERS_WORD - SECOND, "sick")
    assert not is_others_word(there, START + OTHERS_WORD, "sick")
    assert not is_others_word(there, START + SECOND, "well")
    assert not is_others_word(opened(there, START, "well", None), START + SECOND, "sick")
    assert not is_others_word(None, START, "sick")


def test_a_ramp_doubles_each_quarter_of_a_minute_and_is_halved_by_throttling() -> None:
    ramp = ramp_from(START)
    assert [ramp.rate(START + timedelta(seconds=s)) for s in (0, 15, 60, 150)] == [20, 40, 320, 20480]
    assert not ramp.is_over(START + timedelta(seconds=114))
    assert ramp.is_over(START + timedelta(seconds=115))
    slower = ramp.throttled(START + timedelta(seconds=60))
    assert slower.rate(START + timedelta(seconds=60)) == 160
    for n in range(20):
        slower = slower.throttled(START + timedelta(seconds=60, milliseconds=n))
    assert slower.per_second == 1
    assert ramp.rate(START - timedelta(hours=1)) == 20  # another's clock
    assert ramp.is_over(START + timedelta(days=365))


def test_several_are_down_when_each_is() -> None:
    down = opened(None, START, "i", None)
    assert all_open([down, down])
    assert not all_open([down, closed(down, LATER, "i")])
    assert not all_open([down, None])
    none: list[Breaker | None] = []
    assert not all_open(none)
