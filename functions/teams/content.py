"""Which parts a message to Teams may have."""

from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, model_validator

from functions.teams.channel import LARGEST
from functions.teams.message import posted
from shared.channels import content
from shared.channels.content import Subject
from shared.channels.text_checks import json_bytes


def _card(card: dict[str, Any]) -> dict[str, Any]:
    if card.get("type") != "AdaptiveCard":
        raise ValueError('must be an Adaptive Card, with "type": "AdaptiveCard"')
    if not isinstance(card.get("version"), str):
        raise ValueError("must have the version of its schema, as 1.4")
    if not isinstance(card.get("body"), list) or not card["body"]:
        raise ValueError("must have a body with an element")
    return card


class Content(content.Content):
    """The parts of a message to Teams. Its text is plain: nothing in it is markup."""

    subject: Subject | None = Field(default=None, description="The card's title.")
    card: Annotated[dict[str, Any], AfterValidator(_card)] | None = Field(
        default=None,
        description="An Adaptive Card in the place of ours. The message is then what a screen that shows no cards has.",
    )

    @model_validator(mode="after")
    def _it_fits(self) -> Self:
        size = json_bytes(posted(self.subject, self.message, self.card))
        if size > LARGEST:
            raise ValueError(f"is {size} bytes as it is posted to Teams, which takes {LARGEST} at most")
        return self
