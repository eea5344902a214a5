"""What a delivery's record says in words: by whom an attempt was made, what was asked, and what it waits for."""

from dataclasses import replace
from datetime import timedelta

import pytest

from functions.gateway.notifications.explanation import explained, forecast
from shared.delivery.gate import Go
from shared.delivery.model import Attempt, Delivery, DeliveryStatus, Outcome, Rule, Told
from shared.sending.channel_states import Hold
from tests.fakes.clock import START
from tests.fakes.records import a_notification

S = DeliveryStatus
SENT = Delivery("n", "email", "a", START, status=S.SENT, provider="smtp")


def texts(delivery: Delivery) -> str:
    said = explained(a_notification(), [delivery], START)
    return " ".join(event["text"] for event in (*said["events"], *said["next"]))


def test_an_attempt_is_told_of_the_provider_that_made_it() -> None:
    attempts = (
        Attempt(1, START, Outcome.RETRYABLE, "503", provider="sendgrid"),
        Attempt(2, START, Outcome.ACCEPTED, provider="smtp"),
    )
    said = texts(replace(SENT, attempts=attempts))
    assert "Attempt 1 by sendgrid was not accepted, and may be later: 503." in said
    assert "Attempt 2 by smtp was accepted." in said


@pytest.mark.parametrize(
    ("asked", "text"),
    [(Told.RECONCILED, "had it"), (Told.NOT_THERE, "did not have it"), (Told.CANNOT_TELL, "not be asked")],
)
def test_what_was_asked_is_told(asked: Told, text: str) -> None:
    attempt = Attempt(1, START, Outcome.UNKNOWN, "reset", provider="smtp", asked=asked)
    assert text in texts(replace(SENT, attempts=(attempt,)))


def test_what_a_held_delivery_waits_for_is_told() -> None:
    later = START + timedelta(minutes=5)
    held = replace(SENT, status=S.DEFERRED, next_try_at=later, error="smtp is down since today")
    down = texts(replace(held, reason=Rule.PROVIDER_DOWN))
    assert "It waits for its provider: smtp is down since today." in down
    assert "It goes when a provider is there" in down
    asked = texts(replace(held, reason=Rule.BEING_ASKED))
    assert "It waits until its provider can say whether a message that it has is this one." in asked
    assert "It is looked at again then." in asked


@pytest.mark.parametrize("simulated", [False, True])
def test_what_would_wait_for_its_channel_is_told_but_for_a_test_key(simulated: bool) -> None:
    delivery = replace(SENT, status=S.QUEUED, simulated=simulated)
    holds = {"email": Hold(Rule.PROVIDER_DOWN, START, "smtp is down")}
    said = forecast(a_notification(), [delivery], {"email": Go()}, holds)
    told = [event for event in said["events"] if event["code"] == Rule.PROVIDER_DOWN]
    assert [event["text"][:50] for event in told] == (
        [] if simulated else ["It would wait as long as this lasts: smtp is down "]
    )
