"""Recipients, and what stops a message to them."""

from datetime import datetime
from typing import Optional, Union

from pydantic import Field

from hark_client.models.base import Answer
from hark_client.models.words import CategoryClass, SuppressionClass, SuppressionReason


class QuietHours(Answer):
    """from_, to: `HH:MM` in the person's time zone; days: those on which they begin"""

    days: list[str]
    from_: str = Field(alias="from")
    to: str


class Recipient(Answer):
    """A name for a person's addresses, and what the person wants."""

    name: str
    addresses: dict[str, str]
    locale: Optional[str]
    time_zone: Optional[str]
    attributes: dict[str, Union[str, int, float, bool]]
    quiet_hours: list[QuietHours]
    preferences: dict[str, dict[str, bool]]
    created_at: datetime
    updated_at: datetime
    updated_by: Optional[str]


class Category(Answer):
    """A kind of message that people can choose or refuse."""

    name: str
    class_: Union[CategoryClass, str] = Field(alias="class")
    description: str
    max_per_day: Optional[int]
    created_at: datetime
    updated_at: datetime


class SuppressionEntry(Answer):
    """One reason not to send to an address."""

    reason: Union[SuppressionReason, str]
    class_: Union[SuppressionClass, str] = Field(alias="class")
    at: datetime
    evidence: str
    categories: list[str]
    except_for: list[str]


class Suppression(Answer):
    """Why nothing, or not everything, is sent to an address any more: its weightiest reason, and the others."""

    channel: str
    address_hash: str
    reason: Union[SuppressionReason, str]
    class_: Union[SuppressionClass, str] = Field(alias="class")
    at: datetime
    evidence: str
    categories: list[str]
    except_for: list[str]
    others: list[SuppressionEntry]


class RowProblem(Answer):
    """A row of the CSV that was not imported."""

    row: int
    field: str
    detail: str


class ImportedSuppressions(Answer):
    """rows: in the CSV; imported: of these"""

    rows: int
    imported: int
    problems: list[RowProblem]
