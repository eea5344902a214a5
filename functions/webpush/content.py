"""Which parts a push message to a browser may have."""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from functions.webpush.channel import LARGEST
from functions.webpush.message import shown
from shared.channels import content
from shared.channels.content import Subject
from shared.channels.text_checks import json_bytes


def _https(url: str) -> str:
    if not re.fullmatch(r"https://[^\s/?#@]+[!-~]*", url):
        raise ValueError("must be an https:// URL")
    return url


Url = Annotated[str, StringConstraints(max_length=2048), AfterValidator(_https)]


class Content(content.Content):
    """The parts of a push message to a browser."""

    subject: Subject | None = Field(default=None, description="Its title.")
    icon: Url | None = Field(default=None, description="The https URL of a small picture.")
    image: Url | None = Field(default=None, description="The https URL of a large picture.")
    data: dict[str, Any] | None = Field(default=None, description="For the service worker: any JSON.")
    urgency: Literal["very-low", "low", "normal", "high"] | None = Field(
        default=None, description="RFC 8030: what may wait while the device saves power."
    )

    @model_validator(mode="after")
    def _it_fits(self) -> Self:
        size = json_bytes(shown(self.subject, self.message, self.parts()))
        if size > LARGEST:
            raise ValueError(f"is {size} bytes with all its parts, and push services take {LARGEST} at most")
        return self
