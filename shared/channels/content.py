"""The parts that a message may have, for the models of channels and of the request. Loaded by who describes or reads them.

A channel's model is `Content` in the module that `Channel.content` names. What one channel alone has stands there.
"""

import importlib
from collections.abc import Callable
from typing import Annotated, Any, Protocol

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from shared.channels.declaration import Channel
from shared.channels.text_checks import one_line, printable

# What `text_checks` checks, for /openapi.json.
PRINTABLE = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]*$"
ONE_LINE = r"^[^\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]*$"


def said(**schema: Any) -> Any:
    """For /openapi.json alone: what a validator holds that pydantic cannot read."""
    return Field(json_schema_extra=schema)


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be blank")
    return text


Message = Annotated[
    str, AfterValidator(printable), AfterValidator(_not_blank), said(pattern=PRINTABLE, minLength=1)
]
Subject = Annotated[str, StringConstraints(max_length=255), AfterValidator(one_line), said(pattern=ONE_LINE)]


class ContentParts(BaseModel):
    """What a channel's model builds on."""

    model_config = ConfigDict(strict=True, extra="forbid")


def message_of(channel: Channel) -> Any:
    """The field `message` of a channel: its longest, in words and, as far as a schema can say it, in characters."""
    return Field(
        description=f"Plain text, not blank, {channel.limit}.", json_schema_extra={"maxLength": channel.max_length}
    )


def fitting(channel: Channel) -> AfterValidator:
    """Refuses what is longer than a channel's longest message, as the channel counts."""

    def fits(message: str) -> str:
        if not channel.fits(message):
            raise ValueError(f"{channel.name} takes {channel.limit}")
        return message

    return AfterValidator(fits)


class ContentModule(Protocol):
    Content: type[ContentParts]


def load_content(channel: Channel) -> type[ContentParts]:
    module: ContentModule = importlib.import_module(channel.content)
    return module.Content
