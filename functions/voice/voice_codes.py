"""What Twilio's error codes mean that only calls meet: https://www.twilio.com/docs/api/errors

The others are in `shared/providers/twilio/codes.py`.
"""

from shared.delivery.errors import Permanent, Refused
from shared.providers.twilio.codes import Meanings

_ACCOUNT = "look at the account's voice settings in Twilio's console, then replay"

MEANINGS: Meanings = {
    21201: (Permanent, "the number is missing"),
    21202: (Permanent, "it is a premium number"),
    21203: (Refused, f"the account makes no calls abroad: {_ACCOUNT}"),
    21205: (Refused, "a URL is not valid: see PUBLIC_URL"),
    21210: (Refused, "the caller's number is not verified: set {sender} to a number of this account that can call"),
    21212: (Refused, "the caller's number is not valid: set {sender} to a number of this account that can call"),
    21213: (Refused, "the caller's number is missing: set {sender} to a number of this account that can call"),
    21215: (Refused, f"the account makes no calls to this country (geo permissions): {_ACCOUNT}"),
    21216: (Refused, f"Twilio blocks calls to this number: {_ACCOUNT}"),
    21219: (Refused, f"a trial account calls verified numbers only: {_ACCOUNT}"),
}
