"""Work on many records: on record with a due time, worked off page by page, by whoever comes to it.

The gateway begins, within its request; the relay goes on with what is due. What if the process dies: the due time
brings it back, and a page that runs twice does nothing twice. What if two work at it at once: the same.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from shared.delivery.errors import Conflict, NotFound
from shared.delivery.model import MAY_BE_SENT, Delivery, DeliveryStatus
from shared.delivery.state_machine import may_have_arrived
from shared.delivery.store import Page, Position, Store
from shared.runtime import failpoints
from shared.runtime.failpoints import Failpoint
from shared.runtime.logs import get_logger
from shared.sending.messages import Publisher
from shared.sending.withdrawal import withdraw

log = get_logger(__name__)

PAGE = 50
AGAIN = timedelta(seconds=30)  # after which another goes on with it
_KEPT = timedelta(days=30)


class OperationState(StrEnum):
    RUNNING = "running"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Operation:
    """kind: "recall", of all that is made of `template` (`Delivery.made_of`)

    counts: of deliveries, by what became of them; after: the last one of the page before
    due_at: when another goes on with it; None once it is done
    """

    id: str
    kind: str
    caller: str
    template: str
    created_at: datetime
    updated_at: datetime
    expire_at: datetime
    due_at: datetime | None
    state: OperationState = OperationState.RUNNING
    counts: Mapping[str, int] = field(default_factory=dict)
    after: str | None = None
    version: int | None = None


def recall(operation_id: str, caller_id: str, template: str, now: datetime) -> Operation:
    """A new one."""
    return Operation(operation_id, "recall", caller_id, template, now, now, now + _KEPT, now + AGAIN)


class OperationStore(Protocol):
    """Any method may raise StoreUnavailable; a write may have landed all the same."""

    async def create(self, operation: Operation) -> int:
        """Its version. Raises AlreadyExists."""
        ...

    async def read(self, operation_id: str) -> Operation | None: ...

    async def update(self, operation: Operation) -> int:
        """If the record still has its version. Raises Conflict, NotFound."""
        ...

    async def due(self, now: datetime, limit: int) -> Sequence[Operation]:
        """Those whose `due_at` has passed."""
        ...

    async def operations(self, *, caller: str | None, limit: int, after: Position | None) -> Page[Operation, Position]:
        """Newest first; caller: those that it asked for."""
        ...


@dataclass(frozen=True, slots=True)
class Worker:
    store: Store
    operations: OperationStore
    publisher: Publisher
    now: Callable[[], datetime]

    async def sweep(self, seconds: float) -> int:
        """Go on with what is due; how many were looked at."""
        give_up_at = time.monotonic() + seconds
        due = await self.operations.due(self.now(), PAGE)
        for operation in due:
            if time.monotonic() < give_up_at:
                await self.work(operation, give_up_at - time.monotonic())
        return len(due)

    async def work(self, operation: Operation, seconds: float) -> Operation:
        """Page by page, as long as there is time. As it is on record then, as far as we know."""
        give_up_at = time.monotonic() + seconds
        while operation.state is OperationState.RUNNING and time.monotonic() < give_up_at:
            moved = await self._page(operation)
            try:
                operation = replace(moved, version=await self.operations.update(moved))
            except (Conflict, NotFound):
                return operation  # another is at it
            failpoints.reached(Failpoint.PAGED)
        return operation

    async def _page(self, operation: Operation) -> Operation:
        """One page of what may be sent, and what the record says after it. The last page begins again as long as there
        was something to withdraw: meanwhile a delivery may have come from one page to another.
        """
        page = await self.store.unsent_of(operation.template, PAGE, operation.after)
        counts = dict(operation.counts)
        for notification_id in dict.fromkeys(d.notification_id for d in page.items):
            notification = await self.store.notification(notification_id)
            if notification is None:
                continue
            before, after = await withdraw(
                self.store, self.publisher, notification, self.now, f"template {operation.template} is recalled"
            )
            was = {d.channel: d for d in before}
            for now in after:
                # What is under way is counted once; a page of before may have been cut off behind the mark.
                new = now.status is DeliveryStatus.CANCELLED or notification.cancelled_at is None
                if was[now.channel].status in MAY_BE_SENT and new:
                    counts[_fate(now)] = counts.get(_fate(now), 0) + 1
        at = self.now()
        moved = replace(operation, counts=counts, after=page.next, updated_at=at, due_at=at + AGAIN)
        if page.next is None and counts == operation.counts:
            log.info("operation done", operation_id=operation.id, kind=operation.kind, counts=counts)
            return replace(moved, state=OperationState.DONE, due_at=None)
        return moved


def _fate(delivery: Delivery) -> str:
    if delivery.status in {DeliveryStatus.DEAD, DeliveryStatus.FAILED}:
        return "not_replayable"
    if delivery.status is not DeliveryStatus.CANCELLED:
        return "too_late"
    return "stopped_retrying" if may_have_arrived(delivery) else "cancelled"
