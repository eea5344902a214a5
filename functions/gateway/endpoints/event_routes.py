"""The routes of what is sent to an endpoint."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from functions.gateway.access.caller import Caller, Scope
from functions.gateway.access.route_scopes import Requires
from functions.gateway.endpoints import changes, sending_again
from functions.gateway.endpoints.finding import Name, deliveries_of, endpoints_of
from functions.gateway.endpoints.schemas import (
    EventDeliveriesJson,
    EventsReplayRequest,
    SentTestJson,
    event_delivery_json,
)
from functions.gateway.notifications.idempotency import idempotency_key, new_notification_id
from functions.gateway.operations.schemas import OperationJson, operation_json
from functions.gateway.services import Gateway
from functions.gateway.web.json_responses import json_answer
from functions.gateway.web.listing_pages import PageQuery, cursor_of, position_of
from functions.gateway.web.openapi_declarations import LOCATION, answers, request_body
from functions.gateway.web.problem_details import field_error, invalid
from functions.gateway.web.request_bodies import body_of
from shared.delivery.events import OF_EVENTS
from shared.delivery.store import Search
from shared.sending.event_deliveries import create, event_content, publish
from shared.sending.event_messages import EventMessage, compact

_FARTHEST = timedelta(days=31)
_TEST = "endpoint.test"


def events_router(gateway: Gateway) -> APIRouter:
    routes = APIRouter(prefix="/v1/endpoints")
    requires = Requires(gateway.identity, gateway.quotas, gateway.listings)

    @routes.post("/{name}/test", status_code=202, responses=answers(SentTestJson, 202, 404, 409, 422, 503))
    async def test_endpoint(
        name: Name, request: Request, caller: Annotated[Caller, requires(Scope.ENDPOINTS_MANAGE)]
    ) -> Response:
        """Sends it an event of the type `endpoint.test`; what becomes of that is in its deliveries."""
        endpoints, key = endpoints_of(gateway, name), idempotency_key(request)
        endpoint = await changes.active(endpoints, name)
        made_of = new_notification_id(caller.id, None if key is None else f"endpoint test {name} {key}")
        now = gateway.now()
        event = EventMessage(
            f"evt_{made_of.replace('-', '')}", _TEST, now, f"endpoints/{name}", compact({"endpoint": name})
        )
        notification, delivery = deliveries_of(gateway, endpoints).of(event_content(event), endpoint, now)
        message = await create(gateway.store, notification, delivery)
        await publish(gateway.publisher, [] if message is None else [message])
        return json_answer(SentTestJson(id=notification.id, event=event.id), 202)

    @routes.get("/{name}/deliveries", responses=answers(EventDeliveriesJson, 200, 409, 422, 503))
    async def list_event_deliveries(
        name: Name,
        query: Annotated[PageQuery, Query()],
        caller: Annotated[Caller, requires.turn(Scope.ENDPOINTS_MANAGE)],
    ) -> Response:
        """What was sent to it, the latest first; GET /v1/notifications/{id} has each attempt of one."""
        endpoints = endpoints_of(gateway, name)
        async with gateway.listings.making(caller.id):
            page = await gateway.store.notifications(
                caller=OF_EVENTS,
                recipient=None,
                status=None,
                limit=query.limit,
                after=position_of("event-deliveries", query.cursor),
                search=Search(address=gateway.people.suppression_id(endpoints.channel, name)),
            )
            deliveries = await gateway.store.deliveries(page.items)
            shown = [event_delivery_json(n, deliveries.get(n.id, ())) for n in page.items]
            following = None if page.next is None else cursor_of("event-deliveries", page.next)
            items = [item for item in shown if item is not None]
            return json_answer(EventDeliveriesJson(items=items, next_cursor=following))

    @routes.post(
        "/{name}/replay",
        status_code=202,
        responses=answers(OperationJson, *(202, 400, 404, 408, 409, 413, 422, 503), headers=LOCATION),
        openapi_extra=request_body(EventsReplayRequest),
    )
    async def replay_events(
        name: Name, request: Request, caller: Annotated[Caller, requires(Scope.ENDPOINTS_MANAGE)]
    ) -> Response:
        """Sends it all events of a time again, each with its old id: an operation, which says how far it is."""
        endpoints, key = endpoints_of(gateway, name), idempotency_key(request)
        body = await body_of(request, EventsReplayRequest)
        now = gateway.now()
        end = now if body.to is None else min(body.to, now)
        if body.from_ >= end:
            raise invalid(field_error("from", "must be before to, and past"))
        if end - body.from_ > _FARTHEST:
            raise invalid(field_error("from", f"must be at most {_FARTHEST.days} days before to"))
        endpoint = await changes.active(endpoints, name)
        begun = await sending_again.begin(gateway, caller, endpoint, body.from_, end, key)
        return json_answer(operation_json(begun), 202, {"Location": f"/v1/operations/{begun.id}"})

    return routes
