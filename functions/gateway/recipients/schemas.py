"""The JSON of /v1/recipients, in and out."""

from collections.abc import Collection
from datetime import datetime
from functools import cache
from typing import Annotated, Any
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, WithJsonSchema
from typing_extensions import TypedDict

from functions.gateway.recipients.choices import Preferences, QuietHoursJson, QuietHoursParts, quiet_hours_json
from functions.gateway.web.common_fields import LOCALE, Addresses, Entries, RecipientName
from shared.channels.content import PRINTABLE, said
from shared.channels.text_checks import printable
from shared.delivery.model import Recipient


@cache
def _zones() -> frozenset[str]:
    # Files of the system's that name no place.
    return frozenset(available_timezones()) - {"localtime", "posixrules", "Factory"}


def _time_zone(name: str) -> str:
    if name not in _zones():
        raise ValueError("must be a time zone of the IANA database, as Europe/Vienna")
    return name


_LONGEST_ATTRIBUTE = 500
AttributeName = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
_LARGEST = 2**53  # up to here every JSON reader has the same number


def _attribute(value: Any) -> str | int | float | bool:
    """Raises ValueError."""
    match value:
        case bool():
            return value
        case str() if len(value) <= _LONGEST_ATTRIBUTE:
            return printable(value)
        case int() | float() if -_LARGEST <= value <= _LARGEST:
            return value
    raise ValueError(f"must be a text of at most {_LONGEST_ATTRIBUTE} characters, a number, true or false")


AttributeValue = Annotated[
    Any,
    AfterValidator(_attribute),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "maxLength": _LONGEST_ATTRIBUTE, "pattern": PRINTABLE},
                {"type": "number", "minimum": -_LARGEST, "maximum": _LARGEST},
                {"type": "boolean"},
            ]
        }
    ),
]


class RecipientRequest(BaseModel):
    """A recipient's addresses, at least one, and what the person wants."""

    model_config = ConfigDict(strict=True, extra="forbid")

    name: RecipientName | None = Field(default=None, description="If given, the name in the path.")
    addresses: Addresses
    locale: Annotated[str, StringConstraints(pattern=LOCALE, max_length=35)] | None = Field(
        default=None, description="Whose texts and formats they want, as de-AT."
    )
    time_zone: Annotated[str, AfterValidator(_time_zone)] | None = Field(
        default=None, description="Of the IANA database, as Europe/Vienna."
    )
    attributes: Annotated[dict[AttributeName, AttributeValue], Entries(50), said(additionalProperties=False)] = Field(
        default_factory=dict, description="What templates may say of them: texts, numbers, true and false."
    )
    quiet_hours: QuietHoursParts = Field(
        default_factory=list, description="In their time zone, which they need. They leave one hour of the week."
    )
    preferences: Preferences = Field(
        default_factory=dict, description="By category and channel, whether they want it. What is not there they do."
    )


class RecipientJson(TypedDict):
    name: str
    addresses: dict[str, str]
    locale: str | None
    time_zone: str | None
    attributes: dict[str, str | int | float | bool]
    quiet_hours: list[QuietHoursJson]
    preferences: dict[str, dict[str, bool]]
    created_at: datetime
    updated_at: datetime
    updated_by: Annotated[
        str | None,
        Field(description="The id of the caller that wrote it last. Null where it is a caller that one may not see."),
    ]


class RecipientsJson(TypedDict):
    items: list[RecipientJson]
    next_cursor: str | None


def recipient_json(r: Recipient, callers: Collection[str]) -> RecipientJson:
    """callers: the ids of those that may be shown"""
    return RecipientJson(
        name=r.name,
        addresses=dict(r.addresses),
        locale=r.locale,
        time_zone=r.time_zone,
        attributes=dict(r.attributes),
        quiet_hours=quiet_hours_json(r.quiet_hours),
        preferences={category: dict(channels) for category, channels in r.preferences.items()},
        created_at=r.created_at,
        updated_at=r.updated_at,
        updated_by=r.updated_by if r.updated_by in callers else None,
    )
