"""A browser's push service (RFC 8030), and the browser behind it, whose key the lab has: it shows what it can decrypt.

The subscription in infra/channels.yaml is that browser's. What is for another one stays encrypted.
"""

import json
import re
import secrets
from typing import Any
from urllib.parse import urlsplit

import http_ece
import jwt
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePublicKey,
    derive_private_key,
)

from emulator.lab.faults import Mode
from emulator.lab.messages import Acceptable, Answer, Call, Message, timestamp

PATH = "/push/{subscription}"
_BROWSER = derive_private_key(int.from_bytes(b"the private key of lab's browser"), SECP256R1())
AUTH = b"lab browser auth"
"""The secrets of the lab's browser, which are nobody's else."""
_VAPID = re.compile(r"vapid t=([A-Za-z0-9_.-]+), ?k=([A-Za-z0-9_-]+)")


def refused(status: int, reason: str) -> Answer:
    return Answer.text(status, reason)


def read(call: Call) -> Acceptable | Answer:
    if not signed(call.headers.get("Authorization", "")):
        return refused(401, "the VAPID token is not valid")
    if call.headers.get("Content-Encoding") != "aes128gcm" or not call.headers.get("TTL", "").isdigit():
        return refused(400, "Content-Encoding and TTL are needed")
    if len(call.body) > 4096:
        return refused(413, "the message is too large")
    shown = decrypted(call.body)
    name = secrets.token_hex(8)
    more: dict[str, Any] = {
        "wanted for": f"{call.headers['TTL']} s",
        "in the place of": call.headers.get("Topic"),
        "urgency": call.headers.get("Urgency"),
        **{key: value for key, value in (shown or {}).items() if key not in {"title", "body"}},
    }
    message = Message(
        at=timestamp(call.at),
        channel="webpush",
        provider="vapid",
        to=call.path["subscription"],
        subject=(shown or {}).get("title"),
        text="encrypted, for a browser that is not the lab's" if shown is None else str(shown.get("body", "")),
        message_id=f"/messages/{name}",
        notification_id=call.headers.get("X-Hark-Notification-Id"),
        shown={key: value for key, value in more.items() if value},
    )
    return Acceptable(message, Answer(201, b"", {"Location": message.message_id}))


def signed(authorization: str) -> bool:
    """By the key that it names, for a push service, and not for longer than a day."""
    found = _VAPID.fullmatch(authorization)
    if found is None:
        return False
    try:
        key = EllipticCurvePublicKey.from_encoded_point(SECP256R1(), jwt.utils.base64url_decode(found[2]))
        claims = jwt.decode(found[1], key, algorithms=["ES256"], options={"verify_aud": False})
    except (ValueError, jwt.InvalidTokenError):
        return False
    return urlsplit(claims.get("aud", "")).scheme == "https" and bool(claims.get("sub"))


def decrypted(body: bytes) -> dict[str, Any] | None:
    try:
        data = json.loads(http_ece.decrypt(body, private_key=_BROWSER, auth_secret=AUTH, version="aes128gcm"))
    except (ValueError, http_ece.ECEException):
        return None
    return data if isinstance(data, dict) else None


def failures(message: Message) -> dict[Mode, Answer]:
    return {
        Mode.UNAVAILABLE: refused(503, "try again later"),
        Mode.THROTTLED: Answer.text(429, "too many messages", {"Retry-After": "1"}),
        Mode.REFUSED: refused(410, "the browser has unsubscribed"),
        Mode.UNAUTHORIZED: refused(401, "the VAPID token is not valid"),
    }
