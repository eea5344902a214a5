"""What a Slack message may have besides its text."""

from typing import Any

import pytest
from pydantic import ValidationError

from functions.slack.blocks import MOST_BYTES
from functions.slack.content import Content
from functions.slack.content import Content as SlackContent

ID = "5b3c9cde-0001-4000-8000-000000000001"
COMMON = {"subject": "Deploy", "message": "for all"}


def plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text}


def mrkdwn(text: str) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": text}


def button(**changes: Any) -> dict[str, Any]:
    return {"type": "button", "text": plain("Open"), "url": "https://a.test", "action_id": "open", **changes}


def content(**own: Any) -> SlackContent:
    return Content.model_validate(Content.merged(COMMON, own))


def wrong(**own: Any) -> dict[str, str]:
    """What is said of each field."""
    with pytest.raises(ValidationError) as raised:
        content(**own)
    return {".".join(map(str, error["loc"])): error["msg"] for error in raised.value.errors()}


EVERY = [
    {"type": "header", "text": plain("x" * 150)},
    {"type": "section", "text": mrkdwn("x" * 3000), "accessory": button()},
    {"type": "section", "fields": [mrkdwn("x" * 2000)] * 10},
    {"type": "divider", "block_id": "x" * 255},
    {"type": "image", "image_url": "https://a.test/" + "x" * 2985, "alt_text": "x" * 2000, "title": plain("T")},
    {"type": "actions", "elements": [button(action_id=f"a{n}") for n in range(25)]},
    {"type": "context", "elements": [mrkdwn("x"), plain("y"), {"type": "image", "image_url": "u", "alt_text": "a"}]},
    {
        "type": "actions",
        "elements": [
            {
                "type": "static_select",
                "placeholder": plain("Pick"),
                "options": [{"text": plain("x" * 75), "value": "x" * 150}] * 100,
            },
            {"type": "overflow", "options": [{"text": plain("a"), "value": "b"}] * 5},
            {"type": "users_select"},
            {"type": "a_new_element"},
        ],
    },
    {"type": "markdown", "text": "x" * 12_000},
    {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": []}]},
    {"type": "table", "rows": [[{"type": "raw_text", "text": "a"}] * 20] * 100},
    {"type": "a_new_block", "whatever": {"is": ["in", 1, None, True]}},
]


@pytest.mark.parametrize("block", EVERY, ids=lambda block: block["type"])
def test_what_slack_takes_is_taken_as_it_is(block: dict[str, Any]) -> None:
    assert content(blocks=[block]).parts() == {"message": "for all", "blocks": [block]}


def test_fifty_blocks_are_taken_and_no_more() -> None:
    assert content(blocks=[{"type": "divider"}] * 50).blocks
    assert set(wrong(blocks=[{"type": "divider"}] * 51)) == {"blocks"}
    assert set(wrong(blocks=[])) == {"blocks"}


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ("divider", "dictionary"),
        ({}, "type"),
        ({"type": 5}, "type"),
        ({"type": "divider", "block_id": "x" * 256}, "block_id: "),
        ({"type": "header"}, "needs text"),
        ({"type": "header", "text": mrkdwn("x")}, "text: must be a text object of type plain_text"),
        ({"type": "header", "text": plain("x" * 151)}, "text.text: must be a text of 1 to 150"),
        ({"type": "section"}, "needs text or fields"),
        ({"type": "section", "text": "x"}, "text: "),
        ({"type": "section", "text": mrkdwn("")}, "text.text: "),
        ({"type": "section", "text": mrkdwn("x" * 3001)}, "text.text: "),
        ({"type": "section", "fields": [mrkdwn("x")] * 11}, "fields: must be a list of 1 to 10"),
        ({"type": "section", "fields": [mrkdwn("x"), mrkdwn("x" * 2001)]}, "fields.1.text: "),
        ({"type": "section", "text": mrkdwn("x"), "accessory": button(text=plain("x" * 76))}, "accessory.text.text: "),
        ({"type": "image", "image_url": "u"}, "needs alt_text"),
        ({"type": "image", "alt_text": "a"}, "needs image_url or slack_file"),
        ({"type": "image", "image_url": "u" * 3001, "alt_text": "a"}, "image_url: "),
        ({"type": "image", "image_url": "u", "alt_text": "a" * 2001}, "alt_text: "),
        ({"type": "actions", "elements": [button()] * 26}, "elements: must be a list of 1 to 25"),
        ({"type": "actions", "elements": [button(), button(url="u" * 3001)]}, "elements.1.url: "),
        ({"type": "actions", "elements": [button(action_id="a" * 256)]}, "elements.0.action_id: "),
        ({"type": "actions", "elements": [button(value="v" * 2001)]}, "elements.0.value: "),
        ({"type": "actions", "elements": [{"text": "no type"}]}, "elements.0: "),
        ({"type": "actions", "elements": [{"type": "static_select"}]}, "elements.0: needs options or option_groups"),
        ({"type": "context", "elements": [mrkdwn("x")] * 11}, "elements: "),
        ({"type": "markdown", "text": "x" * 12_001}, "text: "),
        ({"type": "table", "rows": [[]]}, "rows.0: "),
        ({"type": "video", "title": plain("x"), "alt_text": "a", "video_url": "u"}, "needs thumbnail_url"),
    ],
)
def test_what_slack_does_not_take_is_named_with_its_place(block: Any, said: str) -> None:
    [(field, message)] = wrong(blocks=[{"type": "divider"}, block]).items()
    assert field == "blocks.1"
    assert said in message


@pytest.mark.parametrize(
    "blocks",
    [
        [{"type": "a_new_block", "x": "x" * MOST_BYTES}],
        [{"type": "a_new_block", "x": float("nan")}],
        [{"type": "a_new_block", "x": "\ud800"}],
        [{"type": "divider", "block_id": "a"}] * 2,
    ],
    ids=["large", "nan", "surrogate", "twice"],
)
def test_what_no_message_can_hold_is_named(blocks: list[Any]) -> None:
    assert set(wrong(blocks=blocks)) == {"blocks"}


def test_the_message_is_needed_with_blocks_too() -> None:
    with pytest.raises(ValidationError, match="message"):
        Content.model_validate(Content.merged({}, {"blocks": [{"type": "divider"}]}))


@pytest.mark.parametrize("part", ["thread", "update"])
def test_an_earlier_notification_is_named_by_its_id(part: str) -> None:
    assert content(**{part: ID}).earlier() == {part: ID}
    assert content(**{part: ID}).parts() == {"message": "for all", part: ID}
    for other in ("x", ID.upper(), ID + "\n", ID[:-1], "../" + ID, 7):
        assert set(wrong(**{part: other})) == {part}


def test_a_plain_one_names_none() -> None:
    assert content(message="own").earlier() == {}


@pytest.mark.parametrize("other", [{"thread": ID}, {"unfurl_links": True}, {"unfurl_media": False}])
def test_an_update_changes_text_and_blocks_alone(other: dict[str, Any]) -> None:
    assert "update" in wrong(update=ID, **other)[""]


def test_previews_are_asked_for_by_true_and_false_alone() -> None:
    assert content(unfurl_links=True, unfurl_media=False).parts()["unfurl_links"] is True
    assert set(wrong(unfurl_links="true")) == {"unfurl_links"}
