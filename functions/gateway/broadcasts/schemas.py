"""The JSON of /v1/broadcasts, in and out."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, NotRequired, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from typing_extensions import TypedDict

from functions.gateway.notifications.schemas import NotificationRequest
from functions.gateway.web.common_fields import NOTIFICATION_ID, PLAIN_NAME
from functions.gateway.web.problem_details import field_error, invalid

MOST_PER_SECOND = 1000
_TARGETS = ("recipient", "to")
OWN_FIELDS = frozenset({"list", "per_second", "dry_run", "plan"})
"""Those that a notification's request has not."""


def _without_targets(schema: dict[str, Any]) -> None:
    for name in _TARGETS:
        schema["properties"].pop(name)


class BroadcastRequest(NotificationRequest):
    """A notification's request without recipient, for all of a list, with `dry_run`: it is planned. Or a `plan` alone,
    which is begun: however often that is sent, it is one operation.
    """

    model_config = ConfigDict(strict=True, extra="forbid", json_schema_extra=_without_targets)

    list: Annotated[str, StringConstraints(pattern=PLAIN_NAME)] | None = None
    per_second: Annotated[int, Field(ge=1, le=MOST_PER_SECOND)] = Field(
        default=100, description="How many notifications are made in a second, at most."
    )
    dry_run: bool = Field(default=False, description="What is sent is what was planned, so this is true.")
    plan: Annotated[str, StringConstraints(pattern=NOTIFICATION_ID)] | None = Field(
        default=None, description="What planning has answered, to be begun. It goes alone."
    )

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        if self.list is None:
            raise ValueError("list is needed, or plan alone")
        if not self.dry_run:
            raise ValueError("dry_run must be true: a broadcast is planned first, and its plan is begun")
        return self


class BeginRequest(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    plan: Annotated[str, StringConstraints(pattern=NOTIFICATION_ID)]


class PlannedChannelJson(TypedDict):
    """deliveries: that would be made; suppressed: of these, those that end so; held: those that quiet hours put off
    segments, price: of those that are not suppressed, over a channel that is paid by the piece; without_price: of the
    segments, those whose price SMS_PRICES does not say
    """

    deliveries: int
    suppressed: int
    held: int
    segments: NotRequired[int]
    price: NotRequired[float]
    without_price: NotRequired[int]


class SampleJson(TypedDict):
    recipient: str
    content: dict[str, dict[str, Any]]


class PlanJson(TypedDict):
    """What would go now. recipients: who is in the list; counted: of these, those that were looked at in the time that
    there was: if they are not all, `estimated` is true and the other numbers are theirs alone.
    suppressed: deliveries, over all channels; refused: recipients for whom no notification can be made, by why
    """

    plan: str
    list: str
    recipients: int
    counted: int
    estimated: bool
    channels: dict[str, PlannedChannelJson]
    suppressed: int
    segments: int
    refused: dict[str, int]
    sample: Annotated[Sequence[SampleJson], Field(description="Up to three, as they would go.")]
    per_second: int
    seconds: Annotated[int, Field(description="How long it takes at this pace, at least.")]
    planned_at: datetime
    good_until: Annotated[datetime, Field(description="Until then it can be begun.")]


def check_targets(body: Any) -> None:
    """Problem 422: what is for one recipient only."""
    if not isinstance(body, dict):
        raise invalid(field_error("body", "must be an object"))
    wrong = [field_error(name, "goes to all of a list, so it has none") for name in _TARGETS if name in body]
    contents = body.get("content")
    for name, own in contents.items() if isinstance(contents, dict) else ():
        if isinstance(own, dict) and "attachments" in own:
            wrong.append(field_error(f"content.{name}.attachments", "a broadcast has none"))
    if wrong:
        raise invalid(*wrong)
