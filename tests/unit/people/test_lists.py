"""Who was in a list at a time, whatever came and went."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from shared.people.lists import KEPT, MOST_SPANS, Member, Span, added, removed
from tests.fakes.clock import START

DAY = timedelta(days=1)
MOMENT = timedelta(microseconds=1)


def test_it_is_in_from_the_moment_that_it_is_added_until_it_is_removed() -> None:
    member = removed(added(None, "alice", START), START + DAY)
    asked = (START - MOMENT, START, START + DAY - MOMENT, START + DAY)
    assert [member.in_audience(at) for at in asked] == [False, True, True, False]
    assert not member.is_in
    assert member.expire_at == START + DAY + KEPT
    again = added(member, "alice", START + 2 * DAY)
    assert (again.is_in, again.added_at, again.expire_at) == (True, START + 2 * DAY, None)
    assert [again.in_audience(START + n * DAY) for n in range(4)] == [True, False, True, True]


def test_twice_is_once() -> None:
    member = added(None, "alice", START)
    assert added(member, "alice", START + DAY) is member
    gone = removed(member, START + DAY)
    assert removed(gone, START + 2 * DAY) is gone


def test_what_nobody_asks_any_more_goes() -> None:
    member = removed(added(None, "alice", START), START + DAY)
    late = added(member, "alice", START + DAY + KEPT)
    assert late.spans == (Span(START + DAY + KEPT),)
    soon = added(member, "alice", START + DAY + KEPT - MOMENT)
    assert len(soon.spans) == 2


def test_one_who_comes_and_goes_all_day_has_the_last_times() -> None:
    member, now = added(None, "alice", START), START
    for _ in range(3 * MOST_SPANS):
        now += timedelta(seconds=1)
        member = added(removed(member, now), "alice", now)
    assert len(member.spans) == MOST_SPANS
    assert member.added_at == now
    assert member.in_audience(now)


def test_a_clock_that_is_behind_ends_no_span_before_it_began() -> None:
    member = removed(added(None, "alice", START), START - DAY)
    assert member.spans == (Span(START, START),)
    assert not member.in_audience(START)


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 3600)), max_size=30),
    st.integers(0, 40_000),
)
def test_it_is_as_whoever_looked_at_that_moment_saw_it(acts: list[tuple[bool, int]], asked: int) -> None:
    member, now, seen = Member("alice", ()), START, False
    at = START + timedelta(seconds=asked)
    for adds, seconds in acts:
        now += timedelta(seconds=seconds)
        member = added(member, "alice", now) if adds else removed(member, now)
        if now <= at:
            seen = adds
    assert member.in_audience(at) == seen
