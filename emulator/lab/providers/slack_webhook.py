"""Slack's incoming webhooks: a text answer with a status that means it.

Errors: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks. Slack labels its `ok`
text/html; the lab says text/plain.
"""

from urllib.parse import parse_qs

from emulator.lab.faults import Mode
from emulator.lab.messages import Acceptable, Answer, Call, Message, json_object, timestamp
from emulator.lab.providers.slack import blocks_of, kept, notification_id, shown

PATH = "/services/{team}/{bot}/{token}"


def read(call: Call) -> Acceptable | Answer:
    body = call.body
    if call.headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded"):
        body = parse_qs(body.decode(errors="replace")).get("payload", [""])[0].encode()
    payload = json_object(body)
    if payload is None:
        return Answer.text(400, "invalid_payload")
    text, blocks = shown(kept(payload)), blocks_of(payload)
    if payload.get("blocks") and blocks is None:
        return Answer.text(400, "invalid_blocks")
    if not (text or payload.get("blocks") or payload.get("attachments")):
        return Answer.text(400, "no_text")
    message = Message(
        at=timestamp(call.at),
        channel="slack",
        provider="slack-webhook",
        to="webhook",
        subject=None,
        text=text,
        # A webhook's answer names no message, so the time stands for it here.
        message_id=f"{int(call.at.timestamp())}.{call.at.microsecond:06}",
        notification_id=notification_id(payload),
        blocks=blocks,
    )
    return Acceptable(message, Answer.text(200, "ok"))


def failures(message: Message) -> dict[Mode, Answer]:
    return {
        Mode.UNAVAILABLE: Answer.text(503, "service_unavailable"),
        Mode.THROTTLED: Answer.text(429, "ratelimited", {"Retry-After": "1"}),
        Mode.REFUSED: Answer.text(404, "channel_not_found"),
        Mode.UNAUTHORIZED: Answer.text(403, "invalid_token"),
    }
