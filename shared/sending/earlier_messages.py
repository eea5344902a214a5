"""The earlier messages that one goes with, as the providers know them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from shared.delivery.errors import Retryable, SendError, StoreUnavailable, Throttled, UnreadableRecord
from shared.delivery.model import Delivery, Notification
from shared.sending.provider import Earlier, Sent

# Seconds, while the earlier one is on its way: each look is an attempt on record, so what waits for a day looks seldom.
_LOOK_AGAIN = 2.0
_LONGEST_PAUSE = 3600.0


class Deliveries(Protocol):
    async def load(self, notification_id: str, channel: str) -> tuple[Notification, Delivery] | None: ...


async def resolved(
    store: Deliveries, channel: str, named: Mapping[str, str], provider: str, now: datetime
) -> Mapping[str, Earlier] | SendError:
    """By part, each notification's message over this channel; or why this one cannot go yet."""
    found: dict[str, Earlier] = {}
    for part, notification_id in named.items():
        try:
            loaded = await store.load(notification_id, channel)
        except (StoreUnavailable, UnreadableRecord):
            return Retryable(f"notification {notification_id}, which its {part} names, could not be read")
        if loaded is not None and loaded[1].pending:
            waits = f"waits for notification {notification_id}, its {part}"
            return Throttled(waits, retry_after=_pause(loaded[1], now))
        found[part] = _of(notification_id, None if loaded is None else loaded[1], provider)
    return found


def _pause(earlier: Delivery, now: datetime) -> float:
    """Until it is tried next, as far as that is known."""
    left = 0.0 if earlier.next_try_at is None else (earlier.next_try_at - now).total_seconds()
    return min(max(left, _LOOK_AGAIN), _LONGEST_PAUSE)


def _of(notification_id: str, earlier: Delivery | None, provider: str) -> Earlier:
    if earlier is None:
        return Earlier(Sent(None), f"notification {notification_id} is no longer on record")
    if earlier.provider_message_id is not None and earlier.provider == provider:
        return Earlier(Sent(earlier.provider_message_id, earlier.provider_conversation))
    how = "has no message that this provider knows" if earlier.provider_message_id or earlier.sent else "was not sent"
    return Earlier(Sent(None), f"notification {notification_id} {how} ({earlier.status})")
