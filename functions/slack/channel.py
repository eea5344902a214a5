"""What a Slack address and a Slack message must be."""

import re
import unicodedata

from functions.slack.providers import PROVIDERS
from shared.channels.declaration import Channel, Measure
from shared.channels.text_checks import one_line

# https://docs.slack.dev/reference/methods/chat.postMessage#truncating: what is beyond is cut off without a word.
MAX_LENGTH = 40_000

_ID = re.compile(r"[CDGUW][A-Z0-9]{2,20}")
_LONGEST_NAME = 80  # characters
_JOINERS = "\u200c\u200d"  # between letters of Hindi or Persian they are part of the spelling


def escaped(text: str) -> str:
    """The text with Slack's three control characters as entities, so that `<!channel>` stays words.

    https://docs.slack.dev/messaging/formatting-message-text#escaping
    """
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


ESCAPED = Measure("characters after escaping", lambda text: len(escaped(text)))
"""Slack keeps the text as it was posted, and cuts that: `&` is the five of `&amp;`, an emoji is one."""


def normalise(address: str) -> str:
    """The id as it is, a #name composed (NFC) and in lower case. Raises ValueError."""
    address = one_line(address).strip()
    if _ID.fullmatch(address):
        return address
    if address.startswith("#"):
        # Composed again at the end: lower() makes a letter and a mark of some letters.
        name = unicodedata.normalize("NFC", unicodedata.normalize("NFC", address[1:]).lower())
        if len(name) <= _LONGEST_NAME and all(map(_in_a_name, name)) and any(map(_is_spelt, name[:1])):
            return "#" + name
    raise ValueError("must be a Slack channel or user id, or a channel's #name")


def _in_a_name(character: str) -> bool:
    return character in "-." + _JOINERS or _is_spelt(character)


def _is_spelt(character: str) -> bool:
    """A letter of any script, one of its marks, a digit: which of them it takes Slack knows."""
    return character == "_" or unicodedata.category(character)[0] in "LMN"


CHANNEL = Channel(
    name="slack",
    address="Slack channel id, user id or #name",
    content="functions.slack.content",
    max_length=MAX_LENGTH,
    measure=ESCAPED,
    normalise=normalise,
    providers=PROVIDERS,
    screen="functions.slack.webhook_channel",
)
