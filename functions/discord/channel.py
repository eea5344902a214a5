"""What a Discord message must be. Its address is a name of a webhook's URL."""

from functions.discord.providers import PROVIDERS
from shared.channels import named_urls
from shared.channels.declaration import UTF_16_UNITS, Channel

# https://docs.discord.com/developers/resources/webhook#execute-webhook: "up to 2000 characters", and no word on which.
# In UTF-16 units no text is longer than they can mean.
MAX_LENGTH = 2000

CHANNEL = Channel(
    name="discord",
    address="name in DISCORD_URLS",
    content="functions.discord.content",
    max_length=MAX_LENGTH,
    measure=UTF_16_UNITS,
    normalise=named_urls.normalise,
    providers=PROVIDERS,
    screen="functions.discord.known_names",
)
