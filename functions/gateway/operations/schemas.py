"""The JSON of /v1/operations."""

from datetime import datetime
from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from shared.sending.operations import Operation, OperationState


class OperationJson(TypedDict):
    id: str
    kind: str
    state: OperationState
    template: str
    total: Annotated[int, Field(description="Deliveries that were looked at.")]
    counts: Annotated[dict[str, int], Field(description="Of these, by what became of them.")]
    created_at: datetime
    updated_at: datetime


class OperationsJson(TypedDict):
    items: list[OperationJson]
    next_cursor: str | None


def operation_json(o: Operation) -> OperationJson:
    return OperationJson(
        id=o.id,
        kind=o.kind,
        state=o.state,
        template=o.template,
        total=sum(o.counts.values()),
        counts=dict(o.counts),
        created_at=o.created_at,
        updated_at=o.updated_at,
    )
