"""The routes of notifications. They read their bodies and write their JSON themselves: what is declared
is for /openapi.json.
"""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from functions.gateway.access.caller import Caller, Scope
from functions.gateway.access.route_scopes import NotificationId, Requires
from functions.gateway.access.scopes import forbidden
from functions.gateway.notifications import post_route
from functions.gateway.notifications.acceptance import deliveries_of, new_notification
from functions.gateway.notifications.cancellation import cancel
from functions.gateway.notifications.expected_permission import expected
from functions.gateway.notifications.explanation import ExplanationJson, ForecastJson, explained, forecast, refused
from functions.gateway.notifications.idempotency import KEY, new_notification_id
from functions.gateway.notifications.judging import judged
from functions.gateway.notifications.schemas import (
    CancelledJson,
    NotificationJson,
    NotificationRequest,
    NotificationsJson,
    VerdictJson,
    attached_bytes,
    notification_json,
)
from functions.gateway.notifications.searching import NotificationsQuery, search_of
from functions.gateway.notifications.visibility import as_shown, holds, whose, with_deliveries
from functions.gateway.services import Gateway
from functions.gateway.web.json_responses import json_answer
from functions.gateway.web.listing_pages import cursor_of, is_notification_id, position_of
from functions.gateway.web.openapi_declarations import LOCATION, answers, link, request_body
from functions.gateway.web.problem_details import Problem
from functions.gateway.web.request_bodies import body_of
from shared.delivery.model import Notification
from shared.delivery.store import Position

_FIRST_DELIVERY = {"notification_id": "$response.body#/id", "channel": "$response.body#/deliveries/0/channel"}


def notifications_router(gateway: Gateway) -> APIRouter:
    routes = APIRouter(prefix="/v1/notifications")
    store = gateway.store
    requires = Requires(gateway.identity, gateway.quotas, gateway.listings)

    @routes.post(
        "",
        status_code=202,
        responses=answers(
            NotificationJson,
            *(202, 400, 408, 413, 422, 503),
            headers=LOCATION | {"Idempotent-Replayed": {"schema": {"const": "true"}}},
            links={
                "read": link("read_notification", notification_id="$response.body#/id"),
                "replay": link("replay", **_FIRST_DELIVERY),
                "discard": link("discard", **_FIRST_DELIVERY),
            },
        ),
        openapi_extra=request_body(
            NotificationRequest,
            parameters=[
                {
                    "name": "Idempotency-Key",
                    "in": "header",
                    "schema": {"type": "string", "pattern": KEY},
                    "description": "The same key with the same body gives the same notification, sent once.",
                }
            ],
        ),
    )
    async def send_notification(request: Request, caller: Annotated[Caller, requires(post_route.SCOPE)]) -> Response:
        """To one person, over one or more channels. After the 202 it is sent, or its record says why not."""
        return await post_route.send_notification(gateway, request, caller)

    @routes.get("", responses=answers(NotificationsJson, 200, 422, 503))
    async def list_notifications(
        query: Annotated[NotificationsQuery, Query()],
        caller: Annotated[Caller, requires.turn(Scope.NOTIFICATIONS_READ)],
    ) -> Response:
        """The caller's own; everybody's with notifications:read:all. Of address, tag, template and message_id one."""
        of, search = whose(caller, query.caller), search_of(gateway, query, caller)
        async with gateway.listings.making(caller.id):
            page = await store.notifications(
                caller=of,
                recipient=query.recipient,
                status=query.status,
                limit=query.limit,
                after=position_of("notifications", query.cursor),
                search=search,
            )
            deliveries = await store.deliveries(page.items)
            shown = [n for n in page.items if n.id in deliveries]
            after = page.next if len(shown) == len(page.items) else Position(shown[-1].created_at, shown[-1].id)
            # What has no deliveries left is expiring: TTL takes documents in any order.
            there = [n for n in shown if deliveries[n.id]]
            of_each = await as_shown(gateway, *(deliveries[n.id] for n in there))
            items = [
                notification_json(n, of_it, caller, gateway.channels) for n, of_it in zip(there, of_each, strict=True)
            ]
            following = None if after is None else cursor_of("notifications", after)
            return json_answer(NotificationsJson(items=items, next_cursor=following))

    @routes.get("/{notification_id}", responses=answers(NotificationJson, 200, 404, 503))
    async def read_notification(
        notification_id: NotificationId, caller: Annotated[Caller, requires(Scope.NOTIFICATIONS_READ)]
    ) -> Response:
        """With each delivery and its attempts."""
        if notification_id == "explain":  # a path of its own, which takes no GET
            raise Problem(405, headers={"Allow": "POST"})
        return json_answer(await with_deliveries(gateway, await _found(notification_id, caller), caller))

    @routes.post(
        "/explain",
        responses=answers(ForecastJson, 200, 400, 408, 413, 422, 503),
        openapi_extra=request_body(NotificationRequest),
    )
    async def explain_request(
        request: Request, caller: Annotated[Caller, requires(Scope.NOTIFICATIONS_SEND)]
    ) -> Response:
        """What would happen to this request. Nothing is written, and nothing counts."""
        body = await body_of(request, NotificationRequest, attached_bytes)
        try:
            asked = await judged(gateway, body, caller)
            gateway.quotas.notification_left(caller, asked.segment_count)
        except Problem as problem:
            return json_answer(refused(problem.details()))
        notification = new_notification(gateway, body, caller, asked, new_notification_id(caller.id, None))
        deliveries = deliveries_of(gateway, notification, asked)
        permissions = {d.channel: await expected(gateway, d) for d in deliveries}
        return json_answer(forecast(notification, deliveries, permissions, await holds(gateway)))

    @routes.get("/{notification_id}/explain", responses=answers(ExplanationJson, 200, 404, 503))
    async def explain_notification(
        notification_id: NotificationId, caller: Annotated[Caller, requires(Scope.NOTIFICATIONS_READ)]
    ) -> Response:
        """What happened to it, in order, and what each delivery waits for."""
        found = await _found(notification_id, caller)
        deliveries = await store.deliveries_of(found)
        if not deliveries:
            raise Problem(404, "the notification has expired")
        (of_it,) = await as_shown(gateway, deliveries)
        return json_answer(explained(found, of_it, gateway.now()))

    @routes.post("/{notification_id}/cancel", responses=answers(CancelledJson, 200, 404, 503))
    async def cancel_notification(
        notification_id: NotificationId, caller: Annotated[Caller, requires(Scope.NOTIFICATIONS_SEND)]
    ) -> Response:
        """What has not gone does not go. The verdicts say of each delivery whether that was in time."""
        found = await _found(notification_id, caller)
        if found.caller != caller.id and Scope.DEAD_LETTERS_MANAGE not in caller.scopes:
            raise forbidden("another caller's notification is an operator's to cancel", Scope.DEAD_LETTERS_MANAGE)
        ended = await cancel(gateway, found, caller.id)
        shown = notification_json(found, [delivery for delivery, _ in ended], caller, gateway.channels)
        verdicts = [VerdictJson(channel=delivery.channel, verdict=verdict) for delivery, verdict in ended]
        return json_answer(CancelledJson(**shown, verdicts=verdicts))

    async def _found(notification_id: str, caller: Caller) -> Notification:
        found = await store.notification(notification_id) if is_notification_id(notification_id) else None
        if found is None or not caller.may_see(found):
            raise Problem(404, "there is no such notification")
        return found

    return routes
