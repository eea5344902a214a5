"""What a message to Google Chat must be. Its address is a name of a space's webhook."""

from functions.googlechat.providers import PROVIDERS
from shared.channels import named_urls
from shared.channels.declaration import JSON_BYTES, Channel

LARGEST = 32_000
"""Bytes of the whole message: https://developers.google.com/workspace/chat/api/reference/rest/v1/spaces.messages"""
MAX_LENGTH = 30_000
"""Of the text alone: what is around it has room in the rest."""

CHANNEL = Channel(
    name="googlechat",
    address="name in GOOGLECHAT_URLS",
    content="functions.googlechat.content",
    max_length=MAX_LENGTH,
    measure=JSON_BYTES,
    normalise=named_urls.normalise,
    providers=PROVIDERS,
    screen="functions.googlechat.known_names",
)
