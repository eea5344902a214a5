"""SendGrid's event webhook: https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event

The gateway imports this module at its start, and a cold start must load no SDK: sendgrid is imported with the first
receipt.
"""

import base64
import json
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator

from shared.errors import ForgedReceipt, MalformedReceipt
from shared.logs import get_logger
from shared.model import DeliveryStatus, Receipt
from shared.receipts import NOTIFICATION_ID, ReceiptReader, ReceiptRequest
from shared.settings import Settings, load

log = get_logger(__name__)

_LEEWAY = timedelta(minutes=5)  # how old a signature may be, and how far ahead SendGrid's clock
_MOST_EVENTS = 10_000
_MESSAGE_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_ENHANCED_STATUS = re.compile(r"\d\.\d{1,3}\.\d{1,3}", re.ASCII)  # RFC 3463


EVENTS: Mapping[str, DeliveryStatus | None] = {
    # None: says nothing of whether it arrived that another event does not say.
    "processed": None,  # SendGrid has it and will send it
    "deferred": None,  # the mail server put it off; SendGrid tries for 72 hours
    "delivered": DeliveryStatus.DELIVERED,  # the mail server took it
    "bounce": DeliveryStatus.UNDELIVERED,  # of type `bounce` or `blocked`
    "blocked": DeliveryStatus.UNDELIVERED,  # an event of its own in older accounts
    "dropped": DeliveryStatus.UNDELIVERED,  # SendGrid does not try: the address is on one of its lists
    "open": None,  # by a person, or by a mail server that loads images
    "click": None,
    "spamreport": None,  # what the person thinks of it, after it arrived
    "unsubscribe": None,
    "group_unsubscribe": None,
    "group_resubscribe": None,
    "account_status_change": None,  # of the account, not of a mail
}

CLASSES = frozenset(
    {
        # https://www.twilio.com/docs/sendgrid/api-reference/bounces-api; events also say just `Technical`
        "Content",
        "Frequency or Volume Too High",
        "Invalid Address",
        "Mailbox Unavailable",
        "Reputation",
        "Technical",
        "Technical Failure",
        "Unclassified",
    }
)


def _p256(key: str) -> str:
    """The key as it is. Raises ValueError when it is not what SendGrid shows: base64 of a P-256 key in DER."""
    # Only where a key is set: the gateway's start is not to pay for it otherwise.
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_der_public_key  # noqa: PLC0415

    try:
        public_key = load_der_public_key(base64.b64decode(key, validate=True))
    except (ValueError, UnsupportedAlgorithm):
        public_key = None
    if not (isinstance(public_key, ec.EllipticCurvePublicKey) and isinstance(public_key.curve, ec.SECP256R1)):
        raise ValueError("must be the verification key as SendGrid shows it, one line of base64 that begins MFkw")
    return key


class SendGridReceiptSettings(Settings):
    sendgrid_webhook_public_key: Annotated[str, AfterValidator(_p256)] | None = None


class SendGridReceipts:
    def __init__(self, public_key: str) -> None:
        """public_key: base64 of a P-256 key in DER."""
        self._public_key = public_key

    def read(self, request: ReceiptRequest) -> Sequence[Receipt]:
        found: list[Receipt] = []
        unreadable = 0
        for event in _events(self._verified(request)):
            try:
                receipt = _receipt(event)
            except MalformedReceipt:
                unreadable += 1
                continue
            if receipt is not None:
                found.append(receipt)
        if unreadable:
            log.error("unreadable events in a receipt were skipped", provider="sendgrid", events=unreadable)
        return found

    def _verified(self, request: ReceiptRequest) -> str:
        """The body. Raises ForgedReceipt."""
        from sendgrid.helpers.eventwebhook import EventWebhook, EventWebhookHeader  # noqa: PLC0415 - see the docstring

        signature = _header(request, EventWebhookHeader.SIGNATURE)
        timestamp = _header(request, EventWebhookHeader.TIMESTAMP)
        if not re.fullmatch(r"[0-9]{1,11}", timestamp):
            raise ForgedReceipt("the timestamp is no Unix time in seconds")
        if abs(request.at.timestamp() - int(timestamp)) > _LEEWAY.total_seconds():
            raise ForgedReceipt("the timestamp is too old or in the future")
        try:
            # The SDK skips what is not base64, so that many spellings of a signature would pass.
            if base64.b64encode(base64.b64decode(signature, validate=True)).decode() != signature:
                raise ForgedReceipt("the signature is not spelt as SendGrid does")
            body = request.body.decode()  # the SDK takes text and encodes it again
            genuine = EventWebhook(self._public_key).verify_signature(body, signature, timestamp)
        except ValueError:
            raise ForgedReceipt("the signature or the body cannot be read") from None
        if not genuine:
            raise ForgedReceipt("the signature is not SendGrid's for this time and body")
        return body


def receipts() -> ReceiptReader | None:
    settings = load(SendGridReceiptSettings)
    if settings.sendgrid_webhook_public_key is None:
        return None
    return SendGridReceipts(settings.sendgrid_webhook_public_key)


def _header(request: ReceiptRequest, name: str) -> str:
    values = request.headers.getlist(name)
    if len(values) != 1:
        raise ForgedReceipt(f"{name} must be there once")
    return values[0]


def _events(body: str) -> list[Any]:
    """Raises MalformedReceipt."""
    try:
        events = json.loads(body)
    except (ValueError, RecursionError):
        raise MalformedReceipt("the body is not JSON") from None
    if isinstance(events, dict):
        events = [events]
    if not isinstance(events, list):
        raise MalformedReceipt("the body is no list of events")
    if len(events) > _MOST_EVENTS:
        raise MalformedReceipt(f"{len(events)} events are more than {_MOST_EVENTS}")
    return events


def _receipt(event: Any) -> Receipt | None:
    """What the event says, if it decides anything about a mail that can be named. Raises MalformedReceipt."""
    word = event.get("event") if isinstance(event, dict) else None
    if not isinstance(word, str):
        raise MalformedReceipt("the event is no object with an `event`")
    if word not in EVENTS:
        known_shape = re.fullmatch(r"[a-z_]{1,40}", word)
        log.warning("unknown event in a receipt", provider="sendgrid", status=word if known_shape else None)
    status = EVENTS.get(word)
    if status is None:
        return None
    # What X-Message-Id said at the send, then the mail's way through SendGrid.
    whole_id = event.get("sg_message_id")
    message_id = _matching(_MESSAGE_ID, whole_id.partition(".")[0]) if isinstance(whole_id, str) else None
    notification_id = _matching(NOTIFICATION_ID, event.get("notification_id"))
    if message_id is None and notification_id is None:
        raise MalformedReceipt("the event names no mail of ours")
    return Receipt(
        channel="email",
        provider="sendgrid",
        provider_message_id=message_id,
        status=status,
        notification_id=notification_id,
        reason=_reason(event, word) if status is DeliveryStatus.UNDELIVERED else None,
        overrules=status is DeliveryStatus.UNDELIVERED,  # some mail servers take a mail and send it back later
    )


def _matching(pattern: re.Pattern[str], value: object) -> str | None:
    return value if isinstance(value, str) and pattern.fullmatch(value) else None


def _reason(event: Mapping[str, Any], word: str) -> str:
    """In SendGrid's codes and fixed words; the event's `reason` is free text that repeats the address."""
    kind = "blocked" if word == "bounce" and event.get("type") == "blocked" else word
    group = event.get("bounce_classification")
    known_group = group if isinstance(group, str) and group in CLASSES else None
    details = filter(None, [_matching(_ENHANCED_STATUS, event.get("status")), known_group])
    said = ", ".join(details)
    return f"SendGrid reports {kind}" + (f" ({said})" if said else "")
