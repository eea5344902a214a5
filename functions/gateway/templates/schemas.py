"""The JSON of /v1/templates, in and out."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from typing_extensions import TypedDict

from functions.gateway.rendering.template_model import Template, TemplateVersion
from functions.gateway.templates.scheduled_misfits import Misfits
from functions.gateway.web.common_fields import LOCALE, ChannelName, Entries, RecipientName
from functions.gateway.web.problem_details import MOST_ERRORS, FieldError
from functions.gateway.web.template_data import TemplateData
from shared.channels.content import said

Locale = Annotated[str, StringConstraints(pattern=LOCALE, max_length=35)]
Version = Annotated[int, Field(ge=1, le=1_000_000_000)]


def _not_empty(parts: dict[str, Any]) -> dict[str, Any]:
    if not parts:
        raise ValueError("must have a part")
    return parts


Channels = Annotated[
    dict[ChannelName, Annotated[dict[str, Any], AfterValidator(_not_empty)]],
    Entries(20, least=1),
    said(minProperties=1),
]


class TemplateRequest(BaseModel):
    """A version to publish: by locale and channel, the parts of the channel's content, texts in Liquid."""

    model_config = ConfigDict(strict=True, extra="forbid")

    schema_: dict[str, Any] | None = Field(default=None, alias="schema", description="JSON Schema of the data.")
    default_locale: Locale = Field(description="One of the locales: of those who have none of the others.")
    locales: Annotated[dict[Locale, Channels], Entries(50, least=1)]


class PreviewRequest(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    data: TemplateData = Field(default_factory=dict)
    locale: Locale | None = None
    version: Version | None = Field(default=None, description="By default the latest.")
    recipient: RecipientName | None = Field(default=None, description="For whom: their locale, time zone, attributes.")


class RecallRequest(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    version: Version
    dry_run: bool = Field(default=False, description="Only says what would be cancelled.")


class TemplateJson(TypedDict):
    name: str
    version: Annotated[int, Field(description="The latest.")]
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None


class TemplateVersionJson(TypedDict):
    name: str
    version: int
    schema: dict[str, Any] | None
    default_locale: str
    locales: dict[str, dict[str, dict[str, Any]]]
    created_at: datetime
    archived_at: datetime | None


class MisfitJson(TypedDict):
    id: Annotated[str, Field(description="Of a notification that is scheduled.")]
    errors: list[FieldError]


class ScheduledJson(TypedDict):
    """more: there are some beyond those that were looked at"""

    looked_at: int
    more: bool
    misfits: list[MisfitJson]


class PublishedJson(TemplateVersionJson):
    scheduled: Annotated[
        ScheduledJson,
        Field(
            description="What is made of earlier versions and scheduled, and would be refused with this one. "
            "It goes as it was accepted."
        ),
    ]


class TemplatesJson(TypedDict):
    items: list[TemplateJson]
    next_cursor: str | None


class PreviewJson(TypedDict):
    """content: by channel, as it would go; missing: the variables that are not in the data"""

    name: str
    version: int
    locale: str
    content: dict[str, dict[str, Any]]
    missing: list[str]


def template_json(t: Template) -> TemplateJson:
    return TemplateJson(
        name=t.name,
        version=t.latest,
        created_at=t.created_at,
        updated_at=t.updated_at,
        archived_at=t.archived_at,
    )


def template_version_json(t: Template, v: TemplateVersion) -> TemplateVersionJson:
    return TemplateVersionJson(
        name=v.name,
        version=v.number,
        schema=None if v.schema is None else dict(v.schema),
        default_locale=v.default_locale,
        locales={locale: {c: dict(parts) for c, parts in channels.items()} for locale, channels in v.locales.items()},
        created_at=v.created_at,
        archived_at=t.archived_at,
    )


def published_json(t: Template, v: TemplateVersion, of_scheduled: Misfits) -> PublishedJson:
    misfits = [MisfitJson(id=i, errors=list(wrong[:MOST_ERRORS])) for i, wrong in of_scheduled.found.items()]
    return PublishedJson(
        **template_version_json(t, v),
        scheduled=ScheduledJson(looked_at=of_scheduled.looked_at, more=of_scheduled.more, misfits=misfits),
    )
