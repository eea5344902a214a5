"""What takes longer than a request, as `GET /v1/operations` shows it."""

from datetime import datetime
from typing import Optional, Union

from hark_client.models.base import Answer
from hark_client.models.words import OperationState


class Operation(Answer):
    """counts: how many of what, by its kind; total: how many there are to do; error: why the last page failed.

    `template` is what `about` has under that name, of a recall.
    """

    id: str
    kind: str
    state: Union[OperationState, str]
    template: Optional[str] = None
    about: dict[str, str]
    total: int
    counts: dict[str, int]
    error: Optional[str]
    created_at: datetime
    updated_at: datetime
