"""Twilio's status callbacks: https://www.twilio.com/docs/messaging/guides/track-outbound-message-status

Signed as https://www.twilio.com/docs/usage/security#validating-requests says, and not with the SDK: it is the SDK
that verifies them.
"""

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from urllib.parse import parse_qs, parse_qsl, urlencode

from emulator.lab.callbacks import Callback, Lost, Outcome, State
from emulator.lab.messages import Acceptable

WORDS = {
    # None of what a person thinks of it: they answer STOP, which is a message of theirs (twilio_inbound.py).
    State.PASSED_ON: "sent",
    State.DELIVERED: "delivered",
    State.UNDELIVERED: "undelivered",
    State.GONE: "undelivered",
}
ERROR_CODES = {State.UNDELIVERED: "30003", State.GONE: "30005"}  # unreachable handset, unknown handset
OF_CALLS = {State.DELIVERED: "completed", State.UNDELIVERED: "no-answer", State.GONE: "failed"}
CONTENT_TYPE = "application/x-www-form-urlencoded; charset=UTF-8"
POOL_NUMBER = "+15005550006"  # the number that a messaging service picks to send from
# https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides
FIRST_PAUSE = 0.25  # seconds, doubled each time: all of it within the 15 seconds that Twilio gives a callback


class TwilioReporter:
    def __init__(self, auth_token: str) -> None:
        self._key = auth_token.encode()
        self._wrong_key = secrets.token_bytes(16)

    def callbacks(self, accepted: Acceptable, states: Sequence[State], at: datetime) -> Sequence[Callback]:
        url = accepted.echoed.get("StatusCallback")
        if not url:
            return ()
        words = OF_CALLS if accepted.message.message_id.startswith("CA") else WORDS
        said = [state for state in states if state in words]
        return [Callback(url, CONTENT_TYPE, form(accepted, state), (words[state],)) for state in said]

    def sign(self, callback: Callback, at: datetime, genuine: bool) -> Mapping[str, str]:
        fields = sorted(set(parse_qsl(callback.body.decode(), keep_blank_values=True)))
        signed = callback.sent_to + "".join(name + value for name, value in fields)
        digest = hmac.digest(self._key if genuine else self._wrong_key, signed.encode(), hashlib.sha1)
        return {"X-Twilio-Signature": base64.b64encode(digest).decode()}

    def pause(self, callback: Callback, tries: int, outcome: Outcome) -> float | None:
        """As often, and after such failures, as the URL's fragment says."""
        if isinstance(outcome, int) and outcome < 400:
            return None
        asked = parse_qs(callback.url.partition("#")[2])
        retries = asked.get("rc", ["1"])[0]
        failures = asked.get("rp", [Lost.CONNECT.value])[0].split(",")
        kind = outcome if isinstance(outcome, Lost) else f"{outcome // 100}xx"
        if not {kind, "all"} & {*failures}:
            return None
        allowed = int(retries) if re.fullmatch("[0-5]", retries) else 1
        return FIRST_PAUSE * 2 ** (tries - 1) if tries <= allowed else None


def form(accepted: Acceptable, state: State) -> bytes:
    message, echoed = accepted.message, accepted.echoed
    if message.message_id.startswith("CA"):
        about = {"CallSid": message.message_id, "CallStatus": OF_CALLS[state], "AccountSid": echoed["AccountSid"]}
        return urlencode({**about, "From": echoed["From"], "To": message.to, "ApiVersion": "2010-04-01"}).encode()
    fields = {
        "AccountSid": echoed["AccountSid"],
        "ApiVersion": "2010-04-01",
        **({"ErrorCode": ERROR_CODES[state]} if state in ERROR_CODES else {}),
        "From": echoed.get("From", POOL_NUMBER),
        **({"MessagingServiceSid": echoed["MessagingServiceSid"]} if "MessagingServiceSid" in echoed else {}),
        "MessageSid": message.message_id,
        "MessageStatus": WORDS[state],
        "SmsSid": message.message_id,
        "SmsStatus": WORDS[state],
        "To": echoed["To"],
    }
    return urlencode(fields).encode()
