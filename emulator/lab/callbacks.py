"""What a fake provider reports about a message that it accepted: plain values, free of I/O."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum
from typing import Protocol

from emulator.lab.messages import Acceptable


class State(Enum):
    """What has become of a message, whatever its provider calls it."""

    PASSED_ON = "on its way"
    DELIVERED = "arrived"
    UNDELIVERED = "did not arrive"
    GONE = "did not arrive, as there is no such address"
    COMPLAINED = "arrived, and was reported as spam"
    UNSUBSCRIBED = "arrived, and the person wants no more"


@dataclass(frozen=True)
class Callback:
    """One HTTP request that carries receipts.

    url: what follows its `#` is not sent
    words: what it says, in the provider's words, one a receipt
    """

    url: str
    content_type: str
    body: bytes
    words: Sequence[str]

    @property
    def sent_to(self) -> str:
        return self.url.partition("#")[0]


class Lost(StrEnum):
    """Why a callback has no answer, in Twilio's words."""

    CONNECT = "ct"  # no connection
    READ = "rt"  # a connection, and no whole answer in time


Outcome = int | Lost
"""The status of the answer, or why there was none."""


class Reporter(Protocol):
    """How a provider reports."""

    def callbacks(self, accepted: Acceptable, states: Sequence[State], at: datetime) -> Sequence[Callback]:
        """The requests that report these states; none when nobody asked, or the provider has no word for them."""

    def sign(self, callback: Callback, at: datetime, genuine: bool) -> Mapping[str, str]:
        """The headers that prove whose request it is, or, if not genuine, the same by somebody else."""

    def pause(self, callback: Callback, tries: int, outcome: Outcome) -> float | None:
        """Seconds until the next try after so many of them; None when it was the last."""
