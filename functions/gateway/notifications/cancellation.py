"""POST /v1/notifications/{id}/cancel: what has not gone does not go, and the answer is the truth about each delivery.

The notification is marked first: every later claim that reads it sees that. Then each delivery that nobody holds is
written, by precondition. One under lease is not written to: an attempt is under way, and its next claim sees the mark.

What if the process dies between the two: the mark holds, and the client, who has no answer, asks again.
"""

from functions.gateway.notifications.schemas import Verdict
from functions.gateway.services import Gateway
from functions.gateway.web.problem_details import RETRY_LATER, Problem
from shared.delivery.model import Delivery, DeliveryStatus, Notification
from shared.delivery.state_machine import cancelled, may_have_arrived
from shared.runtime import failpoints
from shared.runtime.failpoints import Failpoint
from shared.runtime.logs import get_logger
from shared.sending.waiting_deliveries import is_waited_for, publish_waiting

log = get_logger(__name__)

_TRIES = 10  # of writes that a function is faster than; each of its writes is a step to an end
_REASON = "cancelled by its caller"


async def cancel(gateway: Gateway, notification: Notification, caller_id: str) -> list[tuple[Delivery, Verdict]]:
    """Each delivery as it is on record now, and what became of it.

    Problem 404 when its deliveries have expired, 503 when functions are always faster. Raises StoreUnavailable.
    """
    store = gateway.store
    before = await store.deliveries_of(notification)
    if not before:
        raise Problem(404, "the notification has expired")
    if notification.cancelled_at is None and any(_may_go(d) for d in before):
        await store.cancel(notification.id, gateway.now())
        failpoints.reached(Failpoint.MARKED)
    for _ in range(_TRIES):
        now = await store.deliveries_of(notification)
        ended = [end for d in now if (end := cancelled(d, gateway.now(), _REASON)) is not None]
        if not ended:
            log.info("cancelled", notification_id=notification.id, by=caller_id)
            was = {d.channel: d.status for d in before}
            return [(d, _verdict(was[d.channel], d)) for d in now]
        written = await store.update_all(ended)
        failpoints.reached(Failpoint.CANCELLED)
        for delivery, version in zip(ended, written, strict=True):
            if version is not None and is_waited_for(delivery):
                await publish_waiting(store, gateway.publisher, delivery)
    raise Problem(503, "it is being sent; try again", headers=RETRY_LATER)


def _may_go(delivery: Delivery) -> bool:
    """By itself, or replayed."""
    return delivery.pending or delivery.status in {DeliveryStatus.DEAD, DeliveryStatus.FAILED}


def _verdict(was: DeliveryStatus, now: Delivery) -> Verdict:
    if was is DeliveryStatus.CANCELLED:
        return Verdict.ALREADY_CANCELLED
    if now.status is not DeliveryStatus.CANCELLED:
        return Verdict.TOO_LATE
    return Verdict.STOPPED_RETRYING if may_have_arrived(now) else Verdict.CANCELLED
