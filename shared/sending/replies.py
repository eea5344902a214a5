"""What people answer to a message, as far as it says whether they want more: STOP and START.

A channel's folder reads its provider's requests: `Channel.replies` names the module, whose `replies()` gives a
ReplyReader.

    STOP    the address is suppressed with the reason `stop`: nothing that it need not have is sent there
    START   that is taken back, and only that: an unsubscribe, a complaint or a bounce was not said by STOP

What if the process dies: before the write nothing is on record, and the provider has no answer; it asks again if it was
told to. After it, the same word again changes nothing. A STOP that never comes through is on the provider's list all
the same, and its refusal of the next send suppresses the address.

Two words may come in the wrong order, and the requests do not say when each was said: the one that comes last holds. If
that is a STOP, nobody gets what they do not want. If it is a START that was said first, the provider refuses, as above.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from starlette.datastructures import Headers

from shared.delivery.model import SuppressionReason
from shared.people.people_store import PeopleStore
from shared.people.suppression import CLASS_BY_REASON, Entry
from shared.runtime.logs import get_logger
from shared.sending.receipts import ReceiptRequest
from shared.sending.suppressing import change, suppress

log = get_logger(__name__)


class Wish(StrEnum):
    STOP = "stop"
    START = "start"


@dataclass(frozen=True, slots=True)
class Reply:
    """address: whose it is, in the channel's one spelling; message_id: the provider's, of what they wrote"""

    channel: str
    address: str
    wish: Wish
    message_id: str


class ReplyReader(Protocol):
    """Like a ReceiptReader (`shared/sending/receipts.py`), with the same bounds."""

    body_limit: int

    def check_head(self, target: str, headers: Headers, at: datetime) -> None:
        """What can be said before the body is read. Raises ForgedReceipt when no body makes it the provider's."""
        ...

    def read(self, request: ReceiptRequest) -> Reply | None:
        """None when it says neither.

        Raises ForgedReceipt when it is not the provider's, MalformedReceipt when it is and cannot be read.
        """
        ...


class ReplyModule(Protocol):
    """A provider's file of what people answer."""

    def replies(self) -> ReplyReader | None:
        """Reads its settings; None when those that it needs are not set. SystemExit when one is wrong."""
        ...


async def follow(people: PeopleStore, reply: Reply, now: datetime) -> None:
    """Put the wish on record. Raises StoreUnavailable, UnreadableRecord."""
    address = people.suppression_id(reply.channel, reply.address)
    reason = SuppressionReason.STOP
    if reply.wish is Wish.STOP:
        entry = Entry(reason, CLASS_BY_REASON[reason], now, f"message {reply.message_id}")
        await suppress(people, reply.channel, address, entry)
    else:
        await change(people, reply.channel, address, lambda there: there.without(reason))
    log.info("a reply", wish=reply.wish, channel=reply.channel, message_id=reply.message_id)
