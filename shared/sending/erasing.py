"""An erasure: the records of what was sent to a person say nothing of them any more, whoever asked for it.

Looked for are the notifications with the recipient's name, and the deliveries to each address that the recipient's
record has, or that one of these notifications went to. What has not gone is withdrawn first. What is under lease is
left, and looked for again in another round. The last round has begun when whatever was being accepted before the
recipient was marked was on record, and leaves nothing.

What if the process dies: what is emptied is not found again, and an address is on record in the operation before the
first delivery to it is emptied, for the rest to be found by it. At the end the recipient's record is deleted; whoever
finds none has nothing left to do. What a page emptied before it was cut off is not counted then.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared.delivery import model
from shared.delivery.erasure import emptied, renamed, without_texts
from shared.delivery.errors import Conflict, NotFound, StoreUnavailable
from shared.delivery.model import MAY_BE_SENT, Delivery, DeliveryStatus, Notification, Recipient, Rule
from shared.delivery.state_machine import may_have_arrived
from shared.delivery.store import Position, Store
from shared.people.lists import ListStore
from shared.sending.messages import Publisher
from shared.sending.operations import Operation, OperationState, begun
from shared.sending.withdrawal import withdraw, withdraw_some

ERASURE = "erasure"
PAGE = 50
REASON = "the recipient is erased"
SETTLED = timedelta(seconds=40)
"""Longer than a batch may take from reading a recipient to its commit: then no accept that read it unmarked writes any
more. And until a lease is looked at again.
"""


def erasure(operation_id: str, caller_id: str, name: str, pseudonym: str, now: datetime) -> Operation:
    """A new one, that nobody has yet: its pages may take a while, and whoever asks waits for none of them.

    pseudonym: what stands for the name from now on
    """
    about = {"recipient": name, "pseudonym": pseudonym}
    return replace(begun(operation_id, ERASURE, caller_id, about, now), due_at=now)


@dataclass(frozen=True, slots=True)
class _Progress:
    """Where a round is, as `Operation.after` keeps it.

    addresses: the person's, as far as they are known, each with its channel before it
    began_at: when the round did; left: whether it has come upon something that it could not empty
    at: at the deliveries to which of the addresses it is; None: at the notifications with the person's name
    after: the last one of the page before
    """

    addresses: tuple[tuple[str, str], ...]
    began_at: datetime
    left: bool = False
    at: int | None = None
    after: str | None = None


@dataclass(frozen=True, slots=True)
class Erasing:
    """counts: notifications, deliveries and attachments that were emptied; of the deliveries those that were
    `cancelled` for it, that have `stopped_retrying` (an attempt may have arrived), and that went while it ran
    (`too_late`); `texts_kept`: of notifications that others are still to get
    """

    store: Store
    lists: ListStore
    publisher: Publisher
    now: Callable[[], datetime]

    async def page(self, operation: Operation) -> Operation:
        """One page of notifications, or of deliveries to one address. Raises UnreadableRecord: what cannot be read
        cannot be emptied, and an erasure that left it would not be one.
        """
        record = await self.store.recipient(operation.about["recipient"])
        if record is None or record.erased_at is None:
            return _done(operation)  # the marked one is deleted; one that is there now is another person's
        progress = _read(operation.after) or _Progress((), self.now())
        progress = _with(progress, record.addresses.items())
        counts = Counter(operation.counts)
        work = self._own if progress.at is None else self._to
        try:
            moved = await work(operation, progress, counts)
        except StoreUnavailable:
            if counts == Counter(operation.counts):
                raise
            moved = progress  # the same page again, with what it has emptied counted
        operation = replace(operation, counts=dict(counts), total=counts["notifications"])
        if moved.at is not None and moved.at == len(moved.addresses):
            return await self._end_of_round(operation, moved, record, record.erased_at)
        return replace(operation, after=_written(moved))

    async def _own(self, operation: Operation, progress: _Progress, counts: Counter[str]) -> _Progress:
        """A page of the notifications with the person's name."""
        page = await self.store.notifications(
            caller=None,
            recipient=operation.about["recipient"],
            status=None,
            limit=PAGE,
            after=None if progress.after is None else _position(progress.after),
        )
        deliveries = {n.id: await self.store.deliveries_of(n) for n in page.items}
        known = _with(progress, ((d.channel, d.address) for of in deliveries.values() for d in of if d.address))
        if known != progress:
            return known  # on record first; then the same page again
        for notification in page.items:
            if not await self._empty(operation, progress, notification, deliveries[notification.id], counts):
                progress = replace(progress, left=True)
        if page.next is None:
            return replace(progress, at=0, after=None)
        return replace(progress, after=f"{page.next.at.isoformat()} {page.next.id}")

    async def _to(self, operation: Operation, progress: _Progress, counts: Counter[str]) -> _Progress:
        """A page of the deliveries to one of the addresses."""
        at = progress.at
        assert at is not None  # noqa: S101 - else `_own` is asked
        channel, address = progress.addresses[at]
        page = await self.store.to_address(channel, address, PAGE, progress.after)
        for notification_id in dict.fromkeys(d.notification_id for d in page.items):
            notification = await self.store.notification(notification_id)
            if notification is None:  # it has expired before its deliveries
                deliveries: Sequence[Delivery] = [d for d in page.items if d.notification_id == notification_id]
            else:
                deliveries = await self.store.deliveries_of(notification)
            if not await self._empty(operation, progress, notification, deliveries, counts):
                progress = replace(progress, left=True)
        if page.next is None:
            return replace(progress, at=at + 1, after=None)
        return replace(progress, after=page.next)

    async def _end_of_round(
        self, operation: Operation, progress: _Progress, record: Recipient, marked_at: datetime
    ) -> Operation:
        settled = marked_at + SETTLED
        if progress.left or progress.began_at < settled:
            now = self.now()
            due_at = now + SETTLED if progress.left else max(settled, now)
            return replace(operation, after=_written(_Progress(progress.addresses, due_at)), due_at=due_at)
        await self.lists.forget(record.name)
        try:
            await self.store.delete_recipient(record.name, record.version)
        except (Conflict, NotFound):  # somebody has written to it, or another worker has deleted it: look again
            return operation
        return _done(operation)

    async def _empty(
        self,
        operation: Operation,
        progress: _Progress,
        notification: Notification | None,
        deliveries: Sequence[Delivery],
        counts: Counter[str],
    ) -> bool:
        """What of a notification is the person's: all of it if it has their name, else the deliveries to their
        addresses, and its texts unless others may still get them. False when it has to be looked at again.
        """
        name, pseudonym = operation.about["recipient"], operation.about["pseudonym"]
        whole = notification is not None and notification.recipient == name

        def is_theirs(delivery: Delivery) -> bool:
            return whole or (delivery.channel, delivery.address) in progress.addresses

        if notification is not None:
            deliveries = await self._withdrawn(notification, deliveries, is_theirs, whole=whole)
        theirs = [d for d in deliveries if is_theirs(d)]
        if notification is not None and any(d.pending for d in theirs):
            return False  # an attempt is under way
        needed = any(d.status in MAY_BE_SENT and d.content is None for d in deliveries if not is_theirs(d))
        left = None if notification is None or needed else without_texts(notification)
        if left is not None and whole:
            left = renamed(left, pseudonym)
        written = [
            model.replace(emptied(d), recipient=pseudonym if d.recipient == name else d.recipient) for d in theirs
        ]
        try:
            await self.store.erase(left, written)
        except (Conflict, NotFound):
            return False  # somebody was faster, or it has expired meanwhile
        counts += Counter(map(_fate(operation.created_at), theirs))
        counts += Counter(
            notifications=1, deliveries=len(theirs), attachments=sum(d.attachments for d in theirs), texts_kept=needed
        )
        del counts[""]
        return True

    async def _withdrawn(
        self,
        notification: Notification,
        deliveries: Sequence[Delivery],
        is_theirs: Callable[[Delivery], bool],
        *,
        whole: bool,
    ) -> Sequence[Delivery]:
        """Its deliveries as they are on record, those that had not gone cancelled, but for what is under lease."""
        if whole and any(d.status in MAY_BE_SENT for d in deliveries):
            return (await withdraw(self.store, self.publisher, notification, self.now, REASON))[1]
        channels = {d.channel for d in deliveries if d.pending and is_theirs(d)}
        if channels:
            return await withdraw_some(self.store, self.publisher, notification, self.now, REASON, channels)
        return deliveries


def _done(operation: Operation) -> Operation:
    """The name was needed until now."""
    return replace(operation, about={"recipient": operation.about["pseudonym"]}, after=None, state=OperationState.DONE)


def _fate(began_at: datetime) -> Callable[[Delivery], str]:
    """What became of a delivery since then; nothing: it had ended before."""

    def of(delivery: Delivery) -> str:
        ended_at = delivery.updated_at or delivery.created_at
        if delivery.status is DeliveryStatus.CANCELLED and delivery.reason == Rule.CANCELLED and ended_at >= began_at:
            return "stopped_retrying" if may_have_arrived(delivery) else "cancelled"
        last = delivery.attempts[-1] if delivery.attempts else None
        if last is not None and last.at + timedelta(milliseconds=last.duration_ms or 0) >= began_at:
            return "too_late"
        return ""

    return of


def _with(progress: _Progress, addresses: Iterable[tuple[str, str]]) -> _Progress:
    """The new ones come last: it may be at the deliveries to one of the others."""
    new = sorted({*addresses} - {*progress.addresses})
    return replace(progress, addresses=(*progress.addresses, *new)) if new else progress


def _written(p: _Progress) -> str:
    return json.dumps([p.addresses, p.began_at.isoformat(), p.left, p.at, p.after])


def _read(after: str | None) -> _Progress | None:
    if after is None:
        return None
    addresses, began_at, left, at, last = json.loads(after)
    known = tuple((channel, address) for channel, address in addresses)
    return _Progress(known, datetime.fromisoformat(began_at), left, at, last)


def _position(after: str) -> Position:
    at, _, last = after.partition(" ")
    return Position(datetime.fromisoformat(at), last)
