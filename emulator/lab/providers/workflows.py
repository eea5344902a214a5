"""Workflows' webhooks of Microsoft Teams.
Shape: https://learn.microsoft.com/en-us/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using
"""

import secrets
from typing import Any

from emulator.lab.faults import Mode
from emulator.lab.messages import Acceptable, Answer, Call, Message, json_object, timestamp

PATH = "/workflows/{flow}/triggers/manual/paths/invoke"
LARGEST = 28 * 1024
CARD = "application/vnd.microsoft.card.adaptive"


def error(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Answer:
    return Answer.json(status, {"error": {"code": code, "message": message}}, headers)


def unauthorized() -> Answer:
    return error(
        401, "DirectApiAuthorizationRequired", "The request must be authenticated only by Shared Access scheme."
    )


def read(call: Call) -> Acceptable | Answer:
    if not call.query.get("sig"):
        return unauthorized()
    if len(call.body) > LARGEST:
        return error(413, "RequestEntityTooLarge", "The message is larger than 28 KB.")
    card = card_of(json_object(call.body) or {})
    if card is None:
        return error(400, "TriggerInputSchemaMismatch", "The input body does not match the schema.")
    lines = [line_of(block) for block in card["body"]]
    title = lines.pop(0) if is_title(card["body"][0]) else None
    own = "fallbackText" in card
    message = Message(
        at=timestamp(call.at),
        channel="teams",
        provider="workflows",
        to=call.path["flow"],
        subject=None if own else title,
        text=str(card["fallbackText"]) if own else "\n".join("" if line == " " else line for line in lines),
        message_id=secrets.token_hex(8),  # the answer names none: this is the lab's own
        notification_id=call.headers.get("X-Hark-Notification-Id"),
        shown={"card": card["body"]} if own else None,
    )
    return Acceptable(message, Answer(202))


def card_of(posted: dict[str, Any]) -> dict[str, Any] | None:
    attachments = posted.get("attachments")
    if posted.get("type") != "message" or not isinstance(attachments, list) or len(attachments) != 1:
        return None
    attached = attachments[0]
    card = attached.get("content") if isinstance(attached, dict) and attached.get("contentType") == CARD else None
    if not isinstance(card, dict) or card.get("type") != "AdaptiveCard":
        return None
    body = card.get("body")
    return card if isinstance(body, list) and body and all(isinstance(each, dict) for each in body) else None


def line_of(block: dict[str, Any]) -> str:
    runs = block.get("inlines", [block])
    return "".join(str(run.get("text", "")) for run in runs if isinstance(run, dict))


def is_title(block: dict[str, Any]) -> bool:
    return any(isinstance(run, dict) and run.get("weight") == "bolder" for run in block.get("inlines", []))


def failures(message: Message) -> dict[Mode, Answer]:
    return {
        Mode.UNAVAILABLE: error(503, "ServiceUnavailable", "The service is unavailable."),
        Mode.THROTTLED: error(429, "TooManyRequests", "Too many requests.", {"Retry-After": "1"}),
        Mode.REFUSED: error(404, "WorkflowNotFound", "The workflow could not be found."),
        Mode.UNAUTHORIZED: unauthorized(),
    }
