"""SendGrid's signed event webhook: https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event

Signed as https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features
says, and not with the SDK: it is the SDK that verifies them.
"""

import base64
import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from emulator.lab.callbacks import Callback, Outcome, State
from emulator.lab.messages import Acceptable

PATH = "/v1/receipts/sendgrid"
_HARD_BOUNCE = {
    "event": "bounce",
    "type": "bounce",
    "status": "5.1.1",
    "reason": "550 5.1.1 The email account that you tried to reach does not exist",
    "bounce_classification": "Invalid Address",
}
EVENTS: Mapping[State, Mapping[str, str]] = {
    State.PASSED_ON: {"event": "processed"},
    State.DELIVERED: {"event": "delivered", "response": "250 2.0.0 OK"},
    State.UNDELIVERED: _HARD_BOUNCE,
    State.GONE: _HARD_BOUNCE,
    State.COMPLAINED: {"event": "spamreport"},
    State.UNSUBSCRIBED: {"event": "unsubscribe"},
}
# SendGrid goes on for a day, ever more slowly.
PAUSE_SECONDS = 1.0
MOST_TRIES = 60


class SendGridReporter:
    def __init__(self, url: str, key: ec.EllipticCurvePrivateKey) -> None:
        """url: where all events go, as the account's settings would say."""
        self._url = url
        self._key = key
        self._wrong_key = ec.generate_private_key(ec.SECP256R1())

    def callbacks(self, accepted: Acceptable, states: Sequence[State], at: datetime) -> Sequence[Callback]:
        events = [event(accepted, state, at) for state in states]
        words = [EVENTS[state]["event"] for state in states]
        return [Callback(self._url, "application/json", json.dumps(events).encode(), words)]

    def sign(self, callback: Callback, at: datetime, genuine: bool) -> Mapping[str, str]:
        timestamp = str(int(at.timestamp()))
        key = self._key if genuine else self._wrong_key
        signature = key.sign(timestamp.encode() + callback.body, ec.ECDSA(hashes.SHA256()))
        return {
            "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(signature).decode(),
            "X-Twilio-Email-Event-Webhook-Timestamp": timestamp,
        }

    def pause(self, callback: Callback, tries: int, outcome: Outcome) -> float | None:
        taken = isinstance(outcome, int) and 200 <= outcome < 300
        return None if taken or tries >= MOST_TRIES else PAUSE_SECONDS


def event(accepted: Acceptable, state: State, at: datetime) -> dict[str, Any]:
    message = accepted.message
    return {
        **accepted.echoed,
        "email": message.to,
        "timestamp": int(at.timestamp()),
        "smtp-id": f"<{message.message_id}@lab.test>",
        "sg_event_id": secrets.token_urlsafe(16),
        "sg_message_id": f"{message.message_id}.recvd-lab-0",
        **EVENTS[state],
    }


def load_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """Raises ValueError or OSError."""
    key = load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("is no key on an elliptic curve")
    return key
