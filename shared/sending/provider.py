"""What a provider is: the one hole of the pipeline that a channel fills."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What to send. `timeout`: seconds that this call may still take."""

    notification_id: str
    address: str
    subject: str | None
    text: str
    timeout: float


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
