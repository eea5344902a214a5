"""What is posted to a workflow: a message with one Adaptive Card.
https://learn.microsoft.com/en-us/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using

A text stands in runs, one block a line: a TextBlock would read it as markdown
(https://adaptivecards.io/explorer/RichTextBlock.html).
"""

from collections.abc import Mapping
from typing import Any

_CARD = {"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4"}


def posted(subject: str | None, text: str, card: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """card: the caller's own in the place of ours; the text is then what a screen that shows no cards has"""
    shown = _of_text(subject, text) if card is None else {**card, "fallbackText": text}
    content_type = "application/vnd.microsoft.card.adaptive"
    return {"type": "message", "attachments": [{"contentType": content_type, "contentUrl": None, "content": shown}]}


def _of_text(subject: str | None, text: str) -> dict[str, Any]:
    title = [_line(subject, weight="bolder", size="medium")] if subject else []
    # A line without a character would take no room.
    return {**_CARD, "body": [*title, *(_line(line or " ") for line in text.split("\n"))]}


def _line(text: str, **style: str) -> dict[str, Any]:
    return {"type": "RichTextBlock", "spacing": "none", "inlines": [{"type": "TextRun", "text": text, **style}]}
