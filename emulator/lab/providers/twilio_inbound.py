"""A text message that a person answers, as Twilio hands it over:
https://www.twilio.com/docs/messaging/guides/webhook-request
"""

import re
import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from emulator.lab.callbacks import Callback
from emulator.lab.faults import FieldError
from emulator.lab.providers.twilio_receipts import CONTENT_TYPE, POOL_NUMBER

PATH = "/v1/inbound/twilio"
FIELDS = ("from", "text", "to", "opt_out_type")
ADDRESS = re.compile(r"([a-z]+:)?\+?[A-Za-z0-9]{1,20}")  # a number; a short code or a name; with a channel before it
OPT_OUT_TYPES = ("STOP", "START", "HELP")
MAX_LENGTH = 1600


class InvalidText(ValueError):
    def __init__(self, *errors: FieldError) -> None:
        super().__init__("; ".join(f"{error.field} {error.message}" for error in errors))
        self.errors = errors


@dataclass(frozen=True)
class Text:
    """opt_out_type: what Twilio takes it for, where the account has Advanced Opt-Out"""

    sender: str
    text: str
    to: str = POOL_NUMBER
    opt_out_type: str | None = None


def parse(document: object) -> Text:
    """The message that a decoded JSON document asks for. Raises InvalidText naming every wrong field."""
    if not isinstance(document, dict):
        raise InvalidText(FieldError("body", "must be a JSON object"))
    asked: dict[str, Any] = {"to": POOL_NUMBER, **document}
    errors = [FieldError(str(name), "is not a field of a message") for name in document if name not in FIELDS]
    errors += [
        FieldError(name, "must be a phone number, like +14155552671")
        for name in ("from", "to")
        if not (isinstance(asked.get(name), str) and ADDRESS.fullmatch(asked[name]))
    ]
    text, kind = asked.get("text"), asked.get("opt_out_type")
    if not (isinstance(text, str) and len(text) <= MAX_LENGTH):
        errors.append(FieldError("text", f"must be a text of at most {MAX_LENGTH} characters"))
    if kind is not None and kind not in OPT_OUT_TYPES:
        errors.append(FieldError("opt_out_type", f"must be one of {', '.join(OPT_OUT_TYPES)}, or null"))
    if errors:
        raise InvalidText(*errors)
    return Text(asked["from"], asked["text"], asked["to"], kind)


def callback(gateway: str, text: Text) -> tuple[str, Callback]:
    """The message's id, and the request to the gateway at this URL."""
    message_id = "SM" + secrets.token_hex(16)
    fields = {
        "AccountSid": "AC" + "0" * 32,
        "ApiVersion": "2010-04-01",
        "Body": text.text,
        "From": text.sender,
        "MessageSid": message_id,
        "NumMedia": "0",
        "NumSegments": "1",
        **({} if text.opt_out_type is None else {"OptOutType": text.opt_out_type}),
        "SmsMessageSid": message_id,
        "SmsSid": message_id,
        "SmsStatus": "received",
        "To": text.to,
    }
    word = text.opt_out_type or "received"
    return message_id, Callback(gateway.rstrip("/") + PATH, CONTENT_TYPE, urlencode(fields).encode(), (word,))
