"""From the topic of events to endpoints: a delivery for each that wants the event.

What if the process dies on the way: Pub/Sub pushes again, those that were made are there already, and due.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from shared.delivery.retries import Policy
from shared.delivery.store import Store
from shared.people.suppression import AddressHash
from shared.runtime import failpoints
from shared.runtime.failpoints import Failpoint
from shared.sending.endpoints import CHANNEL, MOST_ENDPOINTS, Endpoint, EndpointStore
from shared.sending.event_deliveries import create, event_delivery, publish, webhook_of
from shared.sending.event_messages import EventMessage
from shared.sending.messages import Answer, Publisher

_KNOWN_SECONDS = 5.0


@dataclass(slots=True)
class FanOut:
    """address_hash: by which the deliveries of an endpoint are found"""

    store: Store
    endpoints: EndpointStore
    publisher: Publisher
    policy: Policy
    retention: timedelta
    address_hash: AddressHash
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    _read_at: float = float("-inf")
    _known: Sequence[Endpoint] = ()

    async def take(self, event: EventMessage) -> Answer:
        """Raises StoreUnavailable; the caller nacks."""
        wanting = [endpoint for endpoint in await self._all() if endpoint.wants(event.type)]
        webhook = webhook_of(event)
        made = [
            event_delivery(
                webhook,
                endpoint,
                now=self.now(),
                retention=self.retention,
                policy=self.policy,
                address_hash=self.address_hash(CHANNEL, endpoint.name),
            )
            for endpoint in wanting
        ]
        messages = await asyncio.gather(*(create(self.store, *each) for each in made))
        failpoints.reached(Failpoint.FANNED_OUT)
        await publish(self.publisher, [message for message in messages if message is not None])
        return Answer.ACK

    async def _all(self) -> Sequence[Endpoint]:
        if time.monotonic() - self._read_at > _KNOWN_SECONDS:
            # Two that are made at the same moment may be more than the most.
            page = await self.endpoints.endpoints(limit=2 * MOST_ENDPOINTS, after=None)
            self._known, self._read_at = page.items, time.monotonic()
        return self._known
