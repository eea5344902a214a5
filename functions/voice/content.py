"""Which parts a call may have."""

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from functions.voice.spoken_languages import is_spoken
from shared.channels import content


def _language(name: str) -> str:
    if not is_spoken(name):
        raise ValueError("must be a language that Twilio can read out, like de or en-GB")
    return name


def _in_xml(text: str) -> str:
    if "\ufffe" in text or "\uffff" in text:
        raise ValueError("must not contain U+FFFE or U+FFFF, which no XML can have")
    return text


class Content(content.Content):
    """The parts of a call. The message is read out once."""

    message: Annotated[content.Message, AfterValidator(_in_xml)]

    language: Annotated[str, StringConstraints(max_length=16), AfterValidator(_language)] | None = Field(
        default=None, description="That it is read in; by default the recipient's, else the setting VOICE_LANGUAGE."
    )
