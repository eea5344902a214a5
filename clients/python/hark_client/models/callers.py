"""Callers and their keys."""

from datetime import datetime
from typing import Optional, Union

from pydantic import Field

from hark_client.models.base import Answer
from hark_client.models.templates import WouldStop
from hark_client.models.words import CallerKind, Scope


class ApiKey(Answer):
    """A key on record; its text is not."""

    id: str
    created_at: datetime
    revoked_at: Optional[datetime]


class Caller(Answer):
    """Who calls. A limit that is None is none."""

    id: str
    kind: Union[CallerKind, str]
    name: str
    scopes: list[Union[Scope, str]]
    channels: Optional[list[str]]
    recipients: Optional[list[str]]
    addresses: Optional[dict[str, list[str]]]
    requests_per_minute: Optional[int]
    notifications_per_day: Optional[int]
    segments_per_day: Optional[int]
    identity: Optional[str]
    issuer: Optional[str]
    keys: list[ApiKey]
    created_at: datetime
    created_by: Optional[str]
    revoked_at: Optional[datetime]
    last_used_at: Optional[datetime]


class NewCaller(Caller):
    """key: its text, shown this once; None for those that call without one"""

    key: Optional[str] = Field(repr=False)


class NewApiKey(ApiKey):
    """key: its text, shown this once"""

    key: str = Field(repr=False)


class Revoked(Answer):
    """What one request did of a revocation that is not at its end: ask again.

    revoked: callers that it made; cancelled: deliveries; under_way: those that somebody may be sending now
    """

    revoked: int
    cancelled: int
    under_way: int


class WouldRevoke(Answer):
    """callers: the ids of those that would be revoked; stopped: what `stop` would cancel of theirs; None without it"""

    callers: list[str]
    stopped: Optional[WouldStop]
