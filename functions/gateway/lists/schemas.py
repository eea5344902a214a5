"""The JSON of /v1/lists, in and out."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from typing_extensions import TypedDict

from functions.gateway.web.common_fields import Entries, RecipientName
from functions.gateway.web.problem_details import FieldError
from shared.people.lists import Member, RecipientList

MOST_ADDED = 500  # of a request: one BatchWrite takes as many


class ListRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    description: Annotated[str, StringConstraints(max_length=500)] = ""


class MembersRequest(BaseModel):
    """Each is added or not by itself; one that is named twice is added once."""

    model_config = ConfigDict(extra="forbid")

    recipients: Annotated[list[RecipientName], Entries(MOST_ADDED, least=1)]


class ListJson(TypedDict):
    name: str
    description: str
    created_at: datetime
    updated_at: datetime


class ListsJson(TypedDict):
    items: list[ListJson]
    next_cursor: str | None


class MemberJson(TypedDict):
    recipient: str
    added_at: Annotated[datetime, Field(description="The last time.")]


class MembersJson(TypedDict):
    items: list[MemberJson]
    next_cursor: str | None


class AddedJson(TypedDict):
    added: Annotated[int, Field(description="Those that were not in it before.")]
    problems: Annotated[list[FieldError], Field(description="Of those that are not in it now, by their place.")]


def list_json(there: RecipientList) -> ListJson:
    return ListJson(
        name=there.name, description=there.description, created_at=there.created_at, updated_at=there.updated_at
    )


def member_json(member: Member) -> MemberJson:
    return MemberJson(recipient=member.recipient, added_at=member.added_at)
