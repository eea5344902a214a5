"""The parts that a message may have. A channel that takes more than plain text has a model of its own.

Apart from the declaration, which loads no pydantic.
"""

import importlib
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


Message = Annotated[str, AfterValidator(printable), AfterValidator(_not_blank), said(pattern=PRINTABLE, minLength=1)]
Subject = Annotated[str, StringConstraints(max_length=255), AfterValidator(one_line), said(pattern=ONE_LINE)]


class Content(BaseModel):
    """The parts of a message."""

    model_config = ConfigDict(strict=True, extra="forbid")

    message: Message


class ContentModule(Protocol):
    Content: type[Content]


def content_schema(channel: Channel) -> dict[str, Any]:
    """The JSON Schema of what this channel's messages may have."""
    module: ContentModule = importlib.import_module(channel.content)
    schema = module.Content.model_json_schema()
    # What is counted may be more than characters, never less.
    schema["properties"]["message"] |= {"maxLength": channel.max_length, "description": f"Takes {channel.limit}."}
    return schema
