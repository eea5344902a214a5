"""What holds of every channel's declaration."""

from typing import Any

import jsonschema_rs
import pytest

from shared.channels.content import content_schema
from shared.channels.declaration import Channel
from shared.channels.registry import ALL, example_addresses, load_channels

CHANNELS = list(load_channels(ALL).values())


@pytest.fixture(params=CHANNELS, ids=lambda channel: channel.name)
def channel(request: pytest.FixtureRequest) -> Channel:
    chosen: Channel = request.param
    return chosen


@pytest.fixture
def content(channel: Channel) -> Any:
    return jsonschema_rs.Draft202012Validator(content_schema(channel))


def test_an_address_has_one_spelling(channel: Channel) -> None:
    address = channel.normalise(example_addresses(ALL)[channel.name])
    assert channel.normalise(address) == address


@pytest.mark.parametrize("text", ["", " ", "\n", "two\nlines", "a\x00b", "\ud800", "nobody, nowhere", "<script>"])
def test_what_is_no_address_is_refused_and_not_repeated(channel: Channel, text: str) -> None:
    with pytest.raises(ValueError, match="must ") as refused:
        channel.normalise(text)
    assert not text.strip() or text not in str(refused.value)


def test_a_message_may_be_as_long_as_it_says(channel: Channel) -> None:
    assert channel.fits("x" * channel.max_length)
    assert not channel.fits("x" * (channel.max_length + 1))
    assert str(channel.max_length) in channel.limit


def test_a_message_of_plain_text_is_content(channel: Channel, content: Any) -> None:
    assert content.is_valid({"message": "Build 42 is live"})


@pytest.mark.parametrize(
    "wrong", [{}, {"message": ""}, {"message": "a\x00b"}, {"message": 1}, {"message": "x", "unheard_of": "x"}]
)
def test_what_no_channel_takes_is_no_content(content: Any, wrong: Any) -> None:
    assert not content.is_valid(wrong)


def test_content_is_as_long_as_a_message_may_be(channel: Channel, content: Any) -> None:
    assert content.is_valid({"message": "x" * channel.max_length})
    assert not content.is_valid({"message": "x" * (channel.max_length + 1)})


def test_receipts_come_from_a_provider_of_its_own(channel: Channel) -> None:
    assert set(channel.receipts) <= set(channel.providers)


def test_marketing_goes_where_a_person_can_say_that_they_want_no_more() -> None:
    """By a link in each mail, and by the word STOP; a Slack channel is several people, of whom none decides alone."""
    assert {channel.name for channel in CHANNELS if channel.unsubscribes} == {"email", "sms"}


def test_pieces_are_counted_where_it_is_paid_by_them(channel: Channel) -> None:
    if channel.segments is not None:
        counted = channel.segments("x" * channel.max_length)
        assert counted.count > channel.segments("x").count == 1
        assert counted.encoding
