"""The JSON of /v1/operations."""

from datetime import datetime
from typing import Annotated, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from shared.sending.operations import Operation, OperationState
from shared.sending.recalling import RECALL


class OperationJson(TypedDict):
    id: str
    kind: str
    state: OperationState
    template: Annotated[NotRequired[str], Field(description="Of a recall: which, with its version.")]
    about: Annotated[dict[str, str], Field(description="What it is done to, in the words of its kind.")]
    total: Annotated[int, Field(description="All that it is about, where that is known; else what was looked at.")]
    counts: Annotated[dict[str, int], Field(description="Of these, by what became of them.")]
    error: Annotated[str | None, Field(description="Where in the code it failed last; null while it goes well.")]
    created_at: datetime
    updated_at: datetime


class OperationsJson(TypedDict):
    items: list[OperationJson]
    next_cursor: str | None


def operation_json(o: Operation) -> OperationJson:
    made = OperationJson(
        id=o.id,
        kind=o.kind,
        state=o.state,
        about=dict(o.about),
        total=sum(o.counts.values()) if o.total is None else o.total,
        counts=dict(o.counts),
        error=o.error,
        created_at=o.created_at,
        updated_at=o.updated_at,
    )
    if o.kind == RECALL:  # as it was shown before there were other kinds
        made["template"] = o.about["template"]
    return made
