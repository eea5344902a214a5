"""Which parts a message to Google Chat may have."""

from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from functions.googlechat.channel import LARGEST
from functions.googlechat.message import posted
from shared.channels import content
from shared.channels.text_checks import json_bytes, one_line


def _card(card: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(card.get("card"), dict):
        raise ValueError("must have a card, as Chat's cardsV2 have it")
    return card


class Content(content.Content):
    """The parts of a message to Google Chat. Chat reads *…*, _…_, ~…~ and `…` of its text as formatting."""

    cards: (
        Annotated[list[Annotated[dict[str, Any], AfterValidator(_card)]], Field(min_length=1, max_length=10)] | None
    ) = Field(default=None, description="Chat's cardsV2, below the message.")
    thread: Annotated[str, StringConstraints(min_length=1, max_length=4000), AfterValidator(one_line)] | None = Field(
        default=None, description="A key of yours: what has the same goes into one thread, which the first begins."
    )

    @model_validator(mode="after")
    def _it_fits(self) -> Self:
        size = json_bytes(posted(self.message, self.parts()))
        if size > LARGEST:
            raise ValueError(f"is {size} bytes as it is posted to Chat, which takes {LARGEST} at most")
        return self
