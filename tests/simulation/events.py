"""The topic of events: what got there, and what should have."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime

from shared.delivery.model import Delivery, DeliveryStatus
from shared.sending.event_messages import EventMessage
from tests.simulation.invariants import Invariant, Violation

Change = tuple[str, str, datetime | None]
"""What an event is about, the new status, and since when."""


class Events:
    """See `shared.sending.event_messages.EventPublisher`. `changes`: that are on record, told or not"""

    def __init__(self) -> None:
        self.changes: dict[Change, None] = {}
        self._ids: defaultdict[Change, set[str]] = defaultdict(set)
        self._about: defaultdict[str, set[Change]] = defaultdict(set)

    async def publish_events(self, events: Sequence[EventMessage]) -> None:
        await asyncio.sleep(0)
        for event in events:
            change = (event.subject, event.type.removeprefix("delivery."), event.at)
            self._ids[change].add(event.id)
            self._about[event.id].add(change)

    def changed(self, new: Delivery) -> None:
        """It is on record."""
        if new.status is not DeliveryStatus.SENDING:
            subject = f"notifications/{new.notification_id}/deliveries/{new.channel}"
            self.changes[subject, str(new.status), new.updated_at] = None

    def violations(self) -> Iterator[Violation]:
        """At the end, when all is quiet."""
        for change in self.changes:
            if change not in self._ids:
                yield Violation(Invariant.EVENTS, f"{change} was told nobody")
        for change, ids in self._ids.items():
            if change not in self.changes:
                yield Violation(Invariant.EVENTS, f"{change} was told, and never was")
            if len(ids) > 1:
                yield Violation(Invariant.EVENTS, f"{change} was told under {len(ids)} ids")
        for event_id, changes in self._about.items():
            if len(changes) > 1:
                yield Violation(Invariant.EVENTS, f"{event_id} is {len(changes)} changes")
