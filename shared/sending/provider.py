"""What a provider is: the one hole of the pipeline that a channel fills."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from shared.delivery.model import Attachment, CategoryClass


@dataclass(frozen=True, slots=True)
class Sent:
    """What the provider took.

    id: of the message; conversation: where it says that the message is, for what goes with it later
    """

    id: str | None
    conversation: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A message that a provider has taken. at: when; is_ours: it names our notification, so it is no other's"""

    sent: Sent
    at: datetime
    is_ours: bool = False


@dataclass(frozen=True, slots=True)
class Earlier:
    """An earlier notification's message, which this one goes with.

    why_not: why there is none, in words; None: `sent` names it
    """

    sent: Sent
    why_not: str | None = None


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What to send.

    timeout: seconds that this call may still take
    parts: what the message has besides subject and text, as the channel's `Content.parts` froze it
    earlier: by the part that names it
    category, category_class: as it is now; None: it has none
    recipient: the person's name, locale: whose texts they want, as far as known
    deliver_by: after it nobody wants it any more; None: it has no end
    collapse: names its collapse key, the same for all that have it; None: it has none
    """

    notification_id: str
    address: str
    subject: str | None
    text: str
    timeout: float
    parts: Mapping[str, Any] = field(default_factory=dict)
    attachments: Sequence[Attachment] = ()
    earlier: Mapping[str, Earlier] = field(default_factory=dict)
    category: str | None = None
    category_class: CategoryClass | None = None
    recipient: str | None = None
    locale: str | None = None
    deliver_by: datetime | None = None
    collapse: str | None = None


class Provider(Protocol):
    @property
    def name(self) -> str:
        """As it stands on record."""
        ...

    async def send(self, outgoing: Outgoing) -> Sent | str | None:
        """The provider's id of the accepted message (None when it gives none), with its conversation where it has one.

        Raises Retryable, Throttled, Permanent, Refused or Unknown (`shared/delivery/errors.py`), and nothing else: the
        contract suite in tests/contract/ holds every provider to it.
        """
        ...

    async def aclose(self) -> None:
        """Close its connections."""
        ...

    # One that can be asked what became of a message has `find` besides (`asking_providers.py`).
