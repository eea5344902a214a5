"""The provider in memory: it takes every message, unless it is told to fail."""

from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from hark_client.testing.virtual_time import VirtualTime
from shared.delivery.errors import Permanent, Retryable, SendError, Throttled, Unknown
from shared.sending.provider import Outgoing

Failure = Literal["503", "429", "400", "401", "timeout", "reset", "accept-then-timeout", "accept-then-reset"]
"""The words of the lab (docs/lab.md) for what a provider does wrong."""

_ACCEPTING = "accept-then-"
_ERRORS: Mapping[str, Callable[[], SendError]] = {
    "503": lambda: Retryable("HTTP 503"),
    "429": lambda: Throttled("HTTP 429", retry_after=1.0),
    "400": lambda: Permanent("HTTP 400"),
    "401": lambda: Retryable("HTTP 401", credentials=True),
    "timeout": lambda: Unknown("no answer in time"),
    "reset": lambda: Unknown("the connection was reset"),
}


@dataclass(frozen=True)
class Sent:
    """A message that a provider took. parts: what it has besides subject and text (html, blocks, …)

    files: the names of its attachments; at: in virtual time
    """

    channel: str
    to: str
    subject: str | None
    text: str
    notification_id: str
    message_id: str
    at: datetime
    parts: Mapping[str, Any]
    files: Sequence[str]


class Outbox:
    """What all providers took, in order, and what is to go wrong next."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self.failures: defaultdict[str, deque[Failure]] = defaultdict(deque)


class MemoryProvider:
    """One channel's. See `shared.sending.provider.Provider`."""

    name = "memory"

    def __init__(self, channel: str, outbox: Outbox, time: VirtualTime) -> None:
        self._channel = channel
        self._outbox = outbox
        self._time = time

    async def send(self, outgoing: Outgoing) -> str:
        failures = self._outbox.failures[self._channel]
        failure = failures.popleft() if failures else None
        if failure is not None and not failure.startswith(_ACCEPTING):
            raise _ERRORS[failure]()
        sent = Sent(
            channel=self._channel,
            to=outgoing.address,
            subject=outgoing.subject,
            text=outgoing.text,
            notification_id=outgoing.notification_id,
            message_id=f"{self._channel}-{len(self._outbox.sent) + 1}",
            at=self._time.now(),
            parts=dict(outgoing.parts),
            files=[file.name for file in outgoing.attachments],
        )
        self._outbox.sent.append(sent)
        if failure is not None:
            raise _ERRORS[failure.removeprefix(_ACCEPTING)]()
        return sent.message_id

    async def aclose(self) -> None:
        """There is nothing to close."""
