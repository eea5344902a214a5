"""Which parts a call may have."""

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from functions.voice.spoken_languages import is_spoken
from shared.channels import content


def _language(name: str) -> str:
    if not is_spoken(name):
        raise ValueError("must be a language that Twilio can read out, like de or en-GB")
    return name


class Content(content.Content):
    """The parts of a call. The message is read out once."""

    language: Annotated[str, StringConstraints(max_length=16), AfterValidator(_language)] | None = Field(
        default=None, description="That it is read in; by default the recipient's, else the setting VOICE_LANGUAGE."
    )
