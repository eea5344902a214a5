"""A recall: all that is made of a version of a template and has not gone does not go."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from shared.delivery.model import MAY_BE_SENT, Delivery, DeliveryStatus
from shared.delivery.state_machine import may_have_arrived
from shared.delivery.store import Store
from shared.sending.messages import Publisher
from shared.sending.operations import Operation, OperationState, begun
from shared.sending.withdrawal import withdraw

RECALL = "recall"
PAGE = 50


def recall(operation_id: str, caller_id: str, template: str, now: datetime) -> Operation:
    """A new one. template: with its version, as `Delivery.made_of`"""
    return begun(operation_id, RECALL, caller_id, {"template": template}, now)


@dataclass(frozen=True, slots=True)
class Recalling:
    """counts: of deliveries, by what became of them; after: the last one of the page before"""

    store: Store
    publisher: Publisher
    now: Callable[[], datetime]

    async def page(self, operation: Operation) -> Operation:
        """One page of what may be sent, and what the record says after it. The last page begins again as long as there
        was something to withdraw: meanwhile a delivery may have come from one page to another.
        """
        template = operation.about["template"]
        page = await self.store.unsent_of(template, PAGE, operation.after)
        counts = dict(operation.counts)
        for notification_id in dict.fromkeys(d.notification_id for d in page.items):
            notification = await self.store.notification(notification_id)
            if notification is None:
                continue
            before, after = await withdraw(
                self.store, self.publisher, notification, self.now, f"template {template} is recalled"
            )
            was = {d.channel: d for d in before}
            for now in after:
                # What is under way is counted once; a page of before may have been cut off behind the mark.
                new = now.status is DeliveryStatus.CANCELLED or notification.cancelled_at is None
                if was[now.channel].status in MAY_BE_SENT and new:
                    counts[_fate(now)] = counts.get(_fate(now), 0) + 1
        ended = page.next is None and counts == operation.counts
        state = OperationState.DONE if ended else operation.state
        return replace(operation, counts=counts, after=page.next, state=state)


def _fate(delivery: Delivery) -> str:
    if delivery.status in {DeliveryStatus.DEAD, DeliveryStatus.FAILED}:
        return "not_replayable"
    if delivery.status is not DeliveryStatus.CANCELLED:
        return "too_late"
    return "stopped_retrying" if may_have_arrived(delivery) else "cancelled"
