"""Vonage's status webhooks: https://developer.vonage.com/en/messages/concepts/messages-status-callbacks

Signed as https://developer.vonage.com/en/getting-started/concepts/webhooks says, and by PyJWT: the reader does without.
"""

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

import jwt

from emulator.lab.callbacks import Callback, Lost, Outcome, State
from emulator.lab.messages import Acceptable, timestamp

WORDS = {
    # None of what a person thinks of it: they answer STOP, which is a message of theirs.
    State.PASSED_ON: "submitted",
    State.DELIVERED: "delivered",
    State.UNDELIVERED: "rejected",
    State.GONE: "rejected",
}
ERRORS = {
    State.UNDELIVERED: (1180, "Absent Subscriber Temporary"),
    State.GONE: (1190, "Absent Subscriber Permanent"),
}
# After a 429, a 5xx or no answer: https://api.support.vonage.com/hc/en-us/articles/360028543292
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 900.0  # seconds, doubled each time
MOST_TRIES = 103  # in 24 hours


class VonageReporter:
    def __init__(self, signature_secret: str) -> None:
        self._secret = signature_secret
        self._wrong_secret = secrets.token_hex(16)

    def callbacks(self, accepted: Acceptable, states: Sequence[State], at: datetime) -> Sequence[Callback]:
        url = accepted.echoed.get("webhook_url")
        if not url:
            return ()
        said = [state for state in states if state in WORDS]
        return [Callback(url, "application/json", body(accepted, state, at), (WORDS[state],)) for state in said]

    def sign(self, callback: Callback, at: datetime, genuine: bool) -> Mapping[str, str]:
        claims = {
            "iat": int(at.timestamp()),
            "jti": str(uuid4()),
            "iss": "Vonage",
            "payload_hash": hashlib.sha256(callback.body).hexdigest(),
            "api_key": "lab00000",  # pragma: allowlist secret
        }
        token = jwt.encode(claims, self._secret if genuine else self._wrong_secret, algorithm="HS256")
        return {"Authorization": f"Bearer {token}"}

    def pause(self, callback: Callback, tries: int, outcome: Outcome) -> float | None:
        again = isinstance(outcome, Lost) or outcome == 429 or outcome >= 500
        return min(FIRST_PAUSE * 2 ** (tries - 1), LONGEST_PAUSE) if again and tries < MOST_TRIES else None


def body(accepted: Acceptable, state: State, at: datetime) -> bytes:
    message = accepted.message
    document: dict[str, Any] = {
        "message_uuid": message.message_id,
        "to": message.to.removeprefix("+"),
        "from": accepted.echoed.get("from", ""),
        "timestamp": timestamp(at),
        "status": WORDS[state],
        "channel": "sms",
        "destination": {"network_code": "12345"},
        "usage": {"currency": "EUR", "price": "0.0333"},
        "sms": {"count_total": str(message.segments)},
    }
    if message.notification_id is not None:
        document["client_ref"] = message.notification_id
    if state in ERRORS:
        code, words = ERRORS[state]
        type_ = f"https://developer.vonage.com/api-errors/messages#{code}"
        document["error"] = {"type": type_, "title": code, "detail": words, "instance": uuid4().hex}
    return json.dumps(document, separators=(",", ":")).encode()
