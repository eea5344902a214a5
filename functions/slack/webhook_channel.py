"""Which channel a webhook posts to: SLACK_WEBHOOK_CHANNEL.

The webhook decides that by itself, whatever a request says, and nobody can ask it. So a setting names the channel, and
what is for another is not sent there: the gateway refuses it, and the function asks the same again before it sends.
"""

from collections.abc import Callable
from typing import Annotated, Self

from pydantic import AfterValidator, model_validator

from functions.slack.channel import normalise
from shared.channels.declaration import Screen
from shared.runtime.settings import Settings, listed, load

ChannelAddress = Annotated[str, AfterValidator(normalise)]
"""Spelt as deliveries spell their addresses."""


class ScreenSettings(Settings):
    """Of the gateway, which has no provider: it is told which one the function has."""

    slack_provider: str | None = None
    slack_webhook_channel: ChannelAddress | None = None

    @model_validator(mode="after")
    def _a_webhook_has_a_channel(self) -> Self:
        if self.has_webhook and self.slack_webhook_channel is None:
            raise ValueError("SLACK_WEBHOOK_CHANNEL must name the channel that the webhook posts to")
        return self

    @property
    def has_webhook(self) -> bool:
        """Also where it only takes another's place: what it cannot send then is refused at once."""
        return "webhook" in listed(self.slack_provider or "")


def refusals(channel: str | None) -> Callable[[str], str | None]:
    """Why nothing is sent to an address, in words without it; None when it is. channel: the webhook's; None is any."""

    def refusal(address: str) -> str | None:
        if channel is None or address == channel:
            return None
        return "the webhook posts only to the channel that SLACK_WEBHOOK_CHANNEL names, and this is another"

    return refusal


def screen() -> Screen:
    """SystemExit when a setting is wrong."""
    settings = load(ScreenSettings)
    channel = settings.slack_webhook_channel if settings.has_webhook else None
    return Screen(refusal=refusals(channel), most_per_hour=None, setting="")
