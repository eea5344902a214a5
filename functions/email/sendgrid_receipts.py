"""SendGrid's event webhook: https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event

Verified as the SDK's `EventWebhook` does, which a test compares it with, but on the bytes as they came: the SDK takes
text, and to decode 768 KiB only to encode them again is most of what a forgery could cost.
"""

import base64
import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator
from starlette.datastructures import Headers

from shared.delivery.errors import ForgedReceipt, MalformedReceipt
from shared.delivery.model import DeliveryStatus, Receipt, SuppressionReason
from shared.runtime.logs import get_logger
from shared.runtime.settings import Settings, load
from shared.sending.receipts import NOTIFICATION_ID, ReceiptReader, ReceiptRequest

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

log = get_logger(__name__)

_SIGNATURE_HEADER = "X-Twilio-Email-Event-Webhook-Signature"
_TIMESTAMP_HEADER = "X-Twilio-Email-Event-Webhook-Timestamp"
# "Events are sent in batches when the batch reaches 768 kilobytes": the one that goes beyond may be as large as what
# we give a mail (10,000 bytes) and what a mail server says.
SETTINGS = ("SENDGRID_WEBHOOK_PUBLIC_KEY",)
_BODY_LIMIT = 800 * 1024
_LONGEST_SIGNATURE = 96  # characters: base64 of at most 72 bytes, two numbers of 256 bits in DER
_LEEWAY = timedelta(minutes=5)  # how old a signature may be, and how far ahead SendGrid's clock
_MOST_EVENTS = 10_000
_MESSAGE_ID = re.compile(r"(?!.{129})[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_WAY = re.compile(r"\.(?=recvd-|filter)")
"""Between what X-Message-Id said at the send and the mail's way through SendGrid: `<id>.recvd-…`, `<id>.filterdrecv-…`,
`14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0`. The id may itself have dots.
"""
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
    # What the person thinks of it, which nobody can before it has arrived. Each also suppresses: COMPLAINTS.
    "spamreport": DeliveryStatus.DELIVERED,
    "unsubscribe": DeliveryStatus.DELIVERED,
    "group_unsubscribe": DeliveryStatus.DELIVERED,
    # Of SendGrid's own groups, which Hark does not use: it takes back nothing that the person has said to us.
    "group_resubscribe": None,
    "account_status_change": None,  # of the account, not of a mail
}

COMPLAINTS: Mapping[str, SuppressionReason] = {
    # By event: what the person wants from now on.
    "spamreport": SuppressionReason.COMPLAINT,
    "unsubscribe": SuppressionReason.UNSUBSCRIBED,
    "group_unsubscribe": SuppressionReason.UNSUBSCRIBED,
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

DROPS: Mapping[str, str] = {
    # The `reason` of a `dropped`, from the same page; any other text may repeat the address.
    "Invalid SMTPAPI header": "our request is at fault",
    "Spam Content": "SendGrid's spam check refuses it",
    "Unsubscribed Address": "the person has unsubscribed",
    "Bounced Address": "a mail to this address has bounced before",
    "Spam Reporting Address": "the person has reported a mail as spam before",
    "Invalid": "SendGrid takes the address for no valid one",
    "Recipient List over Package Quota": "more recipients than the account's plan has",
}

LISTED: Mapping[str, SuppressionReason] = {
    # By the `reason` of a `dropped`: the address is on one of SendGrid's lists, which says why. The other reasons are
    # the mail's fault or the account's.
    "Unsubscribed Address": SuppressionReason.UNSUBSCRIBED,
    "Bounced Address": SuppressionReason.HARD_BOUNCE,
    "Spam Reporting Address": SuppressionReason.COMPLAINT,
    "Invalid": SuppressionReason.INVALID,
}


def _p256(key: str) -> "EllipticCurvePublicKey":
    """Raises ValueError when it is not what SendGrid shows: base64 of a P-256 key in DER."""
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
    return public_key


def _checked(key: str) -> str:
    """The key as it is. Raises ValueError."""
    _p256(key)
    return key


class SendGridReceiptSettings(Settings):
    sendgrid_webhook_public_key: Annotated[str, AfterValidator(_checked)] | None = None


class SendGridReceipts:
    body_limit = _BODY_LIMIT

    def __init__(self, public_key: str) -> None:
        """public_key: base64 of a P-256 key in DER."""
        self._public_key = _p256(public_key)

    def check_head(self, target: str, headers: Headers, at: datetime) -> None:
        _signature(headers)
        timestamp = _one(headers, _TIMESTAMP_HEADER)
        if not re.fullmatch(r"[0-9]{1,11}", timestamp):
            raise ForgedReceipt("the timestamp is no Unix time in seconds")
        if abs(at.timestamp() - int(timestamp)) > _LEEWAY.total_seconds():
            raise ForgedReceipt("the timestamp is too old or in the future")

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
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - loaded where a key is set, see above
        from cryptography.hazmat.primitives import hashes  # noqa: PLC0415
        from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

        self.check_head(request.target, request.headers, request.at)
        signed = request.headers[_TIMESTAMP_HEADER].encode() + request.body
        try:
            self._public_key.verify(_signature(request.headers), signed, ec.ECDSA(hashes.SHA256()))
            return request.body.decode("utf-8-sig")  # a byte order mark is ignored: RFC 8259, 8.1
        except InvalidSignature:
            raise ForgedReceipt("the signature is not SendGrid's for this time and body") from None
        except UnicodeDecodeError:
            raise ForgedReceipt("the body is not UTF-8") from None


def receipts() -> ReceiptReader | None:
    settings = load(SendGridReceiptSettings)
    if settings.sendgrid_webhook_public_key is None:
        return None
    return SendGridReceipts(settings.sendgrid_webhook_public_key)


def _one(headers: Headers, name: str) -> str:
    values = headers.getlist(name)
    if len(values) != 1:
        raise ForgedReceipt(f"{name} must be there once")
    return values[0]


def _signature(headers: Headers) -> bytes:
    """Raises ForgedReceipt, also for another spelling of the same: each signature has one."""
    text = _one(headers, _SIGNATURE_HEADER)
    try:
        signature = base64.b64decode(text, validate=True) if len(text) <= _LONGEST_SIGNATURE else b""
    except ValueError:
        signature = b""
    if not signature or base64.b64encode(signature).decode() != text:
        raise ForgedReceipt("the signature is not spelt as SendGrid does")
    return signature


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
    notification_id = _matching(NOTIFICATION_ID, event.get("notification_id"))
    message_id = _message_id(event.get("sg_message_id"))
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
        suppresses=_suppresses(event, word),
    )


def _suppresses(event: Mapping[str, Any], word: str) -> SuppressionReason | None:
    match word:
        case "bounce":
            # Of type `bounce` is what the mail server refuses for good; of type `blocked` what it refused this time, or
            # for 72 hours. A status of class 4 (RFC 3463) says "for now", whatever the type.
            status = _matching(_ENHANCED_STATUS, event.get("status")) or ""
            hard = event.get("type") == "bounce" and not status.startswith("4")
            return SuppressionReason.HARD_BOUNCE if hard else None
        case "dropped":
            cause = event.get("reason")
            return LISTED.get(cause) if isinstance(cause, str) else None
        case _:
            return COMPLAINTS.get(word)


def _message_id(whole: object) -> str | None:
    """What X-Message-Id said at the send, from an event's sg_message_id."""
    if not isinstance(whole, str):
        return None
    ours, *way = _WAY.split(whole, maxsplit=1)
    # Of a way that begins with another word only this is known: that ids have no dots, but for very old ones.
    return _matching(_MESSAGE_ID, ours if way else ours.partition(".")[0])


def _matching(pattern: re.Pattern[str], value: object) -> str | None:
    return value if isinstance(value, str) and pattern.fullmatch(value) else None


def _reason(event: Mapping[str, Any], word: str) -> str:
    """In SendGrid's codes and fixed words; the event's `reason` is free text that repeats the address."""
    kind = "blocked" if word == "bounce" and event.get("type") == "blocked" else word
    group = event.get("bounce_classification")
    known_group = group if isinstance(group, str) and group in CLASSES else None
    cause = event.get("reason") if word == "dropped" else None
    drop = f"{cause}: {DROPS[cause]}" if isinstance(cause, str) and cause in DROPS else None
    details = filter(None, [_matching(_ENHANCED_STATUS, event.get("status")), known_group, drop])
    said = ", ".join(details)
    return f"SendGrid reports {kind}" + (f" ({said})" if said else "")
