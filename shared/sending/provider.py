"""What a provider is: the one hole of the pipeline that a channel fills."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from shared.delivery.model import Attachment


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What to send.

    timeout: seconds that this call may still take
    parts: what the message has besides subject and text, as the channel's `Content.parts` froze it
    """

    notification_id: str
    address: str
    subject: str | None
    text: str
    timeout: float
    parts: Mapping[str, Any] = field(default_factory=dict)
    attachments: Sequence[Attachment] = ()


class Provider(Protocol):
    @property
    def name(self) -> str:
        """As it stands on record."""
        ...

    async def send(self, outgoing: Outgoing) -> str | None:
        """The provider's id of the accepted message (None when it gives none).

        Raises Retryable, Throttled, Permanent, Refused or Unknown (`shared/delivery/errors.py`), and nothing else: the
        contract suite in tests/contract/ holds every provider to it.
        """
        ...

    async def aclose(self) -> None:
        """Close its connections."""
        ...
