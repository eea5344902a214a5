"""A receiver of Apprise's json:// (https://appriseit.com/services/json/): whoever has one takes what they like."""

import secrets

from emulator.lab.faults import Mode
from emulator.lab.messages import Acceptable, Answer, Call, Message, json_object, timestamp

PATH = "/apprise/{target}"


def read(call: Call) -> Acceptable | Answer:
    posted = json_object(call.body)
    if posted is None or not isinstance(posted.get("message"), str):
        return Answer.text(400, "no message")
    message = Message(
        at=timestamp(call.at),
        channel="apprise",
        provider="apprise",
        to=call.path["target"],
        subject=posted.get("title") or None,
        text=posted["message"],
        message_id=secrets.token_hex(8),  # the answer names none: this is the lab's own
        notification_id=call.headers.get("X-Hark-Notification-Id"),
    )
    return Acceptable(message, Answer.text(200, "ok"))


def failures(message: Message) -> dict[Mode, Answer]:
    return {
        Mode.UNAVAILABLE: Answer.text(503, "unavailable"),
        Mode.THROTTLED: Answer.text(429, "too many", {"Retry-After": "1"}),
        Mode.REFUSED: Answer.text(400, "refused"),
        Mode.UNAUTHORIZED: Answer.text(401, "unauthorized"),
    }
