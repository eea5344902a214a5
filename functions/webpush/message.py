"""What a browser's service worker gets, as JSON: {"title", "body"} and what else the notification has.

The names are those of the browser's own showNotification (https://developer.mozilla.org/docs/Web/API/Notification), so
that a service worker can hand them over.
"""

import json
from collections.abc import Mapping
from typing import Any


def payload(subject: str | None, text: str, parts: Mapping[str, Any]) -> bytes:
    shown = {name: parts[name] for name in ("icon", "image", "data") if name in parts}
    title = {"title": subject} if subject else {}
    return json.dumps({**title, "body": text, **shown}, ensure_ascii=False).encode()
