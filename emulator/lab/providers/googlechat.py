"""Webhooks of Google Chat. Shape: https://developers.google.com/workspace/chat/api/reference/rest/v1/spaces.messages/create"""

import secrets

from emulator.lab.faults import Mode
from emulator.lab.messages import Acceptable, Answer, Call, Message, json_object, timestamp

PATH = "/v1/spaces/{space}/messages"
LARGEST = 32_000


def error(code: int, status: str, message: str, headers: dict[str, str] | None = None) -> Answer:
    return Answer.json(code, {"error": {"code": code, "message": message, "status": status}}, headers)


def unauthorized() -> Answer:
    return error(401, "UNAUTHENTICATED", "The request does not have valid authentication credentials.")


def read(call: Call) -> Acceptable | Answer:
    if not call.query.get("key") or not call.query.get("token"):
        return unauthorized()
    asked = json_object(call.body)
    if asked is None or len(call.body) > 4 * LARGEST:
        return error(400, "INVALID_ARGUMENT", "Invalid JSON payload received.")
    text, cards, thread = asked.get("text", ""), asked.get("cardsV2"), asked.get("thread")
    if not isinstance(text, str) or not (text or cards) or len(text.encode(errors="replace")) > LARGEST:
        return error(400, "INVALID_ARGUMENT", "Message cannot be empty, or is too long.")
    key = thread.get("threadKey") if isinstance(thread, dict) else None
    space, number = f"spaces/{call.path['space']}", secrets.token_urlsafe(8)
    shown = {name: value for name, value in {"thread": key, "cards": cards}.items() if value}
    message = Message(
        at=timestamp(call.at),
        channel="googlechat",
        provider="googlechat",
        to=call.path["space"],
        subject=None,
        text=text,
        message_id=f"{space}/messages/{number}",
        notification_id=call.headers.get("X-Hark-Notification-Id"),
        shown=shown or None,
    )
    answer = {"name": message.message_id, "text": text, "thread": {"name": f"{space}/threads/{key or number}"}}
    return Acceptable(message, Answer.json(200, answer))


def failures(message: Message) -> dict[Mode, Answer]:
    return {
        Mode.UNAVAILABLE: error(503, "UNAVAILABLE", "The service is currently unavailable."),
        Mode.THROTTLED: error(429, "RESOURCE_EXHAUSTED", "Resource has been exhausted.", {"Retry-After": "1"}),
        Mode.REFUSED: error(404, "NOT_FOUND", "Requested entity was not found."),
        Mode.UNAUTHORIZED: unauthorized(),
    }
