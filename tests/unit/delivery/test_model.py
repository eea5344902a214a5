"""What the values say by themselves."""

import dataclasses
import itertools
from typing import Any

import pytest

from shared.delivery.model import (
    Delivery,
    DeliveryStatus,
    Notification,
    NotificationStatus,
    Receipt,
    Rule,
    notification_status,
    replace,
)
from tests.fakes.clock import START
from tests.fakes.records import a_notification, queued_deliveries

S, N = DeliveryStatus, NotificationStatus
BEGUN = (S.SENDING, S.RETRYING, S.DEFERRED)
ARRIVED = (S.SENT, S.DELIVERED)
WAITING = {S.SCHEDULED, S.QUEUED}
NOT_ARRIVED = tuple(set(S) - {*WAITING, *BEGUN, *ARRIVED})


def status_of(*statuses: DeliveryStatus) -> NotificationStatus:
    """In any order, and with the same one twice."""
    found = {
        notification_status([Delivery("n", "email", "a", START, status=status) for status in order])
        for order in itertools.permutations((*statuses, statuses[0]))
    }
    assert len(found) == 1
    return found.pop()


def test_a_notification_of_which_no_delivery_has_begun_is_queued() -> None:
    assert status_of(S.QUEUED) is N.QUEUED
    assert status_of(S.QUEUED, S.SCHEDULED) is N.QUEUED
    assert status_of(S.SCHEDULED) is N.SCHEDULED


def test_what_was_not_needed_says_nothing_of_the_others() -> None:
    spared = Delivery("n", "sms", "a", START, status=S.CANCELLED, reason=Rule.NOT_NEEDED)
    for status, whole in ((S.DELIVERED, N.SENT), (S.QUEUED, N.QUEUED), (S.FAILED, N.FAILED)):
        assert notification_status([Delivery("n", "email", "a", START, status=status), spared]) is whole
    assert notification_status([spared]) is N.CANCELLED


@pytest.mark.parametrize("begun", BEGUN)
def test_one_of_which_a_delivery_is_under_way_is_sending_whatever_the_others_are(begun: DeliveryStatus) -> None:
    assert status_of(begun) is N.SENDING
    assert {status_of(begun, other) for other in S} == {N.SENDING}
    assert {status_of(waits, other) for waits in WAITING for other in set(S) - WAITING} == {N.SENDING}


def test_one_that_is_ended_is_sent_failed_or_partial() -> None:
    assert {status_of(*some) for some in ((S.SENT,), (S.DELIVERED,), ARRIVED)} == {N.SENT}
    for one, other in itertools.product(NOT_ARRIVED, NOT_ARRIVED):
        unsent = {S.CANCELLED, S.EXPIRED, S.SUPERSEDED, S.SUPPRESSED}
        alone = N(one) if one in unsent else N.FAILED
        assert status_of(one, other) is (alone if one is other else N.FAILED)
    assert {status_of(*some) for some in itertools.product(ARRIVED, NOT_ARRIVED)} == {N.PARTIAL}


def test_what_is_not_said_is_the_plain_case() -> None:
    """No test key, no round before this one, no receipt that overrules another."""
    notification = Notification("n", ("email",), "text", START, START, "fingerprint", 0)
    assert (notification.simulated, notification.caller, notification.tags) == (False, "", {})
    delivery = Delivery("n", "email", "a", START)
    assert (delivery.simulated, delivery.shard, delivery.round_start, delivery.relays) == (False, 0, 0, 0)
    assert delivery.pending
    assert not Receipt("email", "sendgrid", "m-1", S.DELIVERED).overrules


def test_a_delivery_is_replaced_as_any_dataclass_is() -> None:
    (delivery,) = queued_deliveries(a_notification())
    different: dict[str, Any] = {f.name: f"another {f.name}" for f in dataclasses.fields(delivery)}
    for name, value in different.items():
        assert replace(delivery, **{name: value}) == dataclasses.replace(delivery, **{name: value})
    assert replace(delivery, **different) == dataclasses.replace(delivery, **different)
    assert replace(delivery) == delivery
