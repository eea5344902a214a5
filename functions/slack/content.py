"""Which parts a Slack message may have."""

from typing import Annotated

from pydantic import ConfigDict

from functions.slack.channel import CHANNEL
from shared.channels.content import ContentParts, Message, fitting, message_of


class Content(ContentParts):
    """The parts of a Slack message."""

    model_config = ConfigDict(title="SlackContent")

    message: Annotated[Message, fitting(CHANNEL)] = message_of(CHANNEL)
