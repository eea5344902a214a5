"""What a Slack address and a Slack message must be."""

import re

from shared.channels import Channel
from shared.texts import one_line

# https://api.slack.com/methods/chat.postMessage: longer texts are truncated after this many characters.
MAX_LENGTH = 40_000

_ID = re.compile(r"[CDGUW][A-Z0-9]{2,20}")
_NAME = re.compile(r"#[\w][\w.-]{0,79}")


def normalise(address: str) -> str:
    """The id as it is, a #name in lower case. Raises ValueError."""
    address = one_line(address).strip()
    if _ID.fullmatch(address):
        return address
    name = address.lower()
    if _NAME.fullmatch(name):  # after lower(): it makes two characters of some letters
        return name
    raise ValueError("must be a Slack channel or user id, or a channel's #name")


CHANNEL = Channel(
    name="slack", address="Slack channel id, user id or #name", max_length=MAX_LENGTH, normalise=normalise
)
