"""What is posted to Google Chat: https://developers.google.com/workspace/chat/quickstart/webhooks"""

import re
from collections.abc import Mapping
from typing import Any

# `<users/all>` would ring everybody in the space. Chat has no escape for it, so a mark of no width takes the form away.
_MENTION = re.compile(r"<(?=users/)")


def posted(text: str, parts: Mapping[str, Any]) -> dict[str, Any]:
    said: dict[str, Any] = {"text": _MENTION.sub("<\u200b", text)}
    if "cards" in parts:
        said["cardsV2"] = parts["cards"]
    if "thread" in parts:
        said["thread"] = {"threadKey": parts["thread"]}
    return said
