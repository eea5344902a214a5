"""Pausing, resuming and cancelling an operation.

What if the process dies: the state is on record or it is not, and the same request again makes it so. What if a worker
is at a page meanwhile: see `shared.sending.operations`.
"""

from collections.abc import Callable
from datetime import datetime

from functions.gateway.access.caller import Caller
from functions.gateway.services import Gateway
from functions.gateway.web.listing_pages import is_notification_id
from functions.gateway.web.problem_details import Problem, others_are_faster
from shared.delivery.errors import Conflict, NotFound, WrongState
from shared.runtime.logs import get_logger
from shared.sending.operations import Operation

log = get_logger(__name__)

_TRIES = 10  # of a write that a worker's pages are faster than


async def visible(gateway: Gateway, caller: Caller, operation_id: str) -> Operation:
    """An operation that this caller may see: its own, or any if it sees all. Problem 404."""
    found = await gateway.operations.read(operation_id) if is_notification_id(operation_id) else None
    if found is None or not (caller.sees_all or found.caller == caller.id):
        raise Problem(404, "there is no such operation")
    return found


async def steer(
    gateway: Gateway, caller: Caller, operation_id: str, change: Callable[[Operation, datetime], Operation]
) -> Operation:
    """As it now is. change: `paused`, `resumed` or `cancelled`. Problem 404, 409; 503 when others are always faster."""
    for _ in range(_TRIES):
        found = await visible(gateway, caller, operation_id)
        try:
            changed = change(found, gateway.now())
            if changed is not found:
                await gateway.operations.update(changed)
        except WrongState as error:
            raise Problem(409, str(error)) from None
        except (Conflict, NotFound):
            continue
        if changed is not found:
            log.info("operation steered", operation_id=found.id, kind=found.kind, state=changed.state, by=caller.id)
        return changed
    raise others_are_faster("operation")
