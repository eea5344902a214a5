"""What a message by Apprise must be. Its address is a name of an Apprise URL."""

from functions.apprise.providers import PROVIDERS
from shared.channels import named_urls
from shared.channels.declaration import Channel

# What Apprise hands to most services (https://appriseit.com/); one that takes less has it cut, or refuses it.
MAX_LENGTH = 32_000

CHANNEL = Channel(
    name="apprise",
    address="name in APPRISE_URLS",
    content="functions.apprise.content",
    max_length=MAX_LENGTH,
    normalise=named_urls.normalise,
    providers=PROVIDERS,
    screen="functions.apprise.known_names",
)
