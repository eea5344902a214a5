"""From the topic of events to endpoints: a delivery for each that wants the event.

What if the process dies on the way: Pub/Sub pushes again, those that were made are there already, and due.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from shared.delivery.store import Store
from shared.runtime import failpoints
from shared.runtime.failpoints import Failpoint
from shared.sending.endpoints import MOST_ENDPOINTS, Endpoint, EndpointStore
from shared.sending.event_deliveries import EventDeliveries, create, event_content, publish
from shared.sending.event_messages import EventMessage
from shared.sending.messages import Answer, Publisher

_KNOWN_SECONDS = 5.0


@dataclass(slots=True)
class FanOut:
    store: Store
    endpoints: EndpointStore
    publisher: Publisher
    deliveries: EventDeliveries
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    _read_at: float = float("-inf")
    _known: Sequence[Endpoint] = ()

    async def take(self, event: EventMessage) -> Answer:
        """Raises StoreUnavailable; the caller nacks."""
        wanting = [endpoint for endpoint in await self._all() if endpoint.wants(event.type)]
        sent = event_content(event)
        made = [self.deliveries.of(sent, endpoint, self.now()) for endpoint in wanting]
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
