"""What a message to Microsoft Teams must be. Its address is a name of a workflow's URL."""

from functions.teams.providers import PROVIDERS
from shared.channels import named_urls
from shared.channels.declaration import JSON_BYTES, Channel

LARGEST = 28 * 1024
"""Bytes of the whole JSON that is posted: https://learn.microsoft.com/en-us/microsoftteams/limits-specifications-teams"""
MAX_LENGTH = 24_000
"""Of the text alone: what is around it has room in the rest, unless the text has very many lines."""

CHANNEL = Channel(
    name="teams",
    address="name in TEAMS_URLS",
    content="functions.teams.content",
    max_length=MAX_LENGTH,
    measure=JSON_BYTES,
    normalise=named_urls.normalise,
    providers=PROVIDERS,
    screen="functions.teams.known_names",
)
