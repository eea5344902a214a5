"""What is told of a delivery: each change of its state, once it has been accepted, is an event.

Nobody is told of the 202, which its caller has, nor of a claim: it is a lease, and the event of what became of it says
how many attempts there have been.

An event is written into the delivery's own record, in the one write that changes the state (`noted`), and taken out
when it has been published (`told`). So whatever dies in between, it is on record until somebody has published it. Its
id is made of what has changed: whoever publishes it again gives it the same one.
"""

import hashlib
from datetime import datetime, timedelta

from shared.delivery.model import Delivery, DeliveryStatus, Event, replace

OF_EVENTS = "events"
"""The caller of what carries events to endpoints, and whose own changes are none: else there would be no end."""

STATUSES = tuple(status for status in DeliveryStatus if status is not DeliveryStatus.SENDING)
_ACCEPTED = frozenset({DeliveryStatus.QUEUED, DeliveryStatus.SCHEDULED})


def noted(delivery: Delivery, now: datetime, grace: timedelta) -> Delivery:
    """It, as it is to be written, with the event of its change; the same where nothing has changed that is told.

    grace: how long whoever writes it has to publish the event, before the relay does
    """
    if delivery.caller == OF_EVENTS:
        return delivery
    if delivery.status is DeliveryStatus.SENDING:
        # Whoever holds the lease writes its outcome at this very version, so nobody else may write meanwhile.
        lease_until = delivery.lease_until or now
        return replace(delivery, tell_at=lease_until + grace) if delivery.untold else delivery
    event = _event(delivery)
    if event is None or event.id == delivery.last_event:
        return delivery
    return replace(delivery, untold=(*delivery.untold, event), last_event=event.id, tell_at=now + grace)


def told(delivery: Delivery) -> Delivery:
    """It, when its events are published."""
    return replace(delivery, untold=(), tell_at=None)


def _event(d: Delivery) -> Event | None:
    """Of its last change; None: it is as it was accepted."""
    at = d.updated_at or d.created_at
    if d.status in _ACCEPTED and not d.attempts and at == d.created_at:
        return None
    changed = (d.notification_id, d.channel, d.status, str(len(d.attempts)), str(d.round_start), at.isoformat())
    return Event(
        id="evt_" + hashlib.sha256("\n".join(changed).encode()).hexdigest()[:32],
        status=str(d.status),
        at=at,
        attempts=len(d.attempts),
        reason=d.reason,
        error=d.error,
        provider=d.provider,
        provider_message_id=d.provider_message_id,
    )
