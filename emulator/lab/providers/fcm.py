"""Firebase Cloud Messaging's HTTP v1. Shape: https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages/send"""

import json
import secrets
from typing import Any

from emulator.lab.faults import Mode
from emulator.lab.fixed import behaviour_of
from emulator.lab.messages import Acceptable, Answer, Call, Message, json_object, timestamp

PATH = "/v1/projects/{project}/messages:send"
LARGEST = 4096
_FCM = "type.googleapis.com/google.firebase.fcm.v1.FcmError"


def error(code: int, status: str, fcm: str | None = None, headers: dict[str, str] | None = None) -> Answer:
    details = [{"@type": _FCM, "errorCode": fcm}] if fcm else []
    document = {"error": {"code": code, "message": status.capitalize(), "status": status, "details": details}}
    return Answer.json(code, document, headers)


def unauthorized() -> Answer:
    return error(401, "UNAUTHENTICATED")


def read(call: Call) -> Acceptable | Answer:
    if not call.headers.get("Authorization", "").removeprefix("Bearer").strip():
        return unauthorized()
    asked = (json_object(call.body) or {}).get("message")
    if not isinstance(asked, dict) or ("token" in asked) == ("topic" in asked):
        return error(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT")
    shown = asked.get("notification", {})
    data = asked.get("data", {})
    if not isinstance(shown, dict) or not isinstance(data, dict) or not all(isinstance(v, str) for v in data.values()):
        return error(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT")
    if (
        len(json.dumps({"notification": shown, "data": data}, ensure_ascii=False).encode(errors="replace"))
        > LARGEST + 64
    ):
        return error(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT")
    android = asked.get("android", {})
    more: dict[str, Any] = {
        "image": shown.get("image"),
        "data": data,
        "wanted for": android.get("ttl"),
        "in the place of": android.get("collapse_key"),
    }
    message = Message(
        at=timestamp(call.at),
        channel="push",
        provider="fcm",
        to=str(asked["token"]) if "token" in asked else f"topic:{asked['topic']}",
        subject=shown.get("title"),
        text=str(shown.get("body", "")),
        message_id=f"projects/{call.path['project']}/messages/{secrets.token_hex(8)}",
        notification_id=call.headers.get("X-Hark-Notification-Id"),
        shown={name: value for name, value in more.items() if value} or None,
    )
    return Acceptable(message, Answer.json(200, {"name": message.message_id}))


def failures(message: Message) -> dict[Mode, Answer]:
    gone = error(404, "NOT_FOUND", "UNREGISTERED")
    return {
        Mode.UNAVAILABLE: error(503, "UNAVAILABLE", "UNAVAILABLE"),
        Mode.THROTTLED: error(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", {"Retry-After": "1"}),
        Mode.REFUSED: gone if behaviour_of(message.to) else error(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT"),
        Mode.UNAUTHORIZED: unauthorized(),
    }
