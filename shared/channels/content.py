"""The parts that a message may have. A channel that takes more than plain text has a model of its own.

Apart from the declaration, which loads no pydantic.
"""

import importlib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, Protocol

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from shared.channels.declaration import Channel
from shared.channels.text_checks import one_line, printable
from shared.delivery.model import Attachment

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
    """The parts of a message. A channel that has more has a subclass."""

    model_config = ConfigDict(strict=True, extra="forbid")

    escapes: ClassVar[Mapping[str, Literal["html", "angles"]]] = {}
    """The parts that are markup, and what is escaped of data in them: all that HTML wants, or & < > alone."""

    message: Message

    @classmethod
    def merged(cls, common: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
        """The parts, not yet judged: those that all channels share where this one takes them, and over them its own."""
        return {name: part for name, part in common.items() if name in cls.model_fields} | dict(own)

    def parts(self) -> dict[str, Any]:
        """As they go on record and to the provider, in values of JSON. Raises ValueError."""
        return self.model_dump(exclude_none=True)

    def earlier(self) -> Mapping[str, str]:
        """By part, the id of an earlier notification whose message this one's goes with: it is sent after that."""
        return {}

    def files(self) -> Sequence[Attachment]:
        """What lies beside the record, since it is too large for it; `parts` has their names, types and sizes."""
        return ()


class ContentModule(Protocol):
    Content: type[Content]


def content_of(channel: Channel) -> type[Content]:
    """The model of what its messages may have."""
    module: ContentModule = importlib.import_module(channel.content)
    return module.Content


def takes(channel: Channel, part: str) -> bool:
    return any(part == (field.alias or name) for name, field in content_of(channel).model_fields.items())


def content_schema(channel: Channel) -> dict[str, Any]:
    """The JSON Schema of what this channel's messages may have, without references: it stands inside of others."""
    whole = content_of(channel).model_json_schema()
    schema: dict[str, Any] = _without_references(whole, whole.pop("$defs", {}))
    # What is counted may be more than characters, never less.
    schema["properties"]["message"] |= {"maxLength": channel.max_length, "description": f"Takes {channel.limit}."}
    return schema


def _without_references(schema: Any, definitions: Mapping[str, Any]) -> Any:
    if isinstance(schema, list):
        return [_without_references(each, definitions) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _without_references(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    return {key: _without_references(value, definitions) for key, value in schema.items()}
