"""POST /v1/notifications/{id}/cancel: the answer is the truth about each delivery."""

from functions.gateway.notifications.schemas import Verdict
from functions.gateway.services import Gateway
from functions.gateway.web.problem_details import Problem
from shared.delivery.model import Delivery, DeliveryStatus, Notification
from shared.delivery.state_machine import may_have_arrived
from shared.runtime.logs import get_logger
from shared.sending.withdrawal import withdraw

log = get_logger(__name__)

_REASON = "cancelled by its caller"


async def cancel(gateway: Gateway, notification: Notification, caller_id: str) -> list[tuple[Delivery, Verdict]]:
    """Each delivery as it is on record now, and what became of it.

    Problem 404 when its deliveries have expired. Raises StoreUnavailable.
    """
    before, after = await withdraw(gateway.store, gateway.publisher, notification, gateway.now, _REASON)
    if not before:
        raise Problem(404, "the notification has expired")
    log.info("cancelled", notification_id=notification.id, by=caller_id)
    was = {d.channel: d.status for d in before}
    return [(d, verdict(was[d.channel], d)) for d in after]


def verdict(was: DeliveryStatus, now: Delivery) -> Verdict:
    if was is DeliveryStatus.CANCELLED:
        return Verdict.ALREADY_CANCELLED
    if now.status is not DeliveryStatus.CANCELLED:
        return Verdict.TOO_LATE
    return Verdict.STOPPED_RETRYING if may_have_arrived(now) else Verdict.CANCELLED
