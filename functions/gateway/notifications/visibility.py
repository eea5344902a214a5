"""Which notifications a caller may see, and what of them."""

from collections.abc import Mapping, Sequence

from functions.gateway.access.caller import Caller, Scope
from functions.gateway.access.scopes import forbidden
from functions.gateway.notifications.schemas import NotificationJson, notification_json
from functions.gateway.services import Gateway
from functions.gateway.web.problem_details import Problem
from shared.delivery.model import Delivery, Notification
from shared.sending.channel_states import Hold, as_held, holds_of


def whose(caller: Caller, asked_for: str | None = None) -> str | None:
    """Whose notifications a listing is of; None: everybody's. asked_for: a caller's id. Problem 403."""
    if caller.sees_all:
        return asked_for
    if asked_for not in {None, caller.id}:
        raise forbidden("this caller sees its own notifications alone", Scope.NOTIFICATIONS_READ_ALL)
    return caller.id


async def as_shown(gateway: Gateway, *many: Sequence[Delivery]) -> list[Sequence[Delivery]]:
    """Of each notification, as they are on record, but that what holds their channel shows."""
    held, now = await holds(gateway), gateway.now()
    return [as_held(deliveries, held, now) for deliveries in many]


async def holds(gateway: Gateway) -> Mapping[str, Hold]:
    """By channel, of those over which nothing goes."""
    return holds_of(await gateway.channel_states.states())


async def with_deliveries(gateway: Gateway, notification: Notification, caller: Caller) -> NotificationJson:
    deliveries = await gateway.store.deliveries_of(notification)
    if not deliveries:
        raise Problem(404, "the notification has expired")
    (shown,) = await as_shown(gateway, deliveries)
    return notification_json(notification, shown, caller, gateway.channels)
