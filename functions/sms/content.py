"""Which parts a text message may have."""

from typing import Annotated

from pydantic import ConfigDict

from functions.sms.channel import CHANNEL
from shared.channels.content import ContentParts, Message, fitting, message_of


class Content(ContentParts):
    """The parts of a text message."""

    model_config = ConfigDict(title="SmsContent")

    message: Annotated[Message, fitting(CHANNEL)] = message_of(CHANNEL)
