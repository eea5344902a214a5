"""What SendGrid's refusals mean: https://www.twilio.com/docs/sendgrid/api-reference/mail-send/errors

Its texts may repeat an address, so they are looked at and never shown.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from shared.delivery.errors import Permanent, Refused, Retryable, SendError, Throttled, Unknown
from shared.http.client import UNREADABLE, header, of_status, seconds

STATUSES: Mapping[int, type[SendError] | str] = {
    # Words: an operator has to act, and they say how. What is not here is judged as HTTP says (shared/http/client.py).
    400: "check the settings of this channel",  # unless FIELDS says that it is about the recipient or the mail
    401: Retryable,  # a rejected key
    403: Retryable,  # a key that may not send mail, unless FIELDS says that it is about the sender
    404: "check SENDGRID_BASE_URL",
    405: "check SENDGRID_BASE_URL",
    413: Permanent,  # the mail is too large
    415: "check SENDGRID_BASE_URL",
    429: Throttled,
    500: Unknown,
    503: Retryable,
}

_SENDER = "check EMAIL_FROM: SendGrid wants a sender that is verified, without letters beyond ASCII"
_OURS = "SendGrid does not take how this channel sends: check its settings and the account's"

FIELDS: Mapping[str, type[Permanent] | str] = {
    # The request's fields, to the depth that tells whose fault it is. Permanent: the recipient's or the mail's.
    "personalizations": _OURS,
    "personalizations.from": _SENDER,
    "personalizations.to": Permanent,
    "personalizations.cc": Permanent,
    "personalizations.bcc": Permanent,
    "personalizations.subject": Permanent,
    "personalizations.headers": _OURS,
    "personalizations.substitutions": _OURS,
    "personalizations.dynamic_template_data": _OURS,
    "personalizations.custom_args": _OURS,
    "personalizations.send_at": _OURS,
    "from": _SENDER,
    "reply_to": _OURS,
    "reply_to_list": _OURS,
    "subject": Permanent,
    "content": Permanent,
    "attachments": Permanent,
    "template_id": _OURS,
    "headers": _OURS,
    "categories": _OURS,
    "custom_args": _OURS,
    "send_at": _OURS,
    "batch_id": _OURS,
    "asm": _OURS,
    "ip_pool_name": _OURS,
    "mail_settings": _OURS,
    "tracking_settings": _OURS,
}

_CREDITS = re.compile(r"\bcredits? exceeded\b", re.IGNORECASE)  # "Maximum credits exceeded", under 401
_INDEX = re.compile(r"\.\d+|\[\d*\]")
_SHOWN = re.compile(r"[a-z0-9_.\[\]]{1,80}")


def of_refusal(status: int, body: bytes, headers: Mapping[str, str], now: float) -> SendError:
    """The error of an answer that is no 202. now: Unix time in seconds."""
    errors = _errors(body)
    fields = [field for error in errors if isinstance(field := error.get("field"), str)]
    shown = next((field for field in fields if _SHOWN.fullmatch(field)), None)
    said = f"SendGrid answered {status}" + (f" ({shown})" if shown else "")
    if status == 429:
        return Throttled(said, retry_after=_pause(headers, now))
    if status in {400, 403} and fields:
        meant = [_meaning(field) for field in fields]
        words = next((each for each in meant if isinstance(each, str)), None)
        if status == 400 and words is None:
            return Permanent(said)
        if words is not None:
            return Refused(f"{said}: {words}")
    if status == 401 and any(_CREDITS.search(str(error.get("message"))) for error in errors):
        return Refused(f"{said}: the account's credits are used up; buy more, or wait for the next ones")
    meaning = STATUSES.get(status)
    if isinstance(meaning, str):
        return Refused(f"{said}: {meaning}")
    return Permanent(said) if meaning is Permanent else of_status("SendGrid", status, shown)


def _errors(body: bytes) -> list[dict[str, Any]]:
    """What is wrong, each with its `field`, `message` and `help`; none when the body is not SendGrid's."""
    try:
        errors = json.loads(body)["errors"]
    except UNREADABLE:
        return []
    return [error for error in errors if isinstance(error, dict)] if isinstance(errors, list) else []


def _meaning(field: str) -> type[Permanent] | str:
    """FIELDS' entry for `personalizations.0.to.0.email` is that for `personalizations.to`."""
    words = _INDEX.sub("", field).split(".")
    return FIELDS.get(".".join(words[:2])) or FIELDS.get(words[0], _OURS)


def _pause(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds until it takes requests again: it names a Unix time, and no Retry-After.

    https://www.twilio.com/docs/sendgrid/api-reference/how-to-use-the-sendgrid-v3-api/rate-limits
    """
    asked = seconds(header(headers, "Retry-After"))
    if asked is not None:
        return asked
    try:
        return seconds(str(max(0.0, float(header(headers, "X-RateLimit-Reset") or "") - now)))
    except ValueError:
        return None
