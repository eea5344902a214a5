"""The routes of dead letters: of the caller's own notifications, or everybody's with notifications:read:all.

What is listed is dead. What is failed can be replayed as well, by whoever names it.
"""

import re
from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import Field
from starlette.responses import Response

from functions.gateway.access.caller import Caller, Scope
from functions.gateway.access.route_scopes import NotificationId, Requires
from functions.gateway.access.scopes import forbidden
from functions.gateway.dead_letters.schemas import DeadLettersJson, dead_letter_json
from functions.gateway.notifications.schemas import NotificationJson
from functions.gateway.notifications.visibility import whose, with_deliveries
from functions.gateway.services import Gateway
from functions.gateway.web.json_responses import json_answer
from functions.gateway.web.listing_pages import PageQuery, cursor_of, is_notification_id, position_of
from functions.gateway.web.openapi_declarations import answers, link
from functions.gateway.web.problem_details import Problem, field_error, invalid
from shared.delivery.errors import Conflict, NotFound, PublishFailed, StoreUnavailable, WrongState
from shared.delivery.model import Delivery, Notification
from shared.delivery.state_machine import discarded, replayed
from shared.delivery.store import Store
from shared.runtime.logs import get_logger
from shared.sending.messages import hint

log = get_logger(__name__)

_CHANNEL = "^[a-z][a-z0-9_]{0,63}$"  # any channel's name: a dead letter outlives the channel
Channel = Annotated[str, Path(json_schema_extra={"pattern": _CHANNEL})]
_FIRST = {"notification_id": "$response.body#/items/0/notification_id", "channel": "$response.body#/items/0/channel"}


class DeadLettersQuery(PageQuery):
    channel: str | None = Field(default=None, json_schema_extra={"$ref": "#/components/schemas/ChannelName"})


def dead_letters_router(gateway: Gateway) -> APIRouter:
    routes = APIRouter(prefix="/v1/dead-letters")
    store = gateway.store
    requires = Requires(gateway.identity, gateway.quotas, gateway.listings)

    @routes.get(
        "",
        responses=answers(
            DeadLettersJson,
            *(200, 422, 503),
            links={"replay": link("replay", **_FIRST), "discard": link("discard", **_FIRST)},
        ),
    )
    async def list_dead_letters(
        query: Annotated[DeadLettersQuery, Query()], caller: Annotated[Caller, requires.turn(Scope.DEAD_LETTERS_MANAGE)]
    ) -> Response:
        """Deliveries that wait for an operator, the latest first."""
        if query.channel is not None and query.channel not in gateway.every_channel:
            raise invalid(field_error("channel", f"there are {', '.join(gateway.every_channel)}"))
        async with gateway.listings.making(caller.id):
            page = await store.dead(
                caller=whose(caller),
                channel=query.channel,
                limit=query.limit,
                after=position_of("dead-letters", query.cursor),
            )
            items = [dead_letter_json(delivery) for delivery in page.items]
            following = None if page.next is None else cursor_of("dead-letters", page.next)
            return json_answer(DeadLettersJson(items=items, next_cursor=following))

    @routes.post(
        "/{notification_id}/{channel}/replay",
        status_code=202,
        responses=answers(NotificationJson, 202, 404, 409, 503),
    )
    async def replay(
        notification_id: NotificationId,
        channel: Channel,
        caller: Annotated[Caller, requires(Scope.DEAD_LETTERS_MANAGE)],
    ) -> Response:
        """A fresh set of attempts for a dead or failed delivery. The old ones stay on record."""
        notification, delivery = await _delivery(notification_id, channel, caller)
        within_limits = caller.may_use(channel) and caller.may_name(delivery.recipient or "")
        if not (within_limits and caller.may_reach(channel, delivery.address)):
            raise forbidden("this caller may not send to this address")
        if notification.cancelled_at is not None:
            raise Problem(409, "the notification is cancelled")
        if not delivery.address:
            raise Problem(409, "the delivery's recipient is erased")
        addresses = gateway.quotas.addresses
        counts = addresses.check(gateway.screens, {channel: delivery.address}, simulated=delivery.simulated)
        counted = gateway.quotas.notification(caller, delivery.segments or 0)
        addresses.add(counts)
        try:
            await _move(store, lambda: replayed(delivery, gateway.now(), gateway.policy))
        except (Problem, StoreUnavailable):  # none was made, as far as anybody knows
            counted.uncount()
            addresses.uncount(counts)
            raise
        try:
            await gateway.publisher.publish([hint(delivery)])
        except PublishFailed as error:
            # It is queued and due: the relay publishes it within its minute.
            log.warning("replay left to the relay", notification_id=notification.id, error=str(error))
        return json_answer(await with_deliveries(gateway, notification, caller), 202)

    @routes.delete("/{notification_id}/{channel}", status_code=204, responses=answers(None, 204, 404, 409, 503))
    async def discard(
        notification_id: NotificationId,
        channel: Channel,
        caller: Annotated[Caller, requires(Scope.DEAD_LETTERS_MANAGE)],
    ) -> Response:
        """Gives a dead delivery up."""
        _, delivery = await _delivery(notification_id, channel, caller)
        await _move(store, lambda: discarded(delivery, gateway.now()))
        return Response(status_code=204)

    async def _delivery(notification_id: str, channel: str, caller: Caller) -> tuple[Notification, Delivery]:
        known = is_notification_id(notification_id) and re.fullmatch(_CHANNEL, channel)
        loaded = await store.load(notification_id, channel) if known else None
        if loaded is None or not caller.may_see(loaded[0]):
            raise Problem(404, "there is no such delivery")
        return loaded

    return routes


async def _move(store: Store, transition: Callable[[], Delivery]) -> None:
    """A replay or discard; Problem 409 when the delivery's state does not allow it, or no longer does."""
    try:
        await store.update(transition())
    except WrongState as refused:
        raise Problem(409, str(refused)) from None
    except (Conflict, NotFound):
        raise Problem(409, "the delivery has changed meanwhile") from None
