"""What is an event, and what is none."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.delivery.events import OF_EVENTS, STATUSES, noted, told
from shared.delivery.model import Attempt, Delivery, DeliveryStatus, Outcome
from tests.fakes.clock import START
from tests.fakes.records import POLICY, a_notification, queued_deliveries

GRACE = timedelta(seconds=60)
LATER = START + timedelta(seconds=1)


def a_delivery() -> Delivery:
    return queued_deliveries(a_notification())[0]


def ended(delivery: Delivery, status: DeliveryStatus = DeliveryStatus.SENT) -> Delivery:
    attempt = Attempt(1, START, Outcome.ACCEPTED, provider="sendgrid")
    return replace(delivery, status=status, attempts=(attempt,), due_at=None, updated_at=LATER, provider="sendgrid")


@pytest.mark.parametrize("status", STATUSES)
def test_each_status_but_a_claim_is_told(status: DeliveryStatus) -> None:
    written = noted(ended(a_delivery(), status), LATER, GRACE)
    (event,) = written.untold
    assert (event.status, event.at, event.attempts, event.provider) == (status, LATER, 1, "sendgrid")
    assert (written.last_event, written.tell_at) == (event.id, LATER + GRACE)


def test_what_was_just_accepted_is_told_nobody() -> None:
    new = a_delivery()
    assert noted(new, LATER, GRACE) is new
    touched = replace(new, due_at=LATER, relays=1)  # by the relay
    assert noted(touched, LATER, GRACE) is touched


def test_a_write_that_changes_no_state_is_no_event() -> None:
    there = told(noted(ended(a_delivery()), LATER, GRACE))
    touched = replace(there, due_at=LATER + GRACE, relays=1)
    assert noted(touched, LATER + GRACE, GRACE) is touched


def test_the_same_change_has_the_same_id_and_another_has_another() -> None:
    sent = ended(a_delivery())
    first, again = (noted(sent, now, GRACE).last_event for now in (LATER, LATER + GRACE))
    assert first == again
    others = [
        ended(a_delivery()),
        replace(sent, status=DeliveryStatus.DELIVERED),
        replace(sent, updated_at=LATER + timedelta(microseconds=1)),
        replace(sent, channel="sms"),
        replace(sent, attempts=(*sent.attempts, *sent.attempts)),
    ]
    assert len({first, *(noted(other, LATER, GRACE).last_event for other in others)}) == 1 + len(others)


def test_a_claim_keeps_what_is_untold_until_its_lease_is_over() -> None:
    """The relay would change the version that whoever holds the lease writes the outcome at."""
    retrying = noted(ended(a_delivery(), DeliveryStatus.RETRYING), LATER, GRACE)
    claimed = replace(retrying, status=DeliveryStatus.SENDING, lease_until=LATER + POLICY.lease, updated_at=LATER)
    written = noted(claimed, LATER, GRACE)
    assert written.untold == retrying.untold
    assert written.tell_at == LATER + POLICY.lease + GRACE
    after = noted(replace(written, status=DeliveryStatus.SENT, updated_at=LATER + GRACE), LATER + GRACE, GRACE)
    assert [event.status for event in after.untold] == ["retrying", "sent"]


def test_what_carries_an_event_has_none_itself() -> None:
    carrying = replace(ended(a_delivery()), caller=OF_EVENTS)
    assert noted(carrying, LATER, GRACE) is carrying
