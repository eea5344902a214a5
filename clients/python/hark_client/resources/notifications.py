"""Notifications and batches of them."""

import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Optional, Union

from typing_extensions import Unpack

from hark_client.answers import model_of
from hark_client.errors import StillPending
from hark_client.models import Batch, Cancelled, Explanation, Forecast, Notification
from hark_client.models.words import DeliveryStatus
from hark_client.operations import Resource, S, operation, paged, steps
from hark_client.requests import BatchItem, NotificationFields
from hark_client.sending import Endpoint, Flow, Pause, Sends, exchange

_GET = Endpoint("GET", "/v1/notifications/{notification_id}")
_FIRST_PAUSE = 0.2  # seconds between two looks
_LONGEST_PAUSE = 10.0


class Notifications(Resource[S]):
    @operation("POST", "/v1/notifications", Notification, takes_key=True)
    def send(self, *, idempotency_key: Optional[str] = None, **notification: Unpack[NotificationFields]) -> Sends:
        """Put it on record; it is then never lost. Takes the fields of docs/sending.md: `to`, `message`, ….

        idempotency_key: the same for the same notification, however often this is called; by default one is made, which
        this call keeps through its retries.
        """
        return Sends(json=notification, idempotency_key=idempotency_key)

    @operation(_GET.method, _GET.path, Notification)
    def get(self, notification_id: str) -> Sends:
        return Sends(path={"notification_id": notification_id})

    @paged("/v1/notifications", Notification)
    def list(  # noqa: PLR0913 - the API's filters
        self,
        *,
        recipient: Optional[str] = None,
        status: Optional[DeliveryStatus] = None,
        caller: Optional[str] = None,
        channel: Optional[str] = None,
        address: Optional[str] = None,
        tag: Optional[str] = None,
        template: Optional[str] = None,
        version: Optional[int] = None,
        message_id: Optional[str] = None,
        from_: Union[datetime, str, None] = None,
        to: Union[datetime, str, None] = None,
        limit: Optional[int] = None,
        cursor: Optional[str] = None,
    ) -> Sends:
        """The newest first. status: those with a delivery in it; tag: `name:value`; address and message_id: of the
        channel; from_, to: when it was accepted; limit: of one page. Which go together is the API's to say.
        """
        found_by = {"address": address, "tag": tag, "template": template, "version": version, "message_id": message_id}
        of = {"recipient": recipient, "status": status, "caller": caller, "channel": channel}
        return Sends(query={**of, **found_by, "from": from_, "to": to, "limit": limit, "cursor": cursor})

    @operation("POST", "/v1/notifications/{notification_id}/cancel", Cancelled)
    def cancel(self, notification_id: str) -> Sends:
        """Stop what has not gone. The same again changes nothing, and says `already_cancelled`."""
        return Sends(path={"notification_id": notification_id})

    @operation("GET", "/v1/notifications/{notification_id}/explain", Explanation)
    def explain(self, notification_id: str) -> Sends:
        """What happened to it, in order, and what it waits for."""
        return Sends(path={"notification_id": notification_id})

    @operation("POST", "/v1/notifications/explain", Forecast)
    def forecast(self, **notification: Unpack[NotificationFields]) -> Sends:
        """What would happen to such a notification, or why it would be refused. Nothing is written."""
        return Sends(json=notification)

    @steps
    def wait(self, notification_id: str, *, timeout: float = 60.0) -> Flow[Notification]:
        """The notification when all its deliveries have ended (`sent` has, too). Looks again after growing pauses.

        timeout: seconds. Raises StillPending with the notification as it is then.
        """
        give_up_at = self._gateway.monotonic() + timeout
        pause = _FIRST_PAUSE
        while True:
            left = give_up_at - self._gateway.monotonic()
            asked = Sends(path={"notification_id": notification_id}, within=left)
            response = yield from exchange(self._gateway, _GET, asked)
            notification = model_of(response, Notification, _GET.name)
            if notification.has_ended:
                return notification
            left = give_up_at - self._gateway.monotonic()
            if left <= 0:
                raise StillPending(notification, timeout)
            yield Pause(min(pause, left))
            pause = min(pause * 1.5, _LONGEST_PAUSE)


class Batches(Resource[S]):
    @operation("POST", "/v1/batches", Batch)
    def send(self, items: Iterable[BatchItem]) -> Sends:
        """Up to 500 notifications, each for itself. An item without a `key` is given one, kept through the retries.

        Give them keys of your own where you may send the batch again: what is on record is then not made twice.
        """
        return Sends(json={"items": [_with_key(item) for item in items]})


def _with_key(item: Any) -> Any:
    return {"key": str(uuid.uuid4()), **item}
