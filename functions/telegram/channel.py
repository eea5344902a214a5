"""What a Telegram chat and a message must be."""

import re

from functions.telegram.providers import PROVIDERS
from shared.channels.declaration import UTF_16_UNITS, Channel
from shared.channels.text_checks import one_line

# https://core.telegram.org/bots/api#sendmessage; Telegram counts in UTF-16 code units, as its offsets do:
# https://core.telegram.org/api/entities#entity-length
MAX_LENGTH = 4096

_ID = re.compile(r"-?[1-9][0-9]{0,15}")  # at most 52 significant bits: https://core.telegram.org/bots/api#chat
_NAME = re.compile(r"@[A-Za-z][A-Za-z0-9_]{3,31}")


def normalise(address: str) -> str:
    """A chat's number as it is, a public channel's @name in lower case. Raises ValueError."""
    address = one_line(address).strip()
    if _ID.fullmatch(address):
        return address
    if _NAME.fullmatch(address):
        return address.lower()
    raise ValueError("must be a chat's number (of a group it is negative), or a public channel's or group's @name")


CHANNEL = Channel(
    name="telegram",
    address="Telegram chat id or @name",
    content="functions.telegram.content",
    max_length=MAX_LENGTH,
    measure=UTF_16_UNITS,
    normalise=normalise,
    providers=PROVIDERS,
)
