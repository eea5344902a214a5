"""Slack's `chat.postMessage`: errors are HTTP 200 with ok false. https://docs.slack.dev/reference/methods/chat.postMessage

`slack_update.py` has chat.update.

Like Slack it cuts off what is beyond 40,000 characters of the text as it was posted, entities and all, without a word.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from emulator.lab.faults import Mode
from emulator.lab.messages import Acceptable, Answer, Call, Message, json_object, timestamp

PATH = "/api/chat.postMessage"
MAX_LENGTH = 40_000
NOT_INVITED = "fail-refused"
"""The name of a channel that the app is never in."""
CONVERSATION_ID = re.compile(r"[CDG][A-Z0-9]{8,}")
TS = re.compile(r"\d{10}\.\d{6}")
MOST_BLOCKS = 50


def error(code: str, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    return Answer.json(status, {"ok": False, "error": code}, headers)


def read(call: Call) -> Acceptable | Answer:
    payload = asked(call)
    if isinstance(payload, Answer):
        return payload
    channel, text, blocks = str(payload.get("channel") or ""), kept(payload), blocks_of(payload)
    if channel.removeprefix("#").casefold() == NOT_INVITED:
        return error("not_in_channel")
    thread = payload.get("thread_ts")
    if thread is not None and not TS.fullmatch(str(thread)):
        return error("invalid_arguments")
    ts = f"{int(call.at.timestamp())}.{call.at.microsecond:06}"
    message = Message(
        at=timestamp(call.at),
        channel="slack",
        provider="slack",
        to=named(channel, call.posted(str(thread))),
        subject=None,
        text=shown(text),
        message_id=ts,
        notification_id=notification_id(payload),
        blocks=blocks,
        thread=thread,
    )
    posted = {
        "type": "message",
        "subtype": "bot_message",
        "text": text,
        "ts": ts,
        "bot_id": "B0LAB00000",
        "username": "lab",
        "blocks": blocks or rich_text(text),
        **({"thread_ts": thread} if thread else {}),
    }
    return Acceptable(
        message, Answer.json(200, {"ok": True, "channel": conversation(channel), "ts": ts, "message": posted})
    )


def asked(call: Call) -> dict[str, Any] | Answer:
    """The arguments that both methods need, or what is wrong with them."""
    if not call.headers.get("Authorization", "").removeprefix("Bearer").strip():
        return error("not_authed")
    payload = read_payload(call)
    if payload is None:
        return error("invalid_json")
    if not payload.get("channel"):
        return error("channel_not_found")
    if blocks_of(payload) is None and payload.get("blocks"):
        return error("invalid_blocks")
    if not (kept(payload) or payload.get("blocks") or payload.get("attachments")):
        return error("no_text")
    return payload


def blocks_of(payload: dict[str, Any]) -> list[dict[str, Any]] | None:
    """In a form they are a JSON string. None where there are none, and for what is no list of blocks."""
    blocks = payload.get("blocks")
    if isinstance(blocks, str):
        try:
            blocks = json.loads(blocks)
        except ValueError:
            return None
    if not isinstance(blocks, list) or not 0 < len(blocks) <= MOST_BLOCKS:
        return None
    return blocks if all(isinstance(each, dict) and isinstance(each.get("type"), str) for each in blocks) else None


def named(channel: str, earlier: Mapping[str, Any] | None) -> str:
    """The conversation as it was addressed when the earlier message was posted, for people to read."""
    name = str(earlier["to"]) if earlier else ""
    return name if name and conversation(name) == channel else channel


def kept(payload: dict[str, Any]) -> str:
    """As much of the text as Slack keeps. https://docs.slack.dev/reference/methods/chat.postMessage#truncating"""
    return str(payload.get("text") or "")[:MAX_LENGTH]


def rich_text(text: str) -> list[dict[str, Any]]:
    """The blocks that Slack makes of a text; it makes elements of their own of links and emojis."""
    section = {"type": "rich_text_section", "elements": [{"type": "text", "text": text}]}
    return [{"type": "rich_text", "block_id": "lab", "elements": [section]}]


def shown(text: str) -> str:
    """The text as Slack shows it: its three entities decoded.

    https://docs.slack.dev/messaging/formatting-message-text#escaping
    """
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def read_payload(call: Call) -> dict[str, Any] | None:
    if call.headers.get("Content-Type", "").startswith("application/json"):
        return json_object(call.body)
    return dict(parse_qsl(call.body.decode(errors="replace")))


def notification_id(payload: dict[str, Any]) -> str | None:
    """From `metadata.event_payload`; metadata is a JSON string where the body is a form."""
    metadata = payload.get("metadata")
    if isinstance(metadata, str):
        metadata = json_object(metadata.encode())
    event = metadata.get("event_payload") if isinstance(metadata, dict) else None
    found = event.get("notification_id") if isinstance(event, dict) else None
    return None if found is None else str(found)


def conversation(channel: str) -> str:
    """The id of the conversation; Slack finds it by name, or opens it when a user is addressed."""
    if CONVERSATION_ID.fullmatch(channel):
        return channel
    return "C" + hashlib.sha256(channel.removeprefix("#").encode()).hexdigest()[:10].upper()


def failures(message: Message) -> dict[Mode, Answer]:
    return {
        Mode.UNAVAILABLE: error("service_unavailable", 503),
        Mode.THROTTLED: error("ratelimited", 429, {"Retry-After": "1"}),
        Mode.REFUSED: error("channel_not_found"),
        Mode.UNAUTHORIZED: error("invalid_auth"),
    }
