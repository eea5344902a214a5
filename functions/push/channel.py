"""What an address of Firebase Cloud Messaging and a push message must be."""

import re

from functions.push.providers import PROVIDERS
from shared.channels.declaration import JSON_BYTES, Channel
from shared.channels.text_checks import one_line

LARGEST = 4096
"""Bytes of what the app gets: https://firebase.google.com/docs/cloud-messaging/customize-messages/set-message-type"""
MAX_LENGTH = 3800
"""Of the text alone: title, image and data share the rest."""

_TOKEN = re.compile(r"[A-Za-z0-9_:.-]{20,2048}")
TOPIC = "topic:"
# https://firebase.google.com/docs/cloud-messaging/send/admin-sdk (topic names)
_TOPIC = re.compile(TOPIC + r"[a-zA-Z0-9-_.~%]{1,900}")


def normalise(address: str) -> str:
    """As it is. Raises ValueError."""
    address = one_line(address).strip()
    pattern = _TOPIC if address.startswith(TOPIC) else _TOKEN
    if not pattern.fullmatch(address):
        raise ValueError(f"must be an app's registration token, or {TOPIC} and a topic's name (a-z A-Z 0-9 - _ . ~ %)")
    return address


CHANNEL = Channel(
    name="push",
    address="registration token of Firebase Cloud Messaging, or topic:name",
    content="functions.push.content",
    max_length=MAX_LENGTH,
    measure=JSON_BYTES,
    normalise=normalise,
    providers=PROVIDERS,
)
