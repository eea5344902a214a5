"""Telegram's `sendMessage`. Shape: https://core.telegram.org/bots/api#sendmessage"""

import hashlib
import itertools
import re

from emulator.lab.faults import Mode
from emulator.lab.fixed import behaviour_of
from emulator.lab.messages import Acceptable, Answer, Call, Message, json_object, timestamp

PATH = "/bot{token}/sendMessage"
MAX_LENGTH = 4096  # UTF-16 units
_CHAT = re.compile(r"-?[1-9][0-9]{0,15}|@[A-Za-z][A-Za-z0-9_]{3,31}")
_numbers = itertools.count(1)


def error(code: int, description: str, **parameters: int) -> Answer:
    document = {"ok": False, "error_code": code, "description": description}
    return Answer.json(code, {**document, **({"parameters": parameters} if parameters else {})})


def unauthorized() -> Answer:
    return error(401, "Unauthorized")


def read(call: Call) -> Acceptable | Answer:
    if ":" not in call.path["token"]:
        return error(404, "Not Found")
    asked = json_object(call.body)
    if asked is None:
        return error(400, "Bad Request: can't parse the request")
    chat, text = str(asked.get("chat_id", "")), asked.get("text")
    if not _CHAT.fullmatch(chat):
        return error(400, "Bad Request: chat not found")
    if not isinstance(text, str) or not text.strip():
        return error(400, "Bad Request: message text is empty")
    if len(text.encode("utf-16-le", "surrogatepass")) // 2 > MAX_LENGTH:
        return error(400, "Bad Request: message is too long")
    number = next(_numbers)
    chat_id = int(chat) if not chat.startswith("@") else -int(hashlib.sha256(chat.encode()).hexdigest()[:8], 16)
    shown = {
        name: asked[key]
        for name, key in {"without a sound": "disable_notification", "topic": "message_thread_id"}.items()
        if key in asked
    }
    message = Message(
        at=timestamp(call.at),
        channel="telegram",
        provider="telegram",
        to=chat,
        subject=None,
        text=text,
        message_id=str(number),
        notification_id=call.headers.get("X-Hark-Notification-Id"),
        shown=shown or None,
    )
    result = {"message_id": number, "date": int(call.at.timestamp()), "chat": {"id": chat_id}, "text": text}
    return Acceptable(message, Answer.json(200, {"ok": True, "result": result}))


def failures(message: Message) -> dict[Mode, Answer]:
    blocked = error(403, "Forbidden: bot was blocked by the user")
    return {
        Mode.UNAVAILABLE: error(503, "Service Unavailable"),
        Mode.THROTTLED: error(429, "Too Many Requests: retry after 1", retry_after=1),
        Mode.REFUSED: blocked if behaviour_of(message.to) else error(400, "Bad Request: chat not found"),
        Mode.UNAUTHORIZED: unauthorized(),
    }
