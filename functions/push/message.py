"""What is sent to Firebase Cloud Messaging:
https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from functions.push.channel import TOPIC
from shared.sending.provider import Outgoing

LONGEST_TTL = timedelta(
    days=28
)  # https://firebase.google.com/docs/cloud-messaging/customize-messages/setting-message-lifespan
_COLLAPSE_LENGTH = 32  # characters: APNs takes 64 bytes, a browser's Topic header 32 (RFC 8030, 5.4)


def payload(subject: str | None, text: str, parts: Mapping[str, Any]) -> dict[str, Any]:
    """What the app gets, which may have 4,096 bytes."""
    notification = {"title": subject, "body": text, "image": parts.get("image")}
    shown = {name: value for name, value in notification.items() if value}
    return {"notification": shown, **({"data": parts["data"]} if parts.get("data") else {})}


def request_of(outgoing: Outgoing, now: datetime) -> dict[str, Any]:
    """The body of the request."""
    to = (
        {"topic": outgoing.address.removeprefix(TOPIC)}
        if outgoing.address.startswith(TOPIC)
        else {"token": outgoing.address}
    )
    android: dict[str, Any] = {}
    apns: dict[str, str] = {}
    webpush: dict[str, str] = {}
    if outgoing.deliver_by is not None:
        left = min(max(outgoing.deliver_by - now, timedelta()), LONGEST_TTL)
        seconds = int(left.total_seconds())
        android["ttl"] = f"{seconds}s"
        apns["apns-expiration"] = str(int((now + left).timestamp()))
        webpush["TTL"] = str(seconds)
    if outgoing.collapse is not None:
        key = collapse_id(outgoing.collapse)
        android["collapse_key"], apns["apns-collapse-id"], webpush["Topic"] = key, key, key
    said = {
        "android": android,
        "apns": {"headers": apns} if apns else {},
        "webpush": {"headers": webpush} if webpush else {},
    }
    message = {**to, **payload(outgoing.subject, outgoing.text, outgoing.parts)}
    return {"message": message | {name: value for name, value in said.items() if value}}


def collapse_id(collapse: str) -> str:
    return hashlib.sha256(collapse.encode()).hexdigest()[:_COLLAPSE_LENGTH]
