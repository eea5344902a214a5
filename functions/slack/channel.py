"""What a Slack address and a Slack message must be."""

import re

from shared.channels import Channel

# https://api.slack.com/methods/chat.postMessage: longer texts are truncated after this many characters.
MAX_LENGTH = 40_000

_ID = re.compile(r"[CDGUW][A-Z0-9]{2,20}")
_NAME = re.compile(r"#[\w][\w.-]{0,79}")


def normalise(address: str) -> str:
    """The id as it is, a #name in lower case. Raises ValueError."""
    address = address.strip()
    if _ID.fullmatch(address):
        return address
    if _NAME.fullmatch(address):
        return address.lower()
    raise ValueError("must be a Slack channel or user id, or a channel's #name")


CHANNEL = Channel(
    name="slack", address="Slack channel id, user id or #name", max_length=MAX_LENGTH, normalise=normalise
)
