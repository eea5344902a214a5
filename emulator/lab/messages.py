"""What a fake provider reads and answers: plain values, so that a provider's file is free of I/O."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from http import HTTPStatus
from typing import Any, Protocol

from emulator.lab.faults import Mode


@dataclass(frozen=True)
class Call:
    """One HTTP request to a provider, read to its end.

    posted: finds what the provider took before, by its message id: the newest item of the inbox that has it
    """

    at: datetime
    path: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    query: Mapping[str, str] = field(default_factory=dict)
    posted: Callable[[str], Mapping[str, Any] | None] = lambda _: None


@dataclass(frozen=True)
class File:
    """An attachment as the inbox shows it. size: in bytes, decoded"""

    name: str
    type: str
    size: int


@dataclass(frozen=True)
class Message:
    """One message as the inbox and the witness show it. What is None there is left out, but for the first ones.

    segments: of a provider that counts them. headers, html, attachments: of an e-mail, decoded
    blocks, thread, update: of Slack; the id of the message that this replies to, and whether it replaces the text of
    the one that has its id
    shown: what else its app shows, by name
    """

    at: str
    channel: str
    provider: str
    to: str
    subject: str | None
    text: str
    message_id: str
    notification_id: str | None
    segments: int | None = None
    headers: Mapping[str, str] | None = None
    html: str | None = None
    attachments: Sequence[File] | None = None
    blocks: Sequence[Any] | None = None
    thread: str | None = None
    update: bool | None = None
    shown: Mapping[str, Any] | None = None


OPTIONAL = frozenset(f.name for f in fields(Message) if f.default is None)


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def json(cls, status: int, document: object, headers: Mapping[str, str] | None = None) -> "Answer":
        body = json.dumps(document).encode()
        return cls(status, body, {"Content-Type": "application/json", **(headers or {})})

    @classmethod
    def text(cls, status: int, text: str, headers: Mapping[str, str] | None = None) -> "Answer":
        return cls(status, text.encode(), {"Content-Type": "text/plain; charset=utf-8", **(headers or {})})

    def head(self, length: int) -> bytes:
        """Status line and headers as they go over the wire, announcing a body of that many bytes."""
        lines = [f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        lines += [f"Content-Length: {length}", "Connection: close", "", ""]
        return "\r\n".join(lines).encode("latin-1")


@dataclass(frozen=True)
class Acceptable:
    """A valid request: the message it asks for, and the answer if the provider takes it.

    echoed: what the provider repeats, or needs, when it reports what became of the message
    """

    message: Message
    answer: Answer
    echoed: Mapping[str, str] = field(default_factory=dict)


class Provider(Protocol):
    """The shape of a provider's module."""

    PATH: str

    def read(self, call: Call) -> Acceptable | Answer:
        """What the request asks for, or the provider's error when the request itself is wrong."""

    def failures(self, message: Message) -> dict[Mode, Answer]:
        """How this provider says `503`, `429`, `400` and `401`."""


def timestamp(at: datetime) -> str:
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")


def json_object(body: bytes) -> dict[str, Any] | None:
    """The JSON object in the body, or None when there is none."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None
