"""What this client raises.

HarkError
├── NotConfigured       no URL or no usable API key
├── NoAnswer            nobody knows what became of the request: no connection, a timeout, a connection that broke
├── UnreadableAnswer    an answer that is not the API's: a proxy's page, a field that is missing
├── StillPending        `wait` gave up; the notification goes on
├── InvalidWebhook      not signed with any of the secrets, too old, or not an event
└── Problem             the API refused the request; `errors` names the fields at fault
    ├── Unauthorized    401: the API key is not good
    ├── Forbidden       403: the caller may not do this
    ├── NotFound        404
    ├── Conflict        409: the state of the record does not allow it
    ├── Invalid         422: some fields are not valid
    └── TooManyRequests 429: a limit is reached; `retry_after` says for how long

Their texts name fields, statuses and the operation's path; never the API key, an address or a message.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Optional

if TYPE_CHECKING:
    from hark_client.models import Notification


class HarkError(Exception):
    """Root of all that this client raises. It can be sent to another process."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (type(self), self.args, self.__dict__)


def _restored(kind: type[HarkError], args: tuple[Any, ...], said: dict[str, Any]) -> HarkError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(said)
    return error


class NotConfigured(HarkError):
    """No URL or no usable API key."""


class NoAnswer(HarkError):
    """No answer in time. The request may have been taken: one with the same idempotency key is the same one."""


class UnreadableAnswer(HarkError):
    """An answer that is not the API's."""


class StillPending(HarkError):
    """Some delivery had not ended by the deadline. notification: as it was then"""

    def __init__(self, notification: "Notification", seconds: float) -> None:
        pending = ", ".join(f"{d.channel} is {d.status}" for d in notification.pending)
        super().__init__(f"notification {notification.id} has not ended after {seconds:g} s: {pending}")
        self.notification = notification


class InvalidWebhook(HarkError):
    """A request that is not to be trusted."""


@dataclass(frozen=True)
class FieldError:
    """field: its path in the body, as `to.sms`; message: what is wrong with it"""

    field: str
    message: str


class Problem(HarkError):
    """An answer of RFC 9457.

    retry_after: seconds, where the answer names them; request_id: where something before the gateway gives one
    """

    def __init__(
        self,
        operation: str,
        status: int,
        title: str,
        detail: Optional[str] = None,
        *,
        errors: Sequence[FieldError] = (),
        retry_after: Optional[float] = None,
        request_id: Optional[str] = None,
    ) -> None:
        fields = "; ".join(f"{error.field}: {error.message}" for error in errors)
        said = ", ".join(filter(None, [detail, fields]))
        super().__init__(f"{operation}: {status} {title}" + (f": {said}" if said else ""))
        self.operation = operation
        self.status = status
        self.title = title
        self.detail = detail
        self.errors = tuple(errors)
        self.retry_after = retry_after
        self.request_id = request_id


class Unauthorized(Problem):
    """401"""


class Forbidden(Problem):
    """403"""


class NotFound(Problem):
    """404"""


class Conflict(Problem):
    """409"""


class Invalid(Problem):
    """422"""


class TooManyRequests(Problem):
    """429"""


BY_STATUS = {401: Unauthorized, 403: Forbidden, 404: NotFound, 409: Conflict, 422: Invalid, 429: TooManyRequests}
