"""What a person's records would say of a delivery at its time, if they stay as they are. Nothing is counted."""

from functions.gateway.services import Gateway
from shared.delivery.gate import Go, Permission
from shared.delivery.model import Delivery
from shared.people.frequency import DaysNotifications, day_of, frequency_id
from shared.people.permission import permission, permission_by_frequency


async def expected(gateway: Gateway, delivery: Delivery) -> Permission:
    """Raises StoreUnavailable, UnreadableRecord."""
    person, at = await gateway.people.person(delivery), delivery.next_try_at or gateway.now()
    unsubscribes = gateway.channels[delivery.channel].unsubscribes
    said = permission(delivery, person, at, unsubscribes=unsubscribes)
    if said != Go() or person.category is None or person.category.max_per_day is None:
        return said
    day, _ = day_of(person.recipient, at)
    had = await gateway.people.days_notifications(frequency_id(delivery, day))
    counted = permission_by_frequency(delivery, person, had, at)
    return Go() if isinstance(counted, DaysNotifications) else counted
