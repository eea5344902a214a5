"""Templates, their versions, and what they make."""

from datetime import datetime
from typing import Any, Optional

from pydantic import Field

from hark_client.models.base import Answer
from hark_client.models.problems import FieldError


class Template(Answer):
    """A name with versions. version: the latest."""

    name: str
    version: int
    created_at: datetime
    updated_at: datetime
    archived_at: Optional[datetime]


class TemplateVersion(Answer):
    """schema_: JSON Schema of the data; locales: texts in Liquid by locale and channel"""

    name: str
    version: int
    schema_: Optional[dict[str, Any]] = Field(alias="schema")
    default_locale: str
    locales: dict[str, dict[str, dict[str, Any]]]
    created_at: datetime
    archived_at: Optional[datetime]


class Misfit(Answer):
    """A scheduled notification whose data the new version would refuse."""

    id: str
    errors: list[FieldError]


class ScheduledWithIt(Answer):
    """misfits: of those that are scheduled; more: there are some beyond those that were looked at"""

    looked_at: int
    more: bool
    misfits: list[Misfit]


class Published(TemplateVersion):
    """A new version, and what is scheduled with data that it would refuse."""

    scheduled: ScheduledWithIt


class Preview(Answer):
    """content: by channel, as it would go; missing: the variables that are not in the data"""

    name: str
    version: int
    locale: str
    content: dict[str, dict[str, Any]]
    missing: list[str]


class WouldStop(Answer):
    """What would be cancelled: deliveries, and of these by channel.

    may_have_arrived: with an attempt of which nobody knows
    under_way: those that somebody may be sending now, which would go; estimated: there are more
    """

    cancelled: int
    may_have_arrived: int
    under_way: int
    channels: dict[str, int]
    estimated: bool
