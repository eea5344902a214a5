"""Publishes the deliveries that waited for another one to end: the next in its order, the next step of its escalation.

What if the process dies before: they have a due time, and the relay publishes them.
"""

from shared.delivery.errors import PublishFailed, StoreUnavailable
from shared.delivery.model import Delivery
from shared.delivery.store import Store
from shared.runtime.logs import get_logger
from shared.sending.messages import Message, Publisher, hint
from shared.sending.order import next_in_line

log = get_logger(__name__)


def is_waited_for(delivery: Delivery) -> bool:
    """Whether it has ended, and others may have waited for that."""
    return not delivery.pending and (delivery.ordering is not None or delivery.escalates_to is not None)


async def publish_waiting(store: Store, publisher: Publisher, ended: Delivery) -> None:
    """Of a delivery that `is_waited_for`. An outage is left to the relay."""
    try:
        following = await next_in_line(store, ended) if ended.ordering is not None else []
        messages = [hint(delivery) for delivery in following]
        if ended.escalates_to is not None:
            messages.append(Message(notification_id=ended.notification_id, channel=ended.escalates_to, bulk=ended.bulk))
        await publisher.publish(messages)
    except (PublishFailed, StoreUnavailable) as error:
        log.warning("what waited is left to the relay", notification_id=ended.notification_id, error=str(error))
