"""Channels, and whether they send."""

from datetime import datetime
from typing import Any, Optional

from hark_client.models.base import Answer


class Provider(Answer):
    """receipts: whether it reports back. state: `open` while it is down, since when and why."""

    name: str
    receipts: bool
    state: str
    since: Optional[datetime]
    reason: Optional[str]


class WouldHold(Answer):
    """waiting: deliveries that are pending now, and would wait; estimated: there are more"""

    waiting: int
    estimated: bool


class Channel(Answer):
    """measure: what `max_length` counts; content: JSON Schema of the parts that a message may have.

    state: `active`, `paused` by an operator, or `open` while none of its providers is there
    """

    name: str
    address: str
    max_length: int
    measure: str
    content: dict[str, Any]
    segments: bool
    providers: list[Provider]
    state: str
    since: Optional[datetime]
    by: Optional[str]
    reason: Optional[str]
    would_hold: Optional[WouldHold] = None
