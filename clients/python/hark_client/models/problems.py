"""RFC 9457 problem details, where an answer has them among its items."""

from typing import Optional

from hark_client.models.base import Answer


class FieldError(Answer):
    """A field by its path in the body, as `to.sms`, and what is wrong with it."""

    field: str
    message: str


class ProblemDetails(Answer):
    """What a request of its own would have been answered."""

    type: str
    title: str
    status: int
    detail: Optional[str] = None
    errors: Optional[list[FieldError]] = None
