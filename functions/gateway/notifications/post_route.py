"""POST /v1/notifications, which `routes.py` declares and `application.py` answers."""

from starlette.requests import Request
from starlette.responses import Response

from functions.gateway.access.caller import Caller, Scope
from functions.gateway.notifications.acceptance import Accepted, accept
from functions.gateway.notifications.idempotency import idempotency_key
from functions.gateway.notifications.schemas import NotificationRequest, attached_bytes, notification_json
from functions.gateway.services import Gateway
from functions.gateway.web.json_responses import json_answer
from functions.gateway.web.request_bodies import body_of

PATH = "/v1/notifications"
SCOPE = Scope.NOTIFICATIONS_SEND


async def send_notification(gateway: Gateway, request: Request, caller: Caller) -> Response:
    """The 202. Problem: see `accept`, and 400, 408, 413, 415, 422 for what cannot be read."""
    key = idempotency_key(request)
    body = await body_of(request, NotificationRequest, attached_bytes)
    return _accepted(gateway, await accept(gateway, body, caller, key), caller)


def _accepted(gateway: Gateway, accepted: Accepted, caller: Caller) -> Response:
    headers = {"Location": f"/v1/notifications/{accepted.notification.id}"}
    if accepted.replayed:
        headers["Idempotent-Replayed"] = "true"
    shown = notification_json(accepted.notification, accepted.deliveries, caller, gateway.channels)
    return json_answer(shown, 202, headers)
