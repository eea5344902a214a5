"""A kind of notification that people can choose or refuse."""

from dataclasses import dataclass
from datetime import datetime

from shared.delivery.model import CategoryClass


@dataclass(frozen=True, slots=True)
class Category:
    """class_: what may stop its messages; max_per_day: notifications of it for one person, None is no limit

    updated_by: the id of the caller that wrote it last
    version: of the record as read
    """

    name: str
    class_: CategoryClass
    created_at: datetime
    updated_at: datetime
    description: str = ""
    max_per_day: int | None = None
    updated_by: str | None = None
    version: int | None = None
