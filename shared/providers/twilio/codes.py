"""What Twilio's error codes say of a message that was not accepted: https://www.twilio.com/docs/api/errors

Every published code that can answer a POST of a message is here; the others are of calls, numbers, registrations, other
channels (tests/unit/providers/test_twilio_codes.py). An operator's fault is not the recipient's:

Permanent    this message to this number never goes, whatever an operator changes
Refused      it goes once an operator has changed something, and the words say what
CREDENTIALS  the whole account is refused: an operator is told at once, and each message is tried as often as any

A code that is not here goes by its HTTP status; a 4xx is then Refused, since nobody can say that it is the recipient's
fault.
"""

from collections.abc import Mapping
from typing import Final

from shared.delivery.errors import Permanent, Refused, Retryable, SendError, Throttled, Unknown
from shared.http.client import of_status
from shared.providers.twilio.reasons import SUPPRESSES

CREDENTIALS: Final = "credentials"

_SENDER = "set {sender} to a sender of this account that can send there"
_SERVICE = "set {sender} to a messaging service of this account that has senders"
_REGISTER = "register the sender with the carriers, at Twilio"
_OURS = "the request is not as Twilio wants it: see {sender}, PUBLIC_URL and TWILIO_BASE_URL"

Meanings = Mapping[int, tuple[type[SendError] | str, str]]
"""What a code means, and its words; `{sender}` in them is the setting with the sender."""

NO_OTHERS: Final[Meanings] = {}

CODES: Meanings = {
    # The account, and the key that opens it.
    20003: (CREDENTIALS, "authentication failed"),
    20005: (CREDENTIALS, "the account is not active"),
    20006: (CREDENTIALS, "access denied: a restricted key needs the permission to create messages"),
    20008: (CREDENTIALS, "these are test credentials"),
    20010: (CREDENTIALS, "sending is disabled for the account"),
    20151: (CREDENTIALS, "authentication failed"),
    20403: (CREDENTIALS, "forbidden"),
    20404: (CREDENTIALS, "there is no such account: see TWILIO_ACCOUNT_SID"),
    20423: (CREDENTIALS, "an id is not valid: see TWILIO_ACCOUNT_SID"),
    21470: (CREDENTIALS, "TWILIO_ACCOUNT_SID is not valid"),
    21471: (CREDENTIALS, "there is no such account: see TWILIO_ACCOUNT_SID"),
    21472: (CREDENTIALS, "the account is not active"),
    30002: (CREDENTIALS, "the account is suspended"),
    # The request as such, which an operator's settings make.
    20001: (Refused, _OURS),
    20004: (Refused, "the address does not take messages: see TWILIO_BASE_URL"),
    20410: (Refused, "the address is gone: see TWILIO_BASE_URL"),
    20413: (Refused, _OURS),
    20422: (Refused, _OURS),
    20426: (Refused, "the address wants another protocol: see TWILIO_BASE_URL"),
    21218: (Refused, _OURS),  # ApplicationSid
    21402: (Refused, "a URL is not valid: see PUBLIC_URL"),
    21420: (Refused, _OURS),  # ApplicationSid
    21456: (Refused, "the callback's URL is not valid: see PUBLIC_URL"),
    21502: (Refused, "the callback's URL is not valid: see PUBLIC_URL"),
    21609: (Refused, "the callback's URL is not valid: see PUBLIC_URL"),
    21620: (Refused, _OURS),  # media, of which there are none
    21623: (Refused, _OURS),
    21624: (Refused, _OURS),  # validity period
    21626: (Refused, _OURS),
    21627: (Refused, _OURS),  # maximum price
    21652: (Refused, _OURS),
    21653: (Refused, _OURS),
    21654: (Refused, _OURS),  # content templates, of which there are none
    21655: (Refused, _OURS),
    21656: (Refused, _OURS),
    21658: (Refused, "a parameter is too long: see PUBLIC_URL"),
    30012: (Refused, _OURS),  # validity period
    30013: (Refused, _OURS),
    30028: (Refused, _OURS),
    30029: (Refused, _OURS),
    30030: (Refused, _OURS),
    30031: (Refused, _OURS),
    30109: (Refused, "the callback's URL is not valid: see PUBLIC_URL"),
    30400: (Refused, _OURS),
    # Later, or nobody knows.
    14107: (Throttled, "the sender's rate is exceeded"),
    20011: (Retryable, "TLS failed"),  # some proxy's, on the way
    20012: (Retryable, "TLS failed"),
    20409: (Retryable, "a conflict at Twilio"),
    20429: (Throttled, "too many requests"),
    20500: (Unknown, "an internal error at Twilio"),
    20503: (Retryable, "Twilio is unavailable"),
    21611: (Throttled, "the sender's queue is full"),
    21619: (Retryable, "Twilio could not make a record"),
    21730: (Retryable, "maintenance at Twilio"),
    30001: (Throttled, "the sender's queue is full"),
    30008: (Unknown, "an unknown error"),
    30017: (Retryable, "the carrier is congested"),
    30020: (Unknown, "an internal error at Twilio"),
    30021: (Unknown, "an internal error at Twilio"),
    30022: (Throttled, "the carrier's rate is exceeded"),
    30023: (Throttled, "the carrier's limit of a day is reached"),
    30027: (Throttled, "the carrier's limit of a day is reached"),
    30035: (Retryable, "the sender's number is still being configured"),
    30410: (Unknown, "the carrier did not answer in time"),
    63017: (Throttled, "too many requests"),
    63018: (Throttled, "too many requests"),
    63038: (Throttled, "the account's limit of a day is reached"),
    # The sender.
    21210: (Refused, f"the sender is not verified: {_SENDER}"),
    21212: (Refused, f"the sender is not valid: {_SENDER}"),
    21213: (Refused, f"the sender is missing: {_SENDER}"),
    21407: (Refused, f"numbers of the sender's kind send no SMS: {_SENDER}"),
    21601: (Refused, f"the sender cannot send SMS: {_SENDER}"),
    21603: (Refused, f"the sender is missing: {_SENDER}"),
    21606: (Refused, f"the sender cannot send to this number: {_SENDER}"),
    21607: (Refused, f"a trial account sends only from its own number: {_SENDER}"),
    21616: (Refused, f"the sender matches several numbers: {_SENDER}"),
    21621: (Refused, f"the sender cannot send this: {_SENDER}"),
    21622: (Refused, f"the account cannot send this: {_SENDER}"),
    21657: (Refused, f"the sender's name is not valid: {_SENDER}"),
    21659: (Refused, f"the sender is no number of Twilio's, or a short code of another country: {_SENDER}"),
    21660: (Refused, f"the sender belongs to another account: {_SENDER}"),
    21661: (Refused, f"the sender cannot send SMS: {_SENDER}"),
    21709: (Refused, f"the sender's name is not allowed for this messaging service: {_SENDER}"),
    21708: (Refused, f"the sender's name is missing: {_SENDER}"),
    30015: (Refused, f"the sender is of another kind: {_SENDER}"),
    30016: (Refused, f"the sender is of another kind: {_SENDER}"),
    63002: (Refused, f"there is no such sender: {_SENDER}"),
    63007: (Refused, f"there is no such sender: {_SENDER}"),
    # The messaging service.
    21701: (Refused, f"there is no such messaging service: {_SERVICE}"),
    21702: (Refused, f"the messaging service does not send now: {_SERVICE}"),
    21703: (Refused, f"the messaging service has no number that can send this: {_SERVICE}"),
    21704: (Refused, f"the messaging service has no numbers: {_SERVICE}"),
    21705: (Refused, f"the messaging service is not valid: {_SERVICE}"),
    21711: (Refused, f"the sender is not in the messaging service: {_SERVICE}"),
    21713: (Refused, f"the messaging service's use case is not valid: {_SERVICE}"),
    21715: (Refused, f"the messaging service's number cannot send SMS: {_SERVICE}"),
    30124: (Refused, f"the messaging service is missing: {_SERVICE}"),
    30127: (Refused, f"the messaging service is not valid: {_SERVICE}"),
    # What the account may send, and where.
    21215: (Refused, "this country is not enabled: enable it in Twilio's Geo permissions"),
    21219: (Refused, "a trial account sends only to verified numbers: verify it at Twilio, or upgrade the account"),
    21408: (Refused, "SMS to this country is not enabled: enable it in Twilio's Geo permissions for messaging"),
    21608: (Refused, "a trial account sends only to verified numbers: verify it at Twilio, or upgrade the account"),
    21717: (Refused, f"the US brand is not registered: {_REGISTER}"),
    21719: (Refused, f"the messaging service's use case does not fit the US campaign: {_REGISTER}"),
    21720: (Refused, f"the US use case is not valid: {_REGISTER}"),
    21729: (Refused, f"the US campaign is suspended: {_REGISTER}"),
    30010: (Refused, "dearer than the highest price that is set"),
    30018: (Refused, f"the carrier wants to know the sender: {_REGISTER}"),
    30024: (Refused, f"the carrier does not know the sender: {_REGISTER}"),
    30032: (Refused, f"the toll-free number is not verified: {_REGISTER}"),
    30033: (Refused, f"the US campaign is suspended: {_REGISTER}"),
    30034: (Refused, f"the number is not registered for the US: {_REGISTER}"),
    # The recipient, and the text.
    20023: (Permanent, "the recipient's number is not valid"),
    21211: (Permanent, "the recipient's number is not valid"),
    21214: (Permanent, "the recipient's number cannot be reached"),
    21216: (Permanent, "the recipient's number is on Twilio's blocklist"),
    21217: (Permanent, "the recipient's number is not valid"),
    21265: (Permanent, "the recipient must not be a short code"),
    21266: (Permanent, "the recipient is the sender"),
    21401: (Permanent, "the recipient's number is not valid"),
    21421: (Permanent, "the recipient's number is not valid"),
    21602: (Permanent, "the message is empty"),
    21604: (Permanent, "the recipient is missing"),
    21605: (Permanent, "the message is too long"),
    21610: (Permanent, "the person has opted out"),
    21612: (Permanent, "the recipient's number cannot be reached by SMS"),
    21614: (Permanent, "the recipient's number is not a mobile one"),
    21617: (Permanent, "the message is too long"),
    21618: (Permanent, "this text cannot be sent"),
    21635: (Permanent, "the recipient's number is a landline"),
    30003: (Permanent, "the handset is unreachable"),
    30004: (Permanent, "the message is blocked"),
    30005: (Permanent, "the handset is unknown"),
    30006: (Permanent, "a landline, or a carrier that cannot be reached"),
    30007: (Permanent, "filtered as spam"),
    30014: (Permanent, "the recipient's number is not valid"),
    30019: (Permanent, "the message is too long for the carrier"),
    30450: (Permanent, "the delivery is blocked"),
    63003: (Permanent, "there is no such recipient"),
    63014: (Permanent, "the person has blocked the sender"),
    63024: (Permanent, "there is no such recipient"),
    63031: (Permanent, "the recipient is the sender"),
    63033: (Permanent, "the person has blocked the sender"),
}


def of_code(status: int, code: object, sender: str = "TWILIO_FROM", others: Meanings = NO_OTHERS) -> SendError:
    """The error that Twilio's answer means; `code` is whatever its body has in that place.

    sender: the setting with the sender; others: what codes mean that only one channel meets
    """
    if not isinstance(code, int) or isinstance(code, bool):
        return _of_status(status, None)
    meaning = others.get(code, CODES.get(code))
    if meaning is None:
        return _of_status(status, code)
    kind, words = meaning
    text = f"Twilio answered {status}: {words.format(sender=sender)} ({code})"
    if isinstance(kind, str):
        return Retryable(text, credentials=True)
    return Permanent(text, suppresses=SUPPRESSES.get(code)) if kind is Permanent else kind(text)


def _of_status(status: int, code: int | None) -> SendError:
    error = of_status("Twilio", status, code)
    return Refused(f"{error}: see Twilio's list of errors") if isinstance(error, Permanent) else error
