"""The JSON of /v1/recipients, in and out."""

from collections.abc import Collection
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from functions.gateway.web.common_fields import Addresses, RecipientName
from shared.delivery.model import Recipient


class RecipientRequest(BaseModel):
    """A recipient's addresses, at least one."""

    model_config = ConfigDict(strict=True, extra="forbid")

    name: RecipientName | None = Field(default=None, description="If given, the name in the path.")
    addresses: Addresses


class RecipientJson(TypedDict):
    name: str
    addresses: dict[str, str]
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
        created_at=r.created_at,
        updated_at=r.updated_at,
        updated_by=r.updated_by if r.updated_by in callers else None,
    )
