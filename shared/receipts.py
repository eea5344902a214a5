"""What providers report back about messages that they accepted.

A channel's folder reads its provider's requests: `Channel.receipts` names the module, whose `receipts()` gives a
ReceiptReader. A receipt may come before our own record of the send, twice, late, in any order, or for a message that
is none of ours; `functions/gateway/receipts.py` takes it, and the relay comes back to those that came too early.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from starlette.datastructures import Headers

from shared.model import Receipt


@dataclass(frozen=True, slots=True)
class ReceiptRequest:
    """A provider's HTTP request, not yet verified.

    target: path and query as they came, e.g. `/v1/receipts/twilio?notification_id=…`
    headers: by any case; `getlist` tells whether one came twice
    at: when it arrived
    """

    target: str
    headers: Headers
    body: bytes
    at: datetime


class ReceiptReader(Protocol):
    def read(self, request: ReceiptRequest) -> Sequence[Receipt]:
        """The receipts in it that say delivered or undelivered; what says neither is left out.

        Raises ForgedReceipt when it is not the provider's, MalformedReceipt when it is and cannot be read.
        """
        ...


class ReceiptModule(Protocol):
    """A provider's receipts file."""

    def receipts(self) -> ReceiptReader | None:
        """Reads its settings; None when those that it needs are not set. SystemExit when one is wrong."""
        ...
