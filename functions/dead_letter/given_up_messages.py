"""What becomes of a delivery whose message Pub/Sub gave up on.

Pub/Sub counts pushes, the record counts attempts, and only the record decides: a delivery with tries left is
published again. What if the process dies after the publish: the push comes again, and a second message does no
harm, because the claim lets one through.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from shared.delivery.errors import Conflict, PublishFailed
from shared.delivery.retries import Policy
from shared.delivery.state_machine import dead_lettered
from shared.delivery.store import Store
from shared.runtime import failpoints
from shared.runtime.failpoints import Failpoint
from shared.runtime.logs import get_logger
from shared.sending.messages import Answer, Message, Publisher, hint

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    store: Store
    publisher: Publisher
    policy: Policy
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    async def take(self, message: Message) -> Answer:
        """Raises StoreUnavailable; the caller nacks."""
        ids = {"notification_id": message.notification_id, "channel": message.channel}
        loaded = await self.store.load(message.notification_id, message.channel)
        if loaded is None:
            log.error("dead letter of no delivery", **ids)
            return Answer.ACK
        _, delivery = loaded
        if not delivery.pending:
            log.warning("dead letter", status=delivery.status, **ids)
            return Answer.ACK
        dead = dead_lettered(delivery, self.now(), self.policy)
        if dead is not None:
            try:
                await self.store.update(dead)
            except Conflict:
                return Answer.NACK  # somebody moved it on meanwhile: look again
            failpoints.reached(Failpoint.DEAD_LETTERED)
            log.error("dead", reason=dead.error, **ids)
            return Answer.ACK
        try:
            await self.publisher.publish([hint(delivery)])
        except PublishFailed as error:
            log.warning("not published again, the relay will", error=str(error), **ids)
        else:
            log.warning("published again: tries are left", status=delivery.status, **ids)
        return Answer.ACK
