"""Which parts an e-mail may have."""

from typing import Annotated

from pydantic import ConfigDict, Field

from functions.email.channel import CHANNEL
from shared.channels.content import ContentParts, Message, Subject, fitting, message_of


class Content(ContentParts):
    """The parts of an e-mail."""

    model_config = ConfigDict(title="EmailContent")

    subject: Subject | None = Field(default=None, description="By default the message's first words.")
    message: Annotated[Message, fitting(CHANNEL)] = message_of(CHANNEL)
