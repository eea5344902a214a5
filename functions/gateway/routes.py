"""The API's routes. They read their bodies and write their JSON themselves: what is declared is for /openapi.json."""

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from functions.gateway.accept import Accepted, Gateway, accept, normalised
from functions.gateway.openapi import answers, request_body
from functions.gateway.problems import Problem, field_error, invalid
from functions.gateway.requests import (
    PageQuery,
    body_of,
    cursor_of,
    idempotency_key,
    is_notification_id,
    name_cursor_of,
    name_of,
    position_of,
)
from functions.gateway.schemas import (
    ChannelJson,
    ChannelsJson,
    DeadLettersJson,
    NotificationJson,
    NotificationRequest,
    NotificationsJson,
    RecipientJson,
    RecipientName,
    RecipientRequest,
    RecipientsJson,
    dead_letter_json,
    notification_json,
    recipient_json,
    recipient_name,
)
from shared.errors import Conflict, NotDead, NotFound, PublishFailed
from shared.logs import get_logger
from shared.model import Delivery, DeliveryStatus, Notification
from shared.pubsub import Message
from shared.state import discarded, replayed
from shared.store import Position, Store

log = get_logger(__name__)

CALLER = "local"  # until callers have identities, all share one space of idempotency keys


class NotificationsQuery(PageQuery):
    recipient: RecipientName | None = None
    status: DeliveryStatus | None = None


class DeadLettersQuery(PageQuery):
    channel: str | None = None


def router(gateway: Gateway) -> APIRouter:  # noqa: PLR0915 - one route after the other
    """Every route under /v1."""
    routes = APIRouter(prefix="/v1")
    store = gateway.store

    @routes.post(
        "/notifications",
        status_code=202,
        responses=answers(NotificationJson, 202, 400, 413, 422, 503),
        openapi_extra=request_body(
            NotificationRequest,
            parameters=[
                {
                    "name": "Idempotency-Key",
                    "in": "header",
                    "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
                    "description": "The same key with the same body gives the same notification, sent once.",
                }
            ],
        ),
    )
    async def send_notification(request: Request) -> Response:
        key = idempotency_key(request)
        accepted = await accept(gateway, await body_of(request, NotificationRequest), CALLER, key)
        return _accepted(accepted)

    @routes.get("/notifications", responses=answers(NotificationsJson, 200, 422, 503))
    async def list_notifications(query: Annotated[NotificationsQuery, Query()]) -> Response:
        page = await store.notifications(
            recipient=query.recipient,
            status=query.status,
            limit=query.limit,
            after=position_of("notifications", query.cursor),
        )
        deliveries = await store.deliveries(page.items)
        # What has no deliveries left is expiring: TTL takes documents in any order.
        items = [notification_json(n, deliveries[n.id]) for n in page.items if deliveries[n.id]]
        return _json(NotificationsJson(items=items, next_cursor=_next("notifications", page.next)))

    @routes.get("/notifications/{notification_id}", responses=answers(NotificationJson, 200, 404, 503))
    async def read_notification(notification_id: str) -> Response:
        notification = await _notification(notification_id)
        return _json(await _with_deliveries(notification))

    @routes.put(
        "/recipients/{name:path}",
        responses=answers(RecipientJson, 200, 400, 413, 422, 503) | {201: {"model": RecipientJson}},
        openapi_extra=request_body(RecipientRequest),
    )
    async def put_recipient(name: str, request: Request) -> Response:
        _check_name(name)
        body = await body_of(request, RecipientRequest)
        if body.name not in {None, name}:
            raise invalid(field_error("name", "must be the name in the path, or absent"))
        addresses = normalised(gateway.channels, body.addresses, "addresses")
        recipient, created = await store.put_recipient(name, addresses, gateway.now())
        return _json(recipient_json(recipient), 201 if created else 200)

    @routes.get("/recipients", responses=answers(RecipientsJson, 200, 422, 503))
    async def list_recipients(query: Annotated[PageQuery, Query()]) -> Response:
        found = await store.recipients(limit=query.limit + 1, after=name_of(query.cursor))
        items = [recipient_json(r) for r in found[: query.limit]]
        more = len(found) > query.limit
        return _json(RecipientsJson(items=items, next_cursor=name_cursor_of(items[-1]["name"]) if more else None))

    @routes.get("/recipients/{name:path}", responses=answers(RecipientJson, 200, 404, 422, 503))
    async def read_recipient(name: str) -> Response:
        _check_name(name)
        recipient = await store.recipient(name)
        if recipient is None:
            raise Problem(404, "no recipient has this name")
        return _json(recipient_json(recipient))

    @routes.delete("/recipients/{name:path}", status_code=204, responses=answers(None, 204, 404, 422, 503))
    async def delete_recipient(name: str) -> Response:
        _check_name(name)
        try:
            await store.delete_recipient(name)
        except NotFound:
            raise Problem(404, "no recipient has this name") from None
        return Response(status_code=204)

    @routes.get("/dead-letters", responses=answers(DeadLettersJson, 200, 422, 503))
    async def list_dead_letters(query: Annotated[DeadLettersQuery, Query()]) -> Response:
        if query.channel is not None and query.channel not in gateway.channels:
            raise invalid(field_error("channel", f"there are {', '.join(gateway.channels)}"))
        page = await store.dead(
            channel=query.channel, limit=query.limit, after=position_of("dead-letters", query.cursor)
        )
        items = [dead_letter_json(delivery) for delivery in page.items]
        return _json(DeadLettersJson(items=items, next_cursor=_next("dead-letters", page.next)))

    @routes.post(
        "/dead-letters/{notification_id}/{channel}/replay",
        status_code=202,
        responses=answers(NotificationJson, 202, 404, 409, 503),
    )
    async def replay(notification_id: str, channel: str) -> Response:
        notification, delivery = await _delivery(notification_id, channel)
        await _move(store, lambda: replayed(delivery, gateway.now(), gateway.policy))
        try:
            await gateway.publisher.publish([Message(notification_id=notification.id, channel=channel)])
        except PublishFailed as error:
            # It is queued and due: the relay publishes it within its minute.
            log.warning("replay left to the relay", notification_id=notification.id, error=str(error))
        return _json(await _with_deliveries(notification), 202)

    @routes.delete(
        "/dead-letters/{notification_id}/{channel}",
        status_code=204,
        responses=answers(None, 204, 404, 409, 503),
    )
    async def discard(notification_id: str, channel: str) -> Response:
        _, delivery = await _delivery(notification_id, channel)
        await _move(store, lambda: discarded(delivery, gateway.now()))
        return Response(status_code=204)

    @routes.get("/channels", responses=answers(ChannelsJson, 200))
    async def list_channels() -> Response:
        channels = gateway.channels.values()
        items = [ChannelJson(name=c.name, address=c.address, max_length=c.max_length) for c in channels]
        return _json(ChannelsJson(items=items))

    async def _notification(notification_id: str) -> Notification:
        found = await store.notification(notification_id) if is_notification_id(notification_id) else None
        if found is None:
            raise Problem(404, "there is no such notification")
        return found

    async def _with_deliveries(notification: Notification) -> NotificationJson:
        deliveries = (await store.deliveries([notification]))[notification.id]
        if not deliveries:
            raise Problem(404, "the notification has expired")
        return notification_json(notification, deliveries)

    async def _delivery(notification_id: str, channel: str) -> tuple[Notification, Delivery]:
        # Any channel's name: a dead letter outlives the channel.
        known = is_notification_id(notification_id) and re.fullmatch("[a-z][a-z0-9_]{0,63}", channel)
        loaded = await store.load(notification_id, channel) if known else None
        if loaded is None:
            raise Problem(404, "there is no such delivery")
        return loaded

    return routes


async def _move(store: Store, transition: Callable[[], Delivery]) -> None:
    """A replay or discard; Problem 409 when the delivery is not dead, or is no longer."""
    try:
        await store.update(transition())
    except NotDead as refused:
        raise Problem(409, str(refused)) from None
    except (Conflict, NotFound):
        raise Problem(409, "the delivery is not dead any more") from None


def _accepted(accepted: Accepted) -> Response:
    headers = {"Location": f"/v1/notifications/{accepted.notification.id}"}
    if accepted.replayed:
        headers["Idempotent-Replayed"] = "true"
    return _json(notification_json(accepted.notification, accepted.deliveries), 202, headers)


def _json(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(to_json(content), status, headers, "application/json")


def _next(kind: str, position: Position | None) -> str | None:
    return None if position is None else cursor_of(kind, position)


def _check_name(name: str) -> None:
    try:
        recipient_name(name)
    except ValueError as wrong:
        raise invalid(field_error("name", str(wrong))) from None
