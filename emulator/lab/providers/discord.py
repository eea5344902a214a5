"""Discord's webhooks. Shape: https://docs.discord.com/developers/resources/webhook#execute-webhook"""

import itertools

from emulator.lab.faults import Mode
from emulator.lab.messages import Acceptable, Answer, Call, Message, json_object, timestamp

PATH = "/api/webhooks/{webhook}/{token}"
MAX_LENGTH = 2000
_ids = itertools.count(1)


def error(status: int, code: int, message: str) -> Answer:
    return Answer.json(status, {"message": message, "code": code})


def read(call: Call) -> Acceptable | Answer:
    asked = json_object(call.body)
    if asked is None:
        return error(400, 50109, "The request body contains invalid JSON.")
    text, embeds = asked.get("content", ""), asked.get("embeds", [])
    if not isinstance(text, str) or not isinstance(embeds, list) or len(text) > MAX_LENGTH or len(embeds) > 10:
        return error(400, 50035, "Invalid Form Body")
    if not text and not embeds:
        return error(400, 50006, "Cannot send an empty message")
    number = next(_ids)
    message_id = str((int(call.at.timestamp() * 1000) - 1_420_070_400_000 << 22) + number)  # a snowflake
    shown = {name: asked[name] for name in ("username", "embeds") if asked.get(name)}
    message = Message(
        at=timestamp(call.at),
        channel="discord",
        provider="discord",
        to=call.path["webhook"],
        subject=None,
        text=text,
        message_id=message_id,
        notification_id=call.headers.get("X-Hark-Notification-Id"),
        shown=shown or None,
    )
    if call.query.get("wait") != "true":
        return Acceptable(message, Answer(204))
    return Acceptable(message, Answer.json(200, {"id": message_id, "channel_id": "1", "content": text}))


def failures(message: Message) -> dict[Mode, Answer]:
    throttled = {"message": "You are being rate limited.", "retry_after": 1.0, "global": False}
    return {
        Mode.UNAVAILABLE: error(503, 130000, "API resource is currently overloaded. Try again a little later"),
        Mode.THROTTLED: Answer.json(429, throttled, {"Retry-After": "1"}),
        Mode.REFUSED: error(404, 10015, "Unknown Webhook"),
        Mode.UNAUTHORIZED: error(401, 0, "401: Unauthorized"),
    }
