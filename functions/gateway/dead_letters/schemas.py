"""The JSON of /v1/dead-letters."""

from datetime import datetime
from typing import Annotated, Literal, NotRequired

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from typing_extensions import TypedDict

from functions.gateway.notifications.timing import Instant
from functions.gateway.web.common_fields import NOTIFICATION_ID, ChannelName
from functions.gateway.web.problem_details import field_error, invalid
from shared.channels.content import PRINTABLE
from shared.channels.text_checks import printable
from shared.delivery.model import Delivery, DeliveryStatus
from shared.sending.replay_plan import ReplayFilter

MOST_PER_SECOND = 1000


class DeadLetterJson(TypedDict):
    notification_id: str
    channel: str
    error: str | None
    attempts: int
    dead_at: datetime


class DeadLettersJson(TypedDict):
    items: list[DeadLetterJson]
    next_cursor: str | None


def dead_letter_json(d: Delivery) -> DeadLetterJson:
    return DeadLetterJson(
        notification_id=d.notification_id,
        channel=d.channel,
        error=d.error,
        attempts=len(d.attempts),
        dead_at=d.dead_at or d.created_at,
    )


Words = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(printable)]


class ReplayFilterRequest(BaseModel):
    """Which dead letters; `{}` is all that are dead."""

    model_config = ConfigDict(strict=True, extra="forbid")

    channel: ChannelName | None = None
    status: list[Literal["dead", "failed"]] = Field(
        default=["dead"],
        min_length=1,
        max_length=2,
        description="What failed, the provider refuses for good: it is replayed only where it is asked for.",
    )
    error: Words | None = Field(
        default=None, description="Words that its reason has.", json_schema_extra={"pattern": PRINTABLE}
    )
    from_: Instant | None = Field(default=None, alias="from", description="When it ended, or later.")
    to: Instant | None = Field(default=None, description="Before then.")

    def asked(self) -> ReplayFilter:
        statuses = tuple(DeliveryStatus(status) for status in dict.fromkeys(self.status))
        return ReplayFilter(statuses, self.channel, self.error, self.from_, self.to)


class ReplayRequest(BaseModel):
    """A `filter` with `dry_run`: it is planned. Or a `plan` alone, which is begun: one operation, however often that is
    sent.
    """

    model_config = ConfigDict(strict=True, extra="forbid")

    filter: ReplayFilterRequest = Field(default_factory=ReplayFilterRequest)
    per_second: Annotated[int, Field(ge=1, le=MOST_PER_SECOND)] = Field(
        default=100, description="How many are replayed in a second, at most."
    )
    dry_run: bool = Field(default=False, description="What is replayed is what was planned, so this is true.")
    plan: Annotated[str, StringConstraints(pattern=NOTIFICATION_ID)] | None = Field(
        default=None, description="What planning has answered, to be begun. It goes alone."
    )

    def check(self) -> None:
        """Problem 422 for what does not go together."""
        if self.plan is not None and self.model_fields_set != {"plan"}:
            raise invalid(field_error("plan", "goes alone: its filter and pace are what was planned"))
        if self.plan is None and not self.dry_run:
            raise invalid(field_error("dry_run", "must be true: a replay is planned first, and its plan is begun"))
        start, end = self.filter.from_, self.filter.to
        if start is not None and end is not None and start >= end:
            raise invalid(field_error("filter.from", "must be before filter.to"))


class ReplayedChannelJson(TypedDict):
    """segments, price: over a channel that is paid by the piece; without_price: of the segments, those whose price
    SMS_PRICES does not say
    """

    deliveries: int
    segments: NotRequired[int]
    price: NotRequired[float]
    without_price: NotRequired[int]


class ReplayPlanJson(TypedDict):
    """What would be replayed now. estimated: there was no time to look at all, and the numbers are of those that were

    by_age: since they were accepted, for what is too old to matter: `to` leaves it out
    may_have_arrived: of these, those with an attempt of which nobody knows; their provider is asked first, if it can be
    refused: those that the filter finds and that cannot be replayed, by why: `cancelled`, `too_late` (its deliver_by is
    past, its recipient erased or its record about to expire), `forbidden` to this caller
    """

    plan: str
    count: int
    estimated: bool
    by_reason: dict[str, int]
    by_age: dict[str, int]
    channels: dict[str, ReplayedChannelJson]
    may_have_arrived: int
    refused: dict[str, int]
    per_second: int
    seconds: Annotated[int, Field(description="How long it takes at this pace, at least.")]
    planned_at: datetime
    good_until: Annotated[datetime, Field(description="Until then it can be begun.")]
