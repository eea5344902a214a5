"""Withdrawing a notification: what has not gone does not go.

It is marked first: every later claim that reads it sees that. Then each delivery that nobody holds is written, by
precondition. One under lease is not written to: an attempt is under way, and its next claim sees the mark.

What if the process dies between the two: the mark holds, and whoever asked has no answer and asks again.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime

from shared.delivery.errors import StoreUnavailable
from shared.delivery.model import MAY_BE_SENT, Delivery, Notification
from shared.delivery.state_machine import cancelled
from shared.delivery.store import Store
from shared.runtime import failpoints
from shared.runtime.failpoints import Failpoint
from shared.sending.messages import Publisher
from shared.sending.waiting_deliveries import is_waited_for, publish_waiting

_TRIES = 10  # of writes that a function is faster than; each of its writes is a step to an end


async def withdraw(
    store: Store, publisher: Publisher, notification: Notification, now: Callable[[], datetime], reason: str
) -> tuple[Sequence[Delivery], Sequence[Delivery]]:
    """Its deliveries as they were before, and as they are on record now; none when they have expired.

    Raises StoreUnavailable, also when functions are always faster.
    """
    before = await store.deliveries_of(notification)
    if notification.cancelled_at is None and any(d.status in MAY_BE_SENT for d in before):
        await store.cancel(notification.id, now())
        failpoints.reached(Failpoint.MARKED)
    return before, await withdraw_some(store, publisher, notification, now, reason, notification.channels)


async def withdraw_some(
    store: Store,
    publisher: Publisher,
    notification: Notification,
    now: Callable[[], datetime],
    reason: str,
    channels: Collection[str],
) -> Sequence[Delivery]:
    """The deliveries over these channels, without the mark: what is under lease may be tried again, and what is dead
    may be replayed.

    All of its deliveries, as they are on record now. Raises as `withdraw`.
    """
    for _ in range(_TRIES):
        after = await store.deliveries_of(notification)
        ended = [end for d in after if d.channel in channels and (end := cancelled(d, now(), reason)) is not None]
        if not ended:
            return after
        written = await store.update_all(ended)
        failpoints.reached(Failpoint.CANCELLED)
        for delivery, version in zip(ended, written, strict=True):
            if version is not None and is_waited_for(delivery):
                await publish_waiting(store, publisher, delivery)
    raise StoreUnavailable("functions are always faster")
