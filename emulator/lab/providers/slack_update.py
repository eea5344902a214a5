"""Slack's `chat.update`: the message that `ts` names gets another text. https://docs.slack.dev/reference/methods/chat.update

The inbox keeps both: the item of the update has the message's id, and the page shows it in the other's place.
"""

from emulator.lab.messages import Acceptable, Answer, Call, Message, timestamp
from emulator.lab.providers.slack import (
    CONVERSATION_ID,
    asked,
    blocks_of,
    conversation,
    error,
    failures,
    kept,
    named,
    notification_id,
    rich_text,
    shown,
)

__all__ = ["PATH", "failures", "read"]

PATH = "/api/chat.update"


def read(call: Call) -> Acceptable | Answer:
    payload = asked(call)
    if isinstance(payload, Answer):
        return payload
    channel, ts, text = str(payload["channel"]), str(payload.get("ts") or ""), kept(payload)
    if not CONVERSATION_ID.fullmatch(channel):
        return error("channel_not_found")  # it takes no name, and no person's id
    earlier = call.posted(ts)
    if earlier is None or earlier["provider"] != "slack" or conversation(earlier["to"]) != channel:
        return error("message_not_found")
    # A text without blocks takes away those that there were; without a text they stay.
    blocks = blocks_of(payload) or (None if text else earlier.get("blocks"))
    message = Message(
        at=timestamp(call.at),
        channel="slack",
        provider="slack",
        to=named(channel, earlier),
        subject=None,
        text=shown(text),
        message_id=ts,
        notification_id=notification_id(payload),
        blocks=blocks,
        thread=earlier.get("thread"),
        update=True,
    )
    posted = {"type": "message", "text": text, "user": "U0LAB00000", "blocks": blocks or rich_text(text)}
    return Acceptable(
        message, Answer.json(200, {"ok": True, "channel": channel, "ts": ts, "text": text, "message": posted})
    )
