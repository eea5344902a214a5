"""Duplicates are told apart by what was known when their message was sent once more."""

from dataclasses import replace

import pytest

from tests.faults.asking import Sum, render
from tests.faults.histories import Event, Histories
from tests.faults.lost_answers import Asked, Channel, by_channel, duplicates
from tests.faults.test_checker import FOUND, GOOD, LOST, UNKNOWN, accept, attempt, record, two_alike

AGAIN = attempt(2, second=9)
DIED = attempt(2, "unknown", 9, None)


def sent_again(first: Event, second: Event, accepted_at: int = 0) -> Histories:
    """The sms; its first attempt's message was accepted so many seconds after it began."""
    witness = [accept(second=accepted_at), accept("sms", 2, 9 if accepted_at < 9 else accepted_at + 1)]
    return replace(GOOD, records=[record("sms", "sent", first, second)], witness=witness)


@pytest.mark.parametrize(
    ("histories", "asked"),
    [
        (sent_again({**UNKNOWN, "asked": "cannot_tell"}, AGAIN), Asked.CANNOT_TELL),
        (sent_again(UNKNOWN, AGAIN), Asked.OVERLOOKED),
        (sent_again(UNKNOWN, AGAIN, accepted_at=12), Asked.NOT_YET),
        (sent_again(FOUND, AGAIN), Asked.FOUND),
        (sent_again({**LOST, "asked": None}, AGAIN), Asked.NOT_ASKED),
        (sent_again({**LOST, "asked": None}, DIED), Asked.UNWRITTEN),
    ],
)
def test_what_was_known_of_a_message_that_was_sent_twice(histories: Histories, asked: Asked) -> None:
    reported = [{**a, "error": "reset"} for a in histories.records[0]["attempts"]]
    found = list(duplicates(replace(histories, records=[{**histories.records[0], "attempts": reported}])))
    assert [(duplicate.channel, duplicate.reason, duplicate.asked) for duplicate in found] == [("sms", "reset", asked)]


def test_a_message_by_which_another_is_sent_is_no_duplicate() -> None:
    assert not list(duplicates(two_alike()))


def test_an_answer_that_was_lost_is_an_accept_that_no_attempt_tells_of() -> None:
    found = by_channel(replace(GOOD, records=[record("sms", "sent", FOUND), record("email")]))
    assert found == {"sms": Channel(lost=1, found=1), "email": Channel()}


def test_the_page_says_what_asking_is_worth() -> None:
    asked, mute = Sum(), Sum()
    asked.add({"sms": Channel(lost=100, found=99)})
    asked.channels["sms"].duplicates[Asked.NOT_YET] += 1
    mute.add({"sms": Channel(lost=50)})
    mute.channels["sms"].duplicates[Asked.CANNOT_TELL] += 40
    page = render(asked, mute)
    assert "| sms | on | 100 | 99 | 1 | 1.0% |" in page
    assert "| sms | off | asked, and it could not tell | 40 |" in page
    assert page.endswith("40 duplicates without asking, 1 with; of the lost answers 80.00% and 1.00%, ratio 80.0")
    asked.channels["sms"].duplicates.clear()
    assert render(asked, mute).endswith(
        "0 with; of the lost answers 80.00% and 0.00%, ratio more than 27, as none are left"
    )
