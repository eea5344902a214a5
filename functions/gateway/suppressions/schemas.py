"""The JSON of /v1/suppressions, in and out."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from typing_extensions import TypedDict

from functions.gateway.notifications.timing import Instant
from functions.gateway.web.common_fields import LONGEST_ADDRESS
from functions.gateway.web.listing_pages import PageQuery
from shared.channels.content import ONE_LINE, said
from shared.channels.text_checks import one_line
from shared.delivery.model import SuppressionReason
from shared.people.suppression import Entry, Suppression, SuppressionClass

Given = Annotated[
    str, StringConstraints(min_length=1, max_length=500), AfterValidator(one_line), said(pattern=ONE_LINE)
]


class SuppressionsQuery(PageQuery):
    channel: str | None = Field(default=None, json_schema_extra={"$ref": "#/components/schemas/ChannelName"})
    address: str | None = Field(
        default=None, min_length=1, max_length=LONGEST_ADDRESS, description="Of the channel: that one, if it is there."
    )


class SuppressionRequest(BaseModel):
    """Why nothing, or no marketing, is sent to an address any more."""

    model_config = ConfigDict(strict=True, extra="forbid")

    reason: SuppressionReason = SuppressionReason.MANUAL
    class_: Literal["all", "marketing"] | None = Field(
        default=None, alias="class", description="By default that of the reason."
    )
    at: Instant | None = Field(default=None, description="Since when, not in the future; by default now.")
    evidence: Given | None = Field(
        default=None, description="For people: what one can look up, without the address, since it outlives an erasure."
    )


EntryJson = TypedDict(
    "EntryJson",
    {
        "reason": SuppressionReason,
        "class": SuppressionClass,
        "at": datetime,
        "evidence": str,
        "categories": Annotated[list[str], Field(description="That are stopped besides what the class stops.")],
        "except_for": Annotated[list[str], Field(description="Categories that the person has chosen again since.")],
    },
)
SuppressionJson = TypedDict(
    "SuppressionJson",
    {
        "channel": str,
        "address_hash": Annotated[str, Field(description="HMAC-SHA-256 of channel and address.")],
        "reason": SuppressionReason,
        "class": SuppressionClass,
        "at": datetime,
        "evidence": str,
        "categories": list[str],
        "except_for": list[str],
        "others": Annotated[list[EntryJson], Field(description="Further reasons, which stop no more than this one.")],
    },
)


class SuppressionsJson(TypedDict):
    items: list[SuppressionJson]
    next_cursor: str | None


class RowProblemJson(TypedDict):
    row: Annotated[int, Field(description="1 is the first below the header; empty lines are none.")]
    field: str
    detail: str


class ImportedJson(TypedDict):
    rows: int
    imported: Annotated[int, Field(description="Rows that are on record now, whether or not they were before.")]
    problems: list[RowProblemJson]


def suppression_json(suppression: Suppression) -> SuppressionJson:
    """It has entries."""
    first, *others = suppression.by_weight
    return {
        "channel": suppression.channel,
        "address_hash": suppression.id,
        "reason": first.reason,
        "class": first.class_,
        "at": first.at,
        "evidence": first.evidence,
        "categories": list(first.categories),
        "except_for": list(first.except_for),
        "others": [_entry_json(entry) for entry in others],
    }


def _entry_json(entry: Entry) -> EntryJson:
    return {
        "reason": entry.reason,
        "class": entry.class_,
        "at": entry.at,
        "evidence": entry.evidence,
        "categories": list(entry.categories),
        "except_for": list(entry.except_for),
    }
