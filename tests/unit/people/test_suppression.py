"""What a suppression stops, and what another word on the same address makes of it."""

import itertools
from datetime import timedelta

import pytest

from shared.delivery.model import CategoryClass, SuppressionReason
from shared.people.suppression import CLASS_BY_REASON, AddressHash, Entry, Suppression, SuppressionClass
from tests.fakes.clock import START

R = SuppressionReason
C = SuppressionClass
K = CategoryClass
T, S, M = K.TRANSACTIONAL, K.SERVICE, K.MARKETING


def entry(reason: R, class_: C | None = None, *categories: str, evidence: str = "a test") -> Entry:
    return Entry(reason, class_ or CLASS_BY_REASON[reason], START, evidence, categories)


def suppression(*entries: Entry) -> Suppression:
    return Suppression("hash", "email", {e.reason: e for e in entries})


@pytest.mark.parametrize(
    ("reason", "stopped"),
    [
        (R.HARD_BOUNCE, {T, S, M}),
        (R.INVALID, {T, S, M}),
        (R.COMPLAINT, {S, M}),
        (R.STOP, {S, M}),
        (R.UNSUBSCRIBED, {M}),
        (R.MANUAL, {M}),
    ],
)
def test_what_each_reason_stops_by_itself(reason: R, stopped: set[K]) -> None:
    for category in ("news", None):
        assert {class_: entry(reason).stops(class_, category) for class_ in K} == {k: k in stopped for k in K}


@pytest.mark.parametrize("reason", list(R))
def test_class_all_stops_all(reason: R) -> None:
    assert all(entry(reason, C.ALL).stops(class_, None) for class_ in K)


def test_a_category_of_class_service_is_stopped_alone_and_a_password_reset_never() -> None:
    one = entry(R.UNSUBSCRIBED, C.CATEGORY, "orders")
    all_of_them = itertools.product(K, ("orders", "news", None))
    said = {(class_, name): one.stops(class_, name) for class_, name in all_of_them}
    assert said == {kind: kind in {(S, "orders"), (M, "orders")} for kind in said}


def test_the_heaviest_comes_first() -> None:
    both = suppression(entry(R.UNSUBSCRIBED), entry(R.HARD_BOUNCE), entry(R.MANUAL, C.CATEGORY, "news"))
    assert [e.reason for e in both.by_weight] == [R.HARD_BOUNCE, R.UNSUBSCRIBED, R.MANUAL]
    assert both.stopping(M, None) == both.entries[R.HARD_BOUNCE]
    assert suppression(entry(R.UNSUBSCRIBED)).stopping(T, None) is None
    assert [e.reason for e in suppression(entry(R.MANUAL), entry(R.STOP)).by_weight] == [R.STOP, R.MANUAL]


def test_the_same_word_again_changes_nothing() -> None:
    once = suppression(entry(R.UNSUBSCRIBED, None, "news"))
    later = Entry(R.UNSUBSCRIBED, C.MARKETING, START + timedelta(days=1), "another request", ("news",))
    assert once.with_entry(later) == once


def test_a_second_word_of_one_reason_takes_nothing_back() -> None:
    there = suppression(entry(R.UNSUBSCRIBED, C.MARKETING, "news", evidence="first"))
    wider = there.with_entry(entry(R.UNSUBSCRIBED, C.CATEGORY, "orders", evidence="second"))
    assert wider.entries[R.UNSUBSCRIBED] == entry(R.UNSUBSCRIBED, C.MARKETING, "news", "orders", evidence="second")
    all_of_it = there.with_entry(entry(R.UNSUBSCRIBED, C.ALL, evidence="third"))
    assert all_of_it.entries[R.UNSUBSCRIBED] == entry(R.UNSUBSCRIBED, C.ALL, "news", evidence="third")


def test_reasons_are_kept_apart() -> None:
    both = suppression(entry(R.HARD_BOUNCE)).with_entry(entry(R.STOP))
    assert set(both.without(R.STOP).entries) == {R.HARD_BOUNCE}
    assert both.without(R.MANUAL) == both


def test_the_records_of_a_channel_stand_together() -> None:
    assert suppression().key == "email.hash"


def test_an_address_is_known_by_its_hash_whatever_its_case() -> None:
    of = AddressHash("a key of at least thirty-two letters")
    assert of("email", "Ana@Example.com") == of("email", "ana@example.COM")
    assert of("email", "zo\u00eb@example.com") == of("email", "zoe\u0308@example.com")
    assert (
        len({of("email", "a@b.c"), of("sms", "a@b.c"), of("email", "b@b.c"), AddressHash("k")("email", "a@b.c")}) == 4
    )
    assert len(of("email", "a@b.c")) == 64
