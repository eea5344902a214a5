"""Which notifications a caller may see, and what of them."""

from functions.gateway.access.caller import Caller
from functions.gateway.notifications.schemas import NotificationJson, notification_json
from functions.gateway.services import Gateway
from functions.gateway.web.problem_details import Problem
from shared.delivery.model import Notification


def whose(caller: Caller) -> str | None:
    """Whose notifications a listing is of; None: everybody's."""
    return None if caller.sees_all else caller.id


async def with_deliveries(gateway: Gateway, notification: Notification, caller: Caller) -> NotificationJson:
    deliveries = await gateway.store.deliveries_of(notification)
    if not deliveries:
        raise Problem(404, "the notification has expired")
    return notification_json(notification, deliveries, caller, gateway.channels)
