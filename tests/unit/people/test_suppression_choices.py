"""A second word of one reason stops more and never less; what a person chooses again is let through, and only that."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.delivery.model import CategoryClass, SuppressionReason
from shared.people.suppression import Entry, Suppression, SuppressionClass
from tests.fakes.clock import START

NAMES = ("news", "offers", "orders")
R = SuppressionReason.UNSUBSCRIBED
UNSUBSCRIBED = Entry(R, SuppressionClass.MARKETING, START, "a link", ("news",))


def entries(classes: Sequence[SuppressionClass] = tuple(SuppressionClass)) -> st.SearchStrategy[Entry]:
    some = st.sets(st.sampled_from(NAMES)).map(lambda names: tuple(sorted(names)))
    return st.builds(Entry, st.just(R), st.sampled_from(classes), st.just(START), st.just("a link"), some)


def stopped(suppression: Suppression) -> set[tuple[CategoryClass, str]]:
    kinds = [(class_, name) for class_ in CategoryClass for name in (*NAMES, "one of later")]
    return {kind for kind in kinds if suppression.stopping(*kind)}


def after(steps: Sequence[Entry | str]) -> Suppression:
    """Entries that are put, and categories that are chosen again, one after the other, each said then."""
    suppression = Suppression("1", "email")
    for second, step in enumerate(steps):
        if isinstance(step, str):
            suppression = suppression.choosing(step)
        else:
            suppression = suppression.with_entry(replace(step, at=START + timedelta(seconds=second)))
    return suppression


steps = st.lists(entries() | st.sampled_from(NAMES), max_size=6)


@given(steps, entries())
def test_another_word_takes_nothing_back_and_stops_what_it_says(before: list[Entry | str], more: Entry) -> None:
    there, more = after(before), replace(more, at=START + timedelta(hours=1))
    now = there.with_entry(more)
    assert stopped(there) | stopped(Suppression("1", "email", {R: more})) <= stopped(now)
    assert now.with_entry(replace(more, at=START + timedelta(1), evidence="again")) == now


@given(steps, st.sampled_from(NAMES), entries((SuppressionClass.MARKETING, SuppressionClass.CATEGORY)))
def test_a_word_from_before_takes_no_choice_back(before: list[Entry | str], chosen: str, old: Entry) -> None:
    there = after([*before, UNSUBSCRIBED, chosen])
    now = there.with_entry(replace(old, at=START - timedelta(days=1)))
    assert chosen in there.entries[R].except_for or there.entries[R].class_ is SuppressionClass.ALL
    assert now.entries[R].except_for == there.entries[R].except_for
    assert {kind for kind in stopped(now) if kind[1] == chosen} == {
        kind for kind in stopped(there) if kind[1] == chosen
    }


def test_what_is_put_again_without_a_time_takes_no_choice_back() -> None:
    there = after([UNSUBSCRIBED, "offers"])
    again = replace(UNSUBSCRIBED, at=START + timedelta(days=9))
    assert there.with_entry(again, dated=False) == there
    assert there.with_entry(again).entries[R].except_for == ()
    assert Suppression("1", "email").with_entry(again, dated=False).entries[R] == again


@given(steps, st.sampled_from(NAMES))
def test_what_is_chosen_again_is_let_through_and_nothing_else(before: list[Entry | str], chosen: str) -> None:
    there = after(before)
    now = there.choosing(chosen)
    everything = R in there.entries and there.entries[R].class_ is SuppressionClass.ALL
    lifted = {(class_, name) for class_, name in stopped(there) if name == chosen and not everything}
    assert stopped(now) == stopped(there) - lifted
    assert now.choosing(chosen) == now


def test_each_choice_stays_whatever_is_chosen_or_left_besides() -> None:
    chosen = after([UNSUBSCRIBED, "orders", "offers"])
    assert chosen.entries[R].except_for == ("offers", "orders")
    more = Entry(R, SuppressionClass.CATEGORY, START + timedelta(hours=1), "a link", ("orders",))
    assert chosen.with_entry(more).entries[R].except_for == ("offers",)
    assert after([more, "orders"]).entries == {}


@pytest.mark.parametrize("reason", sorted({*SuppressionReason} - {R}))
def test_choosing_lifts_no_other_reason(reason: SuppressionReason) -> None:
    there = Suppression("1", "email", {reason: replace(UNSUBSCRIBED, reason=reason)})
    assert there.choosing("news") == there


def test_the_evidence_is_of_the_word_that_stopped_more() -> None:
    later = START + timedelta(days=1)
    again = replace(UNSUBSCRIBED, at=later, evidence="another link")
    there = after([UNSUBSCRIBED])
    assert there.with_entry(again) == there
    assert there.with_entry(replace(again, categories=("offers",))).entries[R].evidence == "another link"
    spared = there.choosing("offers").with_entry(again).entries[R]
    assert (spared.at, spared.evidence, spared.except_for) == (later, "another link", ())
