"""What Vonage's error codes say: https://developer.vonage.com/en/api-errors/messages and …/api-errors (read 2026-11).

Every published code of the Messages API is here (tests/unit/sms/test_vonage_codes.py), and those of all of its APIs
that can answer a message. The same codes say in a receipt why a message did not arrive.

Permanent    this message to this number never goes, whatever an operator changes
Refused      it goes once an operator has changed something, and the words say what
CREDENTIALS  the whole account is refused: an operator is told at once, and each message is tried as often as any

The gateway reads receipts by this table: it imports no HTTP client.
"""

import re
from collections.abc import Mapping
from typing import Final

from shared.delivery.errors import Permanent, Refused, Retryable, SendError, Throttled, Unknown
from shared.delivery.model import SuppressionReason

CREDENTIALS: Final = "credentials"

_OURS = "the request is not as Vonage wants it: see VONAGE_FROM, PUBLIC_URL and VONAGE_BASE_URL"
_SENDER = "set VONAGE_FROM to a sender that this account may use there"
_FRAUD = "change its rules in Vonage's dashboard"
_REGULATED = "register text and sender at Vonage, as the country demands it"
_ELSEWHERE = "what it is about, no text message has"

CODES: Mapping[str, tuple[type[SendError] | str, str]] = {
    # The account, and the key that opens it. The first ones are those of all of Vonage's APIs.
    "unauthorized": (CREDENTIALS, "the credentials are not valid"),
    "forbidden": (CREDENTIALS, "the account may not do this"),
    "unprovisioned": (CREDENTIALS, "the credentials do not open the Messages API"),
    "account-suspended": (CREDENTIALS, "the account is suspended"),
    "jwt-expired": (CREDENTIALS, "the token has expired: see this machine's clock"),
    "jwt-revoked": (CREDENTIALS, "the application's key is revoked"),
    "invalid-api-key": (CREDENTIALS, "there is no such account: see VONAGE_API_KEY"),
    "invalid-signature": (CREDENTIALS, "the credentials are not valid"),
    "low-balance": (CREDENTIALS, "the account's credit is used up"),
    "1060": (CREDENTIALS, "the account is barred"),
    "1070": (CREDENTIALS, "the account's credit is used up"),
    "1080": (CREDENTIALS, "the account is not enabled for the Messages API"),
    # The request as such, which an operator's settings make.
    "not-found": (Refused, "the address does not take messages: see VONAGE_BASE_URL"),
    "invalid-params": (Refused, _OURS),
    "1010": (Refused, _OURS),
    "1020": (Refused, _OURS),
    "1021": (Refused, _OURS),
    "1130": (Refused, _OURS),
    "1140": (Refused, "the account lacks what the request asks for: enable it at Vonage"),
    "1150": (Refused, _OURS),
    "1400": (Refused, _OURS),
    "1410": (Refused, _OURS),
    "1440": (Refused, _OURS),
    "1450": (Refused, _OURS),
    # Later, or nobody knows.
    "1000": (Throttled, "too many requests"),
    "1030": (Unknown, "an internal error at Vonage"),
    "1100": (Retryable, "the message could not be passed on"),
    "1180": (Retryable, "the handset is unreachable for now"),
    "1220": (Retryable, "the handset is busy"),
    "1230": (Retryable, "an error of the network"),
    "1241": (Throttled, "too many messages to this number"),
    "1320": (Unknown, "the message was sent before"),
    "1330": (Unknown, "an unknown error of the carrier"),
    "1331": (Unknown, "the carrier does not respond"),
    "1360": (Retryable, "it expired before it was delivered"),
    "1460": (Throttled, "the sender's limit of a day is reached"),
    "1472": (Throttled, "the limit of Fraud Defender is reached"),
    # The sender, and what the account may send where.
    "1120": (Refused, f"the sender is not allowed in this country: {_SENDER}"),
    "1160": (Refused, "a trial account sends only to listed numbers: list it at Vonage, or upgrade the account"),
    "1420": (Refused, f"the sender is not valid: {_SENDER}"),
    "1470": (Refused, f"blocked by Fraud Defender's rule for this prefix: {_FRAUD}"),
    "1473": (Refused, f"blocked by Fraud Defender as inflated traffic: {_FRAUD}"),
    "1480": (Refused, f"the entity id is missing or wrong: {_REGULATED}"),
    "1481": (Refused, f"the sender is missing or wrong: {_REGULATED}"),
    "1482": (Refused, f"the content id is missing or wrong: {_REGULATED}"),
    "1483": (Refused, f"the consent is not authorized: {_REGULATED}"),
    "1484": (Refused, f"an error of regulation: {_REGULATED}"),
    # The recipient, and the text.
    "1040": (Permanent, "the number cannot be routed"),
    "1050": (Permanent, "the number is barred at Vonage"),
    "1090": (Permanent, "the message is too long"),
    "1170": (Permanent, "the number is not valid"),
    "1190": (Permanent, "the number is no longer in use"),
    "1200": (Permanent, "the number has changed its carrier"),
    "1210": (Permanent, "filtered as spam"),
    "1240": (Permanent, "the person has opted out"),
    "1250": (Permanent, "the number cannot be reached"),
    "1251": (Permanent, "there is no way to the number's network"),
    "1260": (Permanent, "the number cannot be reached"),
    "1270": (Permanent, "blocked by the carrier for the person's age"),
    "1280": (Permanent, "the number is blocked by the carrier"),
    "1282": (Permanent, "the message is blocked by the carrier"),
    "1290": (Permanent, "the person's prepaid credit is used up"),
    "1300": (Permanent, "the number is not in the carrier's network"),
    "1310": (Permanent, "the handset cannot receive it"),
    "1430": (Permanent, "the number takes no text messages"),
    # Templates, files and the windows of other channels.
    "1022": (Refused, _ELSEWHERE),
    "1340": (Refused, _ELSEWHERE),
    "1350": (Refused, _ELSEWHERE),
    "1370": (Refused, _ELSEWHERE),
    "1380": (Refused, _ELSEWHERE),
    "1381": (Refused, _ELSEWHERE),
    "1382": (Refused, _ELSEWHERE),
    "1451": (Refused, _ELSEWHERE),
    "1461": (Refused, _ELSEWHERE),
}

SUPPRESSES: Mapping[str, SuppressionReason] = {
    # Of a refusal or a receipt that says of the number that no other text would reach it, either.
    "1170": SuppressionReason.INVALID,  # no valid number; that it is missing does not happen
    "1190": SuppressionReason.INVALID,  # "no longer active, you should remove this phone number"
    "1240": SuppressionReason.STOP,  # they have answered STOP
    # Not here is what may be otherwise tomorrow, or with another sender or text: 1180 (the phone is off), 1250, 1260,
    # 1280 and 1282 (blocked, for one of several reasons), 1210 (filtered), 1050 (barred by Vonage, for what it does not
    # say), 1430 (not for this channel, and it may be the sender's).
}


def code_of(type_: object) -> str | None:
    """The code at the end of a problem's type (RFC 9457): `https://developer.vonage.com/api-errors/messages#1120`."""
    found = re.fullmatch(r"https://[a-z./-]{1,100}#([0-9]{4}|[a-z-]{1,40})", type_) if isinstance(type_, str) else None
    return found[1] if found else None
