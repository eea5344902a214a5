"""What Slack's blocks may be, as far as Slack publishes it: https://docs.slack.dev/reference/block-kit/blocks

A block of a kind that is not here passes: Slack adds kinds, and says itself what it does not take.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shared.channels.text_checks import json_bytes

MOST = 50  # in a message
MOST_BYTES = 100_000  # as JSON in UTF-8: so that it fits a record and a request beside the longest text
_IDS = 255  # characters of block_id and action_id

Check = Callable[[Any], None]
"""Raises ValueError with what must be; `_at` says where."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What Slack says of one kind: the checks of its fields, which must be there, and of which one must be."""

    fields: Mapping[str, Check] = field(default_factory=dict)
    required: Sequence[str] = ()
    one_of: Sequence[str] = ()

    def check(self, value: Mapping[str, Any]) -> None:
        for name in self.required:
            if name not in value:
                raise ValueError(f"needs {name}")
        if self.one_of and not any(name in value for name in self.one_of):
            raise ValueError(f"needs {' or '.join(self.one_of)}")
        for name, check in self.fields.items():
            if name in value:
                _at(name, check, value[name])


def string(most: int, least: int = 1) -> Check:
    def check(value: Any) -> None:
        if not isinstance(value, str) or not least <= len(value) <= most:
            raise ValueError(f"must be a text of {least} to {most} characters")

    return check


def text(most: int, *kinds: str) -> Check:
    """A text object of one of these kinds."""
    kinds = kinds or ("plain_text", "mrkdwn")

    def check(value: Any) -> None:
        if not isinstance(value, dict) or value.get("type") not in kinds:
            raise ValueError(f"must be a text object of type {' or '.join(kinds)}")
        _at("text", string(most), value.get("text"))

    return check


def plain(most: int) -> Check:
    return text(most, "plain_text")


def many(most: int, check: Check, least: int = 1) -> Check:
    def check_all(value: Any) -> None:
        if not isinstance(value, list) or not least <= len(value) <= most:
            raise ValueError(f"must be a list of {least} to {most}")
        for number, each in enumerate(value):
            _at(str(number), check, each)

    return check_all


def shaped(shape: Shape) -> Check:
    def check(value: Any) -> None:
        if not isinstance(value, dict):
            raise ValueError("must be an object")
        shape.check(value)

    return check


def typed(kinds: Mapping[str, Shape], of_all: Shape) -> Check:
    """An object with a `type`: what holds for each of them, and for its own."""

    def check(value: Any) -> None:
        if not isinstance(value, dict) or not isinstance(value.get("type"), str):
            raise ValueError("must be an object with a type")
        of_all.check(value)
        kinds.get(value["type"], _ANY).check(value)

    return check


def _at(place: str, check: Check, value: Any) -> None:
    try:
        check(value)
    except ValueError as wrong:
        path, separator, said = str(wrong).partition(": ")
        raise ValueError(f"{place}.{path}: {said}" if separator else f"{place}: {path}") from None


_ANY = Shape()
_OPTION = shaped(Shape({"text": text(75), "value": string(150), "description": text(75)}, ("text", "value")))
_GROUP = shaped(Shape({"label": plain(75), "options": many(100, _OPTION)}, ("label", "options")))
_CONFIRM = shaped(
    Shape({"title": plain(100), "text": text(300), "confirm": plain(30), "deny": plain(30)}, ("title", "text"))
)
_SELECT = Shape(
    {"options": many(100, _OPTION), "option_groups": many(100, _GROUP)}, one_of=("options", "option_groups")
)
_CHOICE = Shape({"options": many(10, _OPTION)}, ("options",))
_IMAGE = Shape(
    {"image_url": string(3000), "alt_text": string(2000), "title": plain(2000)},
    ("alt_text",),
    one_of=("image_url", "slack_file"),
)
_ELEMENT = typed(
    {
        "button": Shape(
            {"text": plain(75), "url": string(3000), "value": string(2000), "accessibility_label": string(75)},
            ("text",),
        ),
        "image": _IMAGE,
        "overflow": Shape({"options": many(5, _OPTION)}, ("options",)),
        "checkboxes": _CHOICE,
        "radio_buttons": _CHOICE,
        "static_select": _SELECT,
        "multi_static_select": _SELECT,
    },
    Shape({"action_id": string(_IDS), "placeholder": plain(150), "confirm": _CONFIRM}),
)


def _of_context(value: Any) -> None:
    if isinstance(value, dict) and value.get("type") in {"plain_text", "mrkdwn"}:
        text(3000)(value)
    else:
        _ELEMENT(value)


_BLOCK = typed(
    {
        "section": Shape(
            {"text": text(3000), "fields": many(10, text(2000)), "accessory": _ELEMENT}, one_of=("text", "fields")
        ),
        "header": Shape({"text": plain(150)}, ("text",)),
        "image": _IMAGE,
        "actions": Shape({"elements": many(25, _ELEMENT)}, ("elements",)),
        "context": Shape({"elements": many(10, _of_context)}, ("elements",)),
        "context_actions": Shape({"elements": many(5, _ELEMENT)}, ("elements",)),
        "input": Shape({"label": plain(2000), "hint": plain(2000), "element": _ELEMENT}, ("label", "element")),
        "markdown": Shape({"text": string(12_000)}, ("text",)),
        "rich_text": Shape({"elements": many(1000, typed({}, _ANY))}, ("elements",)),
        "table": Shape({"rows": many(100, many(20, shaped(_ANY)))}, ("rows",)),
        "video": Shape(
            {"title": plain(200), "alt_text": string(2000), "author_name": string(50)},
            ("title", "alt_text", "video_url", "thumbnail_url"),
        ),
    },
    Shape({"block_id": string(_IDS)}),
)


def checked_block(block: dict[str, Any]) -> dict[str, Any]:
    """A block that Slack takes, as far as it says. Raises ValueError, with the place in it."""
    _BLOCK(block)
    return block


def checked_together(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Blocks of one message. Raises ValueError."""
    if json_bytes(blocks) > MOST_BYTES:
        raise ValueError(f"must have at most {MOST_BYTES} bytes of JSON")
    ids = [block["block_id"] for block in blocks if "block_id" in block]
    if len({*ids}) < len(ids):
        raise ValueError("must not have the same block_id twice")
    return blocks
