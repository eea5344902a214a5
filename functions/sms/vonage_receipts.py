"""Vonage's status webhooks: https://developer.vonage.com/en/messages/concepts/messages-status-callbacks

Signed by a JWT with the hash of the body in it: https://developer.vonage.com/en/getting-started/concepts/webhooks
It is verified as the SDK does, which a test compares it with, but by its text (RFC 7515, A.1): of a signature in base64
there are several spellings, and the SDK takes each.
"""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from pydantic import SecretStr
from starlette.datastructures import Headers

from functions.sms.vonage_codes import CODES, SUPPRESSES, code_of
from shared.delivery.errors import ForgedReceipt, MalformedReceipt
from shared.delivery.model import DeliveryStatus, Receipt
from shared.runtime.logs import get_logger
from shared.runtime.settings import Settings, load
from shared.sending.receipts import NOTIFICATION_ID, ReceiptReader, ReceiptRequest

log = get_logger(__name__)

SETTINGS = ("VONAGE_SIGNATURE_SECRET",)
_BODY_LIMIT = 8 * 1024  # bytes; Vonage sends about 600
# Header, claims (about 340 characters) and the 32 bytes of an HMAC-SHA256.
_TOKEN = re.compile(r"Bearer ([A-Za-z0-9_-]{1,200}\.([A-Za-z0-9_-]{1,1000}))\.([A-Za-z0-9_-]{43})")
_OLDEST = timedelta(hours=25)
"""Vonage tries for 24 hours, and does not say whether each try has a new token. To repeat a genuine one is harmless."""
_AHEAD = timedelta(minutes=5)  # how far Vonage's clock may be
_MESSAGE_ID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")

STATUSES: Mapping[str, DeliveryStatus | None] = {
    # None: not decided by this.
    "submitted": None,  # the carrier has it
    "delivered": DeliveryStatus.DELIVERED,
    "read": DeliveryStatus.DELIVERED,  # not of text messages
    "rejected": DeliveryStatus.UNDELIVERED,  # Vonage, or the carrier, says so
    "undeliverable": DeliveryStatus.UNDELIVERED,  # Vonage could not reach the carrier
}


class VonageReceiptSettings(Settings):
    """The account's secret, with which Vonage signs."""

    vonage_signature_secret: SecretStr | None = None


class VonageReceipts:
    body_limit = _BODY_LIMIT

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def check_head(self, target: str, headers: Headers, at: datetime) -> None:
        self._claims(headers, at)

    def read(self, request: ReceiptRequest) -> Sequence[Receipt]:
        document = self._verified(request)
        if document.get("channel") != "sms":
            return ()  # of another channel of the account
        message_id, word = document.get("message_uuid"), document.get("status")
        if not isinstance(message_id, str) or not _MESSAGE_ID.fullmatch(message_id):
            raise MalformedReceipt("message_uuid is no message's id")
        if not isinstance(word, str):
            raise MalformedReceipt("status is missing")
        status = _status(word)
        if status is None:
            return ()
        code = _code(document.get("error")) if status is DeliveryStatus.UNDELIVERED else None
        receipt = Receipt(
            channel="sms",
            provider="vonage",
            provider_message_id=message_id,
            status=status,
            notification_id=_notification_id(document.get("client_ref")),
            reason=_reason(word, code) if status is DeliveryStatus.UNDELIVERED else None,
            overrules=status is DeliveryStatus.DELIVERED,  # Vonage never says both; if it did, a phone has answered
            suppresses=None if code is None else SUPPRESSES.get(code),
        )
        return (receipt,)

    def _claims(self, headers: Headers, at: datetime) -> Mapping[str, Any]:
        """Raises ForgedReceipt."""
        values = headers.getlist("Authorization")
        token = _TOKEN.fullmatch(values[0]) if len(values) == 1 else None
        if token is None:
            raise ForgedReceipt("Authorization must be there once, with a JWT that is signed by HS256")
        signed, payload, signature = token.groups()
        expected = base64.urlsafe_b64encode(hmac.digest(self._secret, signed.encode(), hashlib.sha256)).rstrip(b"=")
        if not hmac.compare_digest(expected, signature.encode()):
            raise ForgedReceipt("the signature is not Vonage's for this token")
        claims = _claims_of(payload)
        made = (claims or {}).get("iat")
        if claims is None or type(made) is not int:
            raise ForgedReceipt("the token does not say when it was made")
        age = int(at.timestamp()) - made
        if not -_AHEAD.total_seconds() <= age <= _OLDEST.total_seconds():
            raise ForgedReceipt("the token is too old or from the future")
        return claims

    def _verified(self, request: ReceiptRequest) -> Mapping[str, Any]:
        """The body. Raises ForgedReceipt, MalformedReceipt."""
        claims = self._claims(request.headers, request.at)
        if len(request.body) > _BODY_LIMIT:
            raise ForgedReceipt(f"the body has more than {_BODY_LIMIT} bytes")
        if claims.get("payload_hash") != hashlib.sha256(request.body).hexdigest():
            raise ForgedReceipt("the token is not for this body")
        document = _object(request.body)
        if document is None:
            raise MalformedReceipt("the body is no JSON object")
        return document


def receipts() -> ReceiptReader | None:
    secret = load(VonageReceiptSettings).vonage_signature_secret
    return None if secret is None else VonageReceipts(secret.get_secret_value())


def _claims_of(payload: str) -> Mapping[str, Any] | None:
    try:
        return _object(base64.urlsafe_b64decode(payload + "=="))  # as many as may be missing; more do not matter
    except ValueError:
        return None


def _object(data: bytes) -> Mapping[str, Any] | None:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _status(word: str) -> DeliveryStatus | None:
    if word not in STATUSES:
        known_shape = re.fullmatch(r"[a-z_]{1,40}", word)
        log.warning("unknown status in a receipt", provider="vonage", status=word if known_shape else None)
    return STATUSES.get(word)


def _code(error: object) -> str | None:
    """From the error's `title`, which is the code as a number or a text, else from its `type`."""
    if not isinstance(error, dict):
        return None
    title = error.get("title")
    said = str(title) if type(title) in {int, str} else ""
    return said if re.fullmatch(r"[0-9]{4}", said) else code_of(error.get("type"))


def _reason(word: str, code: str | None) -> str:
    """In words and digits of ours: the webhook repeats the number in its other fields."""
    if code is not None and code in CODES:
        return f"Vonage reports {word}: {CODES[code][1]} ({code})"
    return f"Vonage reports {word} ({code})" if code is not None and code.isdigit() else f"Vonage reports {word}"


def _notification_id(client_ref: object) -> str | None:
    """Ours, which the provider file gave to the message."""
    return client_ref if isinstance(client_ref, str) and NOTIFICATION_ID.fullmatch(client_ref) else None
