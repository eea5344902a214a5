"""Which parts a push message may have."""

import re
from typing import Annotated, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from functions.push.channel import LARGEST
from functions.push.message import payload
from shared.channels import content
from shared.channels.content import Subject
from shared.channels.text_checks import json_bytes, printable

# https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages#Message (data)
_RESERVED = re.compile(r"from|message_type|google.*|gcm\..*", re.DOTALL)
MOST_DATA = 50


def _key(name: str) -> str:
    if _RESERVED.fullmatch(name):
        raise ValueError("must not be from or message_type, nor begin with google or gcm.: these are Firebase's own")
    return printable(name)


def _https(url: str) -> str:
    if not re.fullmatch(r"https://[^\s/?#@]+[!-~]*", url):
        raise ValueError("must be an https:// URL")
    return url


Key = Annotated[str, StringConstraints(min_length=1, max_length=256), AfterValidator(_key)]
Value = Annotated[str, AfterValidator(printable)]


class Content(content.Content):
    """The parts of a push message."""

    subject: Subject | None = Field(default=None, description="Its title.")
    image: Annotated[str, StringConstraints(max_length=2048), AfterValidator(_https)] | None = Field(
        default=None, description="The https URL of a picture, which the phone fetches."
    )
    data: Annotated[dict[Key, Value], Field(min_length=1, max_length=MOST_DATA)] | None = Field(
        default=None, description="For the app: texts by name."
    )

    @model_validator(mode="after")
    def _it_fits(self) -> Self:
        size = json_bytes(payload(self.subject, self.message, self.parts()))
        if size > LARGEST:
            raise ValueError(f"is {size} bytes with its title, image and data, and Firebase takes {LARGEST} at most")
        return self
