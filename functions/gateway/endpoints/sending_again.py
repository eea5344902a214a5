"""Sending an endpoint the events of a time again: an operation, page by page.

Each event is a new delivery with the event's old id, so a receiver that has it knows that. What if the process dies at
a page: what it has made is due; the same page again finds it there, as its ids are made of the event and the operation.
"""

import asyncio
import json
from dataclasses import dataclass, replace
from datetime import datetime

from functions.gateway.access.caller import Caller
from functions.gateway.endpoints.finding import deliveries_of
from functions.gateway.notifications.idempotency import new_notification_id, used_for_another
from functions.gateway.services import Gateway
from shared.delivery.errors import AlreadyExists
from shared.delivery.events import OF_EVENTS
from shared.delivery.store import Position, Search
from shared.runtime.logs import get_logger
from shared.sending.endpoints import Endpoint
from shared.sending.event_deliveries import create, publish, sent_content
from shared.sending.operations import Operation, OperationState, begun

log = get_logger(__name__)

EVENTS_AGAIN = "events_again"
PAGE = 50


async def begin(
    gateway: Gateway, caller: Caller, endpoint: Endpoint, start: datetime, end: datetime, key: str | None
) -> Operation:
    """The operation; with the same key the same one. Problem 422. Raises StoreUnavailable."""
    operation_id = new_notification_id(caller.id, None if key is None else f"events again {key}")
    about = {"endpoint": endpoint.name, "id": endpoint.id, "from": start.isoformat(), "to": end.isoformat()}
    now = gateway.now()
    wanted = replace(begun(operation_id, EVENTS_AGAIN, caller.id, about, now), due_at=now)
    try:
        await gateway.operations.create(wanted)
    except AlreadyExists:
        there = await gateway.operations.read(operation_id)
        if there is None or there.kind != EVENTS_AGAIN or there.about["id"] != endpoint.id:
            raise used_for_another("Idempotency-Key") from None
        return there
    log.info("events are sent again", operation_id=operation_id, endpoint=endpoint.name, by=caller.id)
    return wanted


@dataclass(frozen=True, slots=True)
class SendingAgain:
    """counts: `sent_again`; `pending`: they are still tried, so they are not sent besides

    after: the place of the last notification of the page before
    """

    gateway: Gateway

    async def page(self, operation: Operation) -> Operation:
        gateway, about, counts = self.gateway, operation.about, dict(operation.counts)
        assert gateway.endpoints is not None  # noqa: S101 - or there is no such kind
        channel = gateway.endpoints.channel
        endpoint = await gateway.endpoints.store.endpoint(about["endpoint"])
        if endpoint is None or endpoint.id != about["id"]:
            return replace(operation, state=OperationState.DONE)
        making = deliveries_of(gateway, gateway.endpoints)
        page = await gateway.store.notifications(
            caller=OF_EVENTS,
            recipient=None,
            status=None,
            limit=PAGE,
            after=_position(operation.after),
            search=Search(
                start=datetime.fromisoformat(about["from"]),
                end=datetime.fromisoformat(about["to"]),
                address=making.address_hash(channel, endpoint.name),
            ),
        )
        found = await gateway.store.load_all([(n.id, channel) for n in page.items])
        made = []
        for _, delivery in found:
            if delivery.pending:
                counts["pending"] = counts.get("pending", 0) + 1
                continue
            made.append(making.of(sent_content(delivery), endpoint, gateway.now(), again=operation.id))
        messages = await asyncio.gather(*(create(gateway.store, *each) for each in made))
        await publish(gateway.publisher, [message for message in messages if message is not None])
        counts["sent_again"] = counts.get("sent_again", 0) + len(made)
        after = None if page.next is None else json.dumps([page.next.at.isoformat(), page.next.id])
        state = OperationState.DONE if after is None else operation.state
        return replace(operation, counts=counts, after=after, state=state)


def _position(after: str | None) -> Position | None:
    if after is None:
        return None
    at, last = json.loads(after)
    return Position(datetime.fromisoformat(at), last)
