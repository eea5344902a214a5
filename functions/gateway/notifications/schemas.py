"""The JSON of /v1/notifications, in and out.

What goes out is a TypedDict: checked by mypy, documented by FastAPI, cheap to make.
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, NotRequired, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)
from typing_extensions import TypeAliasType, TypedDict

from functions.gateway.access.caller import Caller
from functions.gateway.notifications.timing import Instant
from functions.gateway.web.common_fields import (
    LOCALE,
    PLAIN_NAME,
    Addresses,
    ChannelName,
    ChannelNames,
    Entries,
    RecipientName,
    each_once,
)
from functions.gateway.web.template_data import TemplateData
from shared.channels.content import ONE_LINE, PRINTABLE, Message, Subject, said, takes
from shared.channels.declaration import Channel
from shared.channels.text_checks import one_line, printable
from shared.delivery.model import (
    Attempt,
    Delivery,
    DeliveryStatus,
    Notification,
    NotificationStatus,
    Outcome,
    Step,
    TemplateUsed,
    Told,
    notification_status,
)


def _tag_name(text: str) -> str:
    # https://firebase.google.com/docs/firestore/quotas#collections_documents_and_fields
    if re.fullmatch("__.*__", text):
        raise ValueError("must not begin and end with __")
    return one_line(text)


TagName = TypeAliasType(
    "TagName",
    Annotated[
        str,
        StringConstraints(min_length=1, max_length=64),
        AfterValidator(_tag_name),
        said(pattern=ONE_LINE, **{"not": {"pattern": "^__.*__$"}}),
    ],
)
TagValue = Annotated[str, StringConstraints(max_length=256), AfterValidator(printable), said(pattern=PRINTABLE)]

# Named, so that `openapi` can put in what each channel takes.
ContentByChannel = TypeAliasType("ContentByChannel", Annotated[dict[ChannelName, dict[str, Any]], Entries(20, least=1)])

KeyText = Annotated[
    str,
    StringConstraints(min_length=1, max_length=255),
    AfterValidator(one_line),
    said(pattern=ONE_LINE),
]


class EscalationStep(BaseModel):
    """A channel that is tried when the one before it ends without success, or has not got far enough in time."""

    model_config = ConfigDict(strict=True, extra="forbid")

    channel: ChannelName
    after: Annotated[int, Field(ge=1, le=604_800)] | None = Field(
        default=None, description="Seconds that the one before has; by default until it has ended."
    )
    unless: Literal["sent", "delivered"] = Field(
        default="sent", description="What the one before has to reach within `after`."
    )

    @model_validator(mode="after")
    def _waits_for_something(self) -> Self:
        if self.unless == "delivered" and self.after is None:
            raise ValueError("unless: delivered needs after, the seconds that a receipt may take")
        return self


def _one_after_the_other(steps: list[EscalationStep]) -> list[EscalationStep]:
    if steps and steps[0].after is not None:
        raise ValueError("the first step has none before it, so it takes no after")
    each_once([step.channel for step in steps])
    return steps


EscalationSteps = Annotated[list[EscalationStep], Entries(20, least=1), AfterValidator(_one_after_the_other)]


class TemplateChoice(BaseModel):
    """version: by default the latest; locale: by default the recipient's"""

    model_config = ConfigDict(strict=True, extra="forbid")

    name: Annotated[str, StringConstraints(pattern=PLAIN_NAME)]
    version: Annotated[int, Field(ge=1, le=1_000_000_000)] | None = None
    locale: Annotated[str, StringConstraints(pattern=LOCALE, max_length=35)] | None = None


CategoryName = Annotated[str, StringConstraints(pattern=PLAIN_NAME)]

_ONE_TARGET: dict[str, Any] = {
    "oneOf": [
        {"required": ["recipient"], "properties": {"recipient": {"type": "string"}, "to": {"type": "null"}}},
        {"required": ["to"], "properties": {"to": {"type": "object"}, "recipient": {"type": "null"}}},
    ]
}


class NotificationRequest(BaseModel):
    """What to send, and to whom: exactly one of `recipient` and `to`."""

    model_config = ConfigDict(strict=True, extra="forbid", json_schema_extra=_ONE_TARGET)

    recipient: RecipientName | None = Field(default=None, description="A registered recipient's name.")
    to: Addresses | None = Field(default=None, description="Addresses by channel.")
    channels: ChannelNames | None = Field(
        default=None, description="By default every channel that there is an address for and that the caller may use."
    )
    subject: Subject | None = Field(default=None, description="For channels that have one (GET /v1/channels).")
    category: CategoryName | None = Field(
        default=None, description="Its class says what may stop it. Without a category it is transactional."
    )
    template: TemplateChoice | None = Field(default=None, description="Instead of subject and message.")
    data: TemplateData | None = None
    message: Message | None = Field(
        default=None,
        validate_default=True,
        description="Plain text, not blank; each channel has its longest (GET /v1/channels).",
    )
    content: ContentByChannel | None = Field(
        default=None, description="What a channel has of its own, or instead of subject and message (GET /v1/channels)."
    )
    send_at: Instant | None = Field(default=None, description="When it goes, at most 366 days ahead; by default now.")
    deliver_by: Instant | None = Field(default=None, description="No attempt begins after it: what is left expires.")
    collapse_key: KeyText | None = Field(
        default=None, description="Of those to one address with the same key only the newest is sent."
    )
    ordering_key: KeyText | None = Field(
        default=None, description="Those to one address with the same key are sent in the order of their 202s."
    )
    escalation: EscalationSteps | None = Field(
        default=None, description="Channels that are tried one after the other; those in `channels` alone go at once."
    )
    tags: Annotated[dict[TagName, TagValue], Entries(50)] = Field(default_factory=dict, description="Your own labels.")

    @field_validator("message", mode="before")
    @classmethod
    def _message_or_template(cls, message: Any, info: ValidationInfo) -> Any:
        if message is None and info.data.get("template") is None and "template" in info.data:
            raise ValueError("is needed, or template")
        if message is not None and info.data.get("template") is not None:
            raise ValueError("goes without template, whose texts take its place")
        return message

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        if (self.recipient is None) == (self.to is None):
            raise ValueError("exactly one of recipient and to is needed")
        return self

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        if self.template is None and self.data is not None:
            raise ValueError("data goes with template")
        if self.template is not None and self.subject is not None:
            raise ValueError("subject goes without template; content.<channel>.subject goes over the template's")
        return self

    def asked_channels(self) -> list[tuple[str, str]]:
        """The channels that it names, each with the field that does; none: all that there is an address for."""
        if self.channels is None and self.escalation is None:
            return []
        named = [(name, f"channels.{i}") for i, name in enumerate(self.channels or ())]
        steps = [(step.channel, f"escalation.{i}.channel") for i, step in enumerate(self.escalation or ())]
        return named + [step for step in steps if step[0] not in (self.channels or ())]

    def steps(self) -> tuple[Step, ...]:
        return tuple(Step(s.channel, s.after, DeliveryStatus(s.unless)) for s in self.escalation or ())


def attached_bytes(body: Any) -> int:
    """Of what stands in a body as `content.<channel>.attachments`, in base64; the body may be anything else, too."""
    contents = body.get("content") if isinstance(body, dict) else None
    own = [each for each in contents.values() if isinstance(each, dict)] if isinstance(contents, dict) else []
    lists = [many for each in own if isinstance(many := each.get("attachments"), list)]
    files = [file["data"] for many in lists for file in many if isinstance(file, dict) and "data" in file]
    return sum(len(data) for data in files if isinstance(data, str))


class TemplateJson(TypedDict):
    name: str
    version: int
    locale: str


class StepJson(TypedDict):
    channel: str
    after: int | None
    unless: str


class AttemptJson(TypedDict):
    number: int
    at: datetime
    outcome: Outcome
    error: str | None
    duration_ms: int | None
    reason: Annotated[str | None, Field(description="Why the person may have got it twice, if not by its outcome.")]
    provider: Annotated[str | None, Field(description="That was called; null in records from before this was kept.")]
    asked: Annotated[
        Told | None,
        Field(description="What the provider said when it was asked what had become of it: null where it was not."),
    ]
    probe: Annotated[bool, Field(description="Made while the provider was down; uses none of the attempts up.")]


class DeliveryJson(TypedDict):
    """`segments`, `encoding`: what the message is cut into; only over a channel that is paid by the piece."""

    channel: str
    address: Annotated[
        str | None,
        Field(
            description="Null where it came from a recipient that the caller may not read (recipients:read); "
            "empty where that person is erased."
        ),
    ]
    status: DeliveryStatus
    content: Annotated[dict[str, Any], Field(description="As it was frozen; of attachments their names and sizes.")]
    segments: NotRequired[int]
    encoding: NotRequired[str]
    provider: str | None
    provider_message_id: str | None
    error: str | None
    reason: Annotated[str | None, Field(description="The rule that holds it back, or that ended it unsent.")]
    next_try_at: Annotated[
        datetime | None, Field(description="Not before then, while it is scheduled, deferred or retrying.")
    ]
    judged_by: Annotated[
        dict[str, str] | None,
        Field(description="Which of the person's records there were, and as of when."),
    ]
    updated_at: datetime
    attempts: list[AttemptJson]


class NotificationJson(TypedDict):
    id: str
    status: NotificationStatus
    recipient: str | None
    subject: str | None
    message: Annotated[str | None, Field(description="Null where a template was used, or its person is erased.")]
    category: str | None
    template: TemplateJson | None
    tags: dict[str, str]
    send_at: datetime | None
    deliver_by: datetime | None
    collapse_key: str | None
    ordering_key: str | None
    escalation: list[StepJson] | None
    created_at: datetime
    deliveries: list[DeliveryJson]


class Verdict(StrEnum):
    CANCELLED = "cancelled"  # it never arrives
    ALREADY_CANCELLED = "already_cancelled"
    TOO_LATE = "too_late"  # it has ended, or an attempt is under way
    STOPPED_RETRYING = "stopped_retrying"  # no further attempt is made, but one on record may have arrived


class VerdictJson(TypedDict):
    channel: str
    verdict: Verdict


class CancelledJson(NotificationJson):
    verdicts: list[VerdictJson]


class NotificationsJson(TypedDict):
    items: list[NotificationJson]
    next_cursor: str | None


def notification_json(
    notification: Notification, deliveries: Sequence[Delivery], caller: Caller, channels: Mapping[str, Channel]
) -> NotificationJson:
    """As `caller` may see it."""
    addresses = caller.may_see_addresses(notification)
    return NotificationJson(
        id=notification.id,
        status=notification_status(deliveries),
        recipient=notification.recipient,
        subject=notification.subject,
        message=notification.message,
        category=notification.category,
        template=_template_json(notification.template),
        tags=dict(notification.tags),
        send_at=notification.send_at,
        deliver_by=notification.deliver_by,
        collapse_key=notification.collapse_key,
        ordering_key=notification.ordering_key,
        escalation=[_step_json(step) for step in notification.escalation] or None,
        created_at=notification.created_at,
        deliveries=[
            _delivery_json(delivery, content_json(notification, delivery, channels), addresses=addresses)
            for delivery in deliveries
        ],
    )


def content_json(n: Notification, d: Delivery, channels: Mapping[str, Channel]) -> dict[str, Any]:
    """What this delivery's message has; of one that is emptied nothing, whatever others are still to get."""
    if d.content is None and not d.address:
        return {"message": ""}
    if d.content is not None:
        own: dict[str, Any] = json.loads(d.content)
        return own
    channel = channels.get(d.channel)  # one that has been taken out since takes nothing more
    with_subject = n.subject is not None and channel is not None and takes(channel, "subject")
    message = n.message or ""
    return {"subject": n.subject, "message": message} if with_subject else {"message": message}


def _delivery_json(d: Delivery, content: dict[str, Any], *, addresses: bool) -> DeliveryJson:
    made = DeliveryJson(
        channel=d.channel,
        address=d.address if addresses else None,
        status=d.status,
        content=content,
        provider=d.provider,
        provider_message_id=d.provider_message_id,
        error=d.error,
        reason=d.reason,
        next_try_at=d.next_try_at,
        judged_by=None if d.judged_by is None else dict(d.judged_by),
        updated_at=d.updated_at or d.created_at,
        attempts=[attempt_json(attempt) for attempt in d.attempts],
    )
    if d.segments is not None and d.encoding is not None:
        made["segments"], made["encoding"] = d.segments, d.encoding
    return made


def attempt_json(a: Attempt) -> AttemptJson:
    return AttemptJson(
        number=a.number,
        at=a.at,
        outcome=a.outcome,
        error=a.error,
        duration_ms=a.duration_ms,
        reason=a.reason,
        provider=a.provider,
        asked=a.asked,
        probe=a.probe,
    )


def _template_json(t: TemplateUsed | None) -> TemplateJson | None:
    return None if t is None else TemplateJson(name=t.name, version=t.version, locale=t.locale)


def _step_json(s: Step) -> StepJson:
    return StepJson(channel=s.channel, after=s.after, unless=s.unless)
