"""The store of `tests/fakes`, looked at with each write; and the receipts that wait."""

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from shared.delivery.model import SUCCESS, Attachment, Delivery, Notification, Recipient
from shared.delivery.retries import Policy
from shared.sending.receipts import Waiting
from tests.fakes.receipts import MemoryReceipts
from tests.fakes.store import MemoryStore
from tests.simulation.events import Events
from tests.simulation.invariants import ACCEPTED, Invariant, Violation, check_write, touched
from tests.simulation.virtual import SHARDS

Key = tuple[str, str]
"""Notification id and channel."""


@dataclass
class Pause:
    """Of a channel that somebody asks to pause: since when they had the answer, and until they asked for its end."""

    channel: str
    since: float = math.inf
    until: float = math.inf


class Records(MemoryStore):
    """`created`: all that was ever committed. `moves`: how often each was written but for the relay's touch.

    `messages`: the provider's id of the message that ended each, as it was when it did: the send that was accepted,
    or the unknown one that a receipt has shown to have arrived. No later write counts.

    `ended`, `failed`: those that were terminal at some time, and without success. `newest`: by collapse key, the
    notifications and when each was committed. `cancelled`: when the cancel of a notification was answered.
    `claims`: by token, when the writing of the claim last began. `pauses`, `may_be_down`: of channels, whose messages
    are acked unclaimed. `events`: None: in this history they are off.
    """

    def __init__(self, policy: Policy, broken: Callable[[Violation], None], tell: Callable[..., None]) -> None:
        super().__init__()
        self.created: dict[Key, Delivery] = {}
        self.moves: Counter[Key] = Counter()
        self.messages: dict[Key, str | None] = {}
        self.ended: set[Key] = set()
        self.failed: set[Key] = set()
        self.newest: dict[str, list[tuple[str, float]]] = {}
        self.cancelled: dict[str, float] = {}
        self.claims: dict[str, float] = {}
        self.pauses: list[Pause] = []
        self.events: Events | None = None
        self.may_be_down: Callable[[str], bool] = lambda _: False
        self._persons: dict[str, list[tuple[float, Recipient]]] = {}
        self._followed: set[tuple[str, str]] = set()
        self._policy = policy
        self._broken = broken
        self._tell = tell

    async def create(
        self,
        notification: Notification,
        deliveries: Sequence[Delivery],
        attachments: Mapping[str, Sequence[Attachment]] = MappingProxyType({}),
        keys: Mapping[str, int | None] = MappingProxyType({}),
    ) -> int:
        version = await super().create(notification, deliveries, attachments, keys)
        self._created(deliveries)
        return version

    async def create_all(self, many: Sequence[tuple[Notification, Sequence[Delivery]]]) -> int:
        version = await super().create_all(many)
        for _, deliveries in many:
            self._created(deliveries)
        return version

    def _created(self, deliveries: Sequence[Delivery]) -> None:
        self.created |= {(d.notification_id, d.channel): d for d in deliveries}
        for d in deliveries:
            if d.collapse is not None:
                now = asyncio.get_running_loop().time()
                self.newest.setdefault(d.collapse, []).append((d.notification_id, now))
            if d.follows is not None:
                if (d.follows, d.channel) in self._followed:
                    self._broken(Violation(Invariant.ORDER, f"two follow {d.follows}"))
                self._followed.add((d.follows, d.channel))

    def registered(self, recipient: Recipient) -> None:
        """From the beginning."""
        self._recipients[recipient.name] = recipient
        self._persons[recipient.name] = [(-1.0, recipient)]

    async def replace_recipient(self, recipient: Recipient) -> None:
        await super().replace_recipient(recipient)
        now = asyncio.get_running_loop().time()
        self._persons[recipient.name].append((now, self._recipients[recipient.name]))

    def recipient_as_of(self, name: str, time: float) -> Recipient | None:
        known = [recipient for at, recipient in self._persons.get(name, []) if at < time]
        return known[-1] if known else None

    def asked(self, notification_id: str) -> Notification | None:
        return self._notifications.get(notification_id)

    def find(self, key: Key) -> Delivery | None:
        return self._deliveries.get(key)

    def all(self) -> list[Delivery]:
        return list(self._deliveries.values())

    def _update(self, delivery: Delivery) -> int:
        key = delivery.notification_id, delivery.channel
        old = self._deliveries.get(key)
        version = super()._update(delivery)
        new = self._deliveries[key]
        assert old is not None
        if not touched(old, new):
            self.moves[key] += 1
            if self.events is not None:
                self.events.changed(new)
        if not new.pending:
            self.ended.add(key)
            if new.status not in SUCCESS:
                self.failed.add(key)
        if new.status in ACCEPTED:
            self.messages.setdefault(key, new.provider_message_id)
        outcomes = [str(attempt.outcome) for attempt in new.attempts]
        self._tell("WRITTEN", notification_id=key[0], channel=key[1], status=new.status, claim=new.claim, was=outcomes)
        try:
            check_write(old, new, self._policy)
        except Violation as violation:
            self._broken(violation)
        return version


class WaitingReceipts(MemoryReceipts):
    """Sixteen shards, swept as fewer."""

    async def due(self, shard: int | None, now: datetime, limit: int) -> Sequence[Waiting]:
        due = [w for w in self.waiting.values() if shard in {None, w.shard % SHARDS} and w.due_at < now]
        return sorted(due, key=lambda w: w.due_at)[:limit]
