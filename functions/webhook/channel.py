"""What an endpoint's address and an event's message are."""

import re

from functions.webhook.providers import PROVIDERS
from shared.channels.declaration import UTF_8_BYTES, Channel
from shared.sending.endpoints import NAME

MAX_LENGTH = 20_000
"""Standard Webhooks asks for small payloads, of less than 20 kB; ours have about one."""


def normalise(address: str) -> str:
    """An endpoint's name, as it is. Raises ValueError."""
    if not re.fullmatch(NAME, address):
        raise ValueError("must be an endpoint's name")
    return address


CHANNEL = Channel(
    name="webhook",
    address="endpoint's name",
    content="functions.webhook.content",
    max_length=MAX_LENGTH,
    measure=UTF_8_BYTES,
    normalise=normalise,
    providers=PROVIDERS,
    of_events=True,
)
