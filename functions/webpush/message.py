"""What a browser's service worker gets, as JSON: {"title", "body"} and what else the notification has.

The names are those of the browser's own showNotification (https://developer.mozilla.org/docs/Web/API/Notification), so
that a service worker can hand them over.
"""

import json
from collections.abc import Mapping
from typing import Any


def shown(subject: str | None, text: str, parts: Mapping[str, Any]) -> dict[str, Any]:
    title = {"title": subject} if subject else {}
    return {**title, "body": text, **{name: parts[name] for name in ("icon", "image", "data") if name in parts}}


def payload(subject: str | None, text: str, parts: Mapping[str, Any]) -> bytes:
    return json.dumps(shown(subject, text, parts), ensure_ascii=False).encode()
