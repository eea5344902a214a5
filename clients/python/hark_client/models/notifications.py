"""A notification and what became of it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Optional, Union

from hark_client.models.base import Answer
from hark_client.models.problems import ProblemDetails
from hark_client.models.words import PENDING, DeliveryStatus, NotificationStatus, Outcome, Told, Verdict


class Attempt(Answer):
    """One call of a provider. asked: what it said when it was asked what had become of it."""

    number: int
    at: datetime
    outcome: Union[Outcome, str]
    error: Optional[str]
    duration_ms: Optional[int]
    reason: Optional[str]
    provider: Optional[str]
    asked: Optional[Union[Told, str]]
    probe: bool


class Delivery(Answer):
    """A notification over one channel. address: None where the caller may not read recipients.

    segments, encoding: what the message is cut into; only over a channel that is paid by the piece
    """

    channel: str
    address: Optional[str]
    status: Union[DeliveryStatus, str]
    content: dict[str, Any]
    segments: Optional[int] = None
    encoding: Optional[str] = None
    provider: Optional[str]
    provider_message_id: Optional[str]
    error: Optional[str]
    reason: Optional[str]
    next_try_at: Optional[datetime]
    judged_by: Optional[dict[str, str]]
    updated_at: datetime
    attempts: list[Attempt]


class UsedTemplate(Answer):
    """Which version and whose texts were rendered."""

    name: str
    version: int
    locale: str


class Step(Answer):
    """A channel of an escalation. after: seconds that the one before has for it; None: until it has ended."""

    channel: str
    after: Optional[int]
    unless: str


class Notification(Answer):
    """As `GET /v1/notifications/{id}` shows it."""

    id: str
    status: Union[NotificationStatus, str]
    recipient: Optional[str]
    subject: Optional[str]
    message: Optional[str]
    category: Optional[str]
    template: Optional[UsedTemplate]
    tags: dict[str, str]
    send_at: Optional[datetime]
    deliver_by: Optional[datetime]
    collapse_key: Optional[str]
    ordering_key: Optional[str]
    escalation: Optional[list[Step]]
    created_at: datetime
    deliveries: list[Delivery]

    @property
    def pending(self) -> Sequence[Delivery]:
        """Those that have not ended."""
        return [delivery for delivery in self.deliveries if delivery.status in PENDING]

    @property
    def has_ended(self) -> bool:
        return not self.pending


class ChannelVerdict(Answer):
    """What a cancel did over one channel."""

    channel: str
    verdict: Union[Verdict, str]


class Cancelled(Notification):
    """The notification, and what its cancel did."""

    verdicts: list[ChannelVerdict]


class Happening(Answer):
    """Something that happened, or will. at: None: it has no time of its own; channel: None: it is of all of them."""

    at: Optional[datetime]
    channel: Optional[str]
    code: str
    text: str


class Explanation(Answer):
    """events: what happened, in order; next: what each pending delivery waits for"""

    id: str
    status: Union[NotificationStatus, str]
    events: list[Happening]
    next: list[Happening]


class Forecast(Answer):
    """outcome: accepted or refused; problem: what sending would be answered instead of 202"""

    outcome: str
    problem: Optional[ProblemDetails]
    events: list[Happening]


class BatchItem(Answer):
    """status: as of a request of its own. id: of the notification, after 202; problem: else"""

    index: int
    status: int
    id: Optional[str] = None
    replayed: Optional[bool] = None
    problem: Optional[ProblemDetails] = None


class Batch(Answer):
    """An entry for each item, in their order."""

    items: list[BatchItem]
