"""What all answers have in common."""

from collections.abc import Sequence
from typing import Generic, Optional, TypeVar

from pydantic import BaseModel, ConfigDict

T = TypeVar("T")


class Answer(BaseModel):
    """What the API answers. A field that this client does not know is kept, and is no error."""

    model_config = ConfigDict(extra="allow", frozen=True, populate_by_name=True)


class Page(Answer, Generic[T]):
    """next_cursor: what the next page is asked for with; None: there is none"""

    items: Sequence[T]
    next_cursor: Optional[str] = None
