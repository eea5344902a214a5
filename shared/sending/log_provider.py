"""The provider `log`: sends nothing, prints one structured line. For a first deployment, and for trying things out."""

from collections.abc import Callable

from shared.runtime.logs import get_logger
from shared.sending.provider import Outgoing


class LogProvider:
    name = "log"

    async def send(self, outgoing: Outgoing) -> str | None:
        """Always accepts. The line has the lengths, not the texts: logs never carry those."""
        get_logger(__name__).info(
            "notification",
            notification_id=outgoing.notification_id,
            subject_length=len(outgoing.subject or ""),
            message_length=len(outgoing.text),
        )
        return None

    async def aclose(self) -> None:
        """Nothing to close."""


def provider() -> Callable[[], LogProvider]:
    """It has no settings."""
    return LogProvider
