"""Accepting many notifications at once: each for itself, in as few commits and publishes as they fit into.

What if the process dies
- before a commit: of the items in it nothing is written;
- between a commit and its publish: their deliveries are due, the relay publishes them;
- before the answer: the same batch again finds each item by its key.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from functions.gateway.access.caller import Caller
from functions.gateway.access.caller_quotas import Counted
from functions.gateway.batches.schemas import read_item
from functions.gateway.notifications.acceptance import (
    CREATE_PAUSE,
    CREATE_SECONDS,
    accept,
    deliveries_of,
    goes_now,
    new_notification,
    not_published_yet,
    try_again,
    uncount,
)
from functions.gateway.notifications.idempotency import fingerprint, new_notification_id, used_for_another
from functions.gateway.notifications.judging import NOTHING_KNOWN, Judged, Known, judged, known_for
from functions.gateway.notifications.schemas import NotificationRequest
from functions.gateway.services import Gateway
from functions.gateway.web.error_handlers import unavailable, unreadable
from functions.gateway.web.problem_details import Problem
from shared.delivery.errors import AlreadyExists, PublishFailed, StoreUnavailable, UnreadableRecord
from shared.delivery.model import Delivery, DeliveryStatus, Notification
from shared.runtime import failpoints, telemetry
from shared.runtime.failpoints import Failpoint
from shared.runtime.logs import get_logger
from shared.sending.messages import Message, hint, message_of

log = get_logger(__name__)

SECONDS = 20.0  # in which items are looked at; the rest is to be sent again
_MOST_RECORDS = 450  # of a commit; Firestore's limit on a request was 500 for long, and its clients keep to it
_MOST_BYTES = 2_000_000  # of a commit's texts, about; Firestore takes 10 MiB
_AT_A_TIME = 20  # items whose recipients are read together, before other requests get their turn
_READ_AT_A_TIME = 100


@dataclass(frozen=True, slots=True)
class Taken:
    """An item that is on record and published. replayed: it was before"""

    id: str
    replayed: bool


@dataclass(frozen=True, slots=True)
class _Item:
    index: int
    key: str
    request: NotificationRequest
    notification_id: str


@dataclass(frozen=True, slots=True)
class _New:
    """One that can be accepted, and what it comes to."""

    item: _Item
    asked: Judged
    counted: Counted
    notification: Notification
    deliveries: Sequence[Delivery]

    @property
    def records(self) -> int:
        return 1 + len(self.deliveries)

    @property
    def size(self) -> int:
        """Bytes of its texts, about."""
        texts = [self.notification.message, self.notification.data, *(d.content for d in self.deliveries)]
        return sum(len(text) for text in texts if text is not None)


@dataclass(frozen=True, slots=True)
class _Known:
    """One whose key may have been used. replayed: whether it was before this batch; otherwise: when it was not"""

    item: _Item
    replayed: bool
    otherwise: Problem = field(default_factory=try_again)


@dataclass(slots=True)
class Batch:
    gateway: Gateway
    caller: Caller
    bulk: bool = False
    results: dict[int, Taken | Problem] = field(default_factory=dict)
    _new: list[_New] = field(default_factory=list)
    _records: int = 0  # of these
    _bytes: int = 0
    _known: list[_Known] = field(default_factory=list)
    _keys: set[str] = field(default_factory=set)

    async def accept(self, items: Sequence[Any]) -> list[Taken | Problem]:
        """By index, what became of each."""
        give_up_at = time.monotonic() + SECONDS
        for start in range(0, len(items), _AT_A_TIME):
            some = self._read(start, items[start : start + _AT_A_TIME])
            known = await self._known_for(some)
            for item in some:
                if time.monotonic() > give_up_at:
                    self.results[item.index] = Problem(503, "the batch took too long: send this item again")
                    continue
                try:
                    await self._take(item, known)
                except Problem as problem:
                    self.results[item.index] = problem
                except StoreUnavailable as error:
                    self.results[item.index] = unavailable(error)
                except UnreadableRecord as error:
                    self.results[item.index] = unreadable(error)
            await asyncio.sleep(0)
        await self._write()
        for start in range(0, len(self._known), _READ_AT_A_TIME):
            await self._go_on(self._known[start : start + _READ_AT_A_TIME])
        taken = [result for result in self.results.values() if isinstance(result, Taken)]
        log.info("batch", items=len(items), accepted=len(taken), caller=self.caller.id)
        return [self.results[index] for index in range(len(items))]

    def _read(self, start: int, bodies: Sequence[Any]) -> list[_Item]:
        """Those of these items that are requests."""
        some = []
        for index, body in enumerate(bodies, start):
            try:
                key, request = read_item(body)
            except Problem as problem:
                self.results[index] = problem
            else:
                some.append(_Item(index, key, request, new_notification_id(self.caller.id, key)))
        return some

    async def _known_for(self, some: Sequence[_Item]) -> Known:
        """Where nothing can be read now, each of them says so for itself."""
        try:
            return await known_for(self.gateway, [item.request for item in some])
        except (StoreUnavailable, UnreadableRecord):
            return NOTHING_KNOWN

    async def _take(self, item: _Item, known: Known) -> None:
        """Problem and StoreUnavailable are the item's own."""
        if item.key in self._keys:
            self._known.append(_Known(item, replayed=True))
            return
        if _has_records_of_its_own(item.request):
            accepted = await accept(self.gateway, item.request, self.caller, item.key, bulk=self.bulk)
            self._keys.add(item.key)
            self.results[item.index] = Taken(accepted.notification.id, accepted.replayed)
            return
        try:
            asked = await judged(self.gateway, item.request, self.caller, known, bulk=self.bulk)
            counted = self.gateway.quotas.notification(self.caller, asked.segment_count)
        except Problem as problem:
            # The answer of the first time holds, even if the recipient has gone since, or a limit is reached.
            self._known.append(_Known(item, replayed=True, otherwise=problem))
            return
        self.gateway.quotas.addresses.add(asked.address_counts)
        notification = new_notification(self.gateway, item.request, self.caller, asked, item.notification_id)
        deliveries = deliveries_of(self.gateway, notification, asked, bulk=self.bulk)
        new = _New(item, asked, counted, notification, deliveries)
        if self._records + new.records > _MOST_RECORDS or self._bytes + new.size > _MOST_BYTES:
            await self._write()
        self._keys.add(item.key)
        self._new.append(new)
        self._records += new.records
        self._bytes += new.size

    async def _write(self) -> None:
        """Commit and publish what has come together."""
        new, self._new, self._records, self._bytes = self._new, [], 0, 0
        if not new:
            return
        failpoints.reached(Failpoint.VALIDATED)
        try:
            new, version = await self._commit(new)
        except StoreUnavailable as error:
            for each in new:
                uncount(self.gateway, each.asked, each.counted)
                self.results[each.item.index] = unavailable(error)
            return
        failpoints.reached(Failpoint.COMMITTED)
        for each in new:
            for channel in each.asked.addresses:
                telemetry.count(telemetry.ACCEPTED, {"channel": channel})
        messages = [message_of(each.notification, d, version) for each in new for d in each.deliveries if goes_now(d)]
        await self._publish(messages, {each.item.index: Taken(each.notification.id, replayed=False) for each in new})
        failpoints.reached(Failpoint.PUBLISHED)

    async def _commit(self, new: Sequence[_New]) -> tuple[list[_New], int]:
        """Those that are new on record, and the version of their records; again while the answer is lost: the ids are
        the same, so none can be made twice. Those whose id is taken are left for `_go_on`.

        Raises StoreUnavailable.
        """
        give_up_at = time.monotonic() + CREATE_SECONDS
        left = list(new)
        while left:
            try:
                version = await self.gateway.store.create_all([(each.notification, each.deliveries) for each in left])
            except AlreadyExists:
                left = await self._without_taken(left)
            except StoreUnavailable:
                if time.monotonic() >= give_up_at:
                    raise
                await asyncio.sleep(CREATE_PAUSE)
            else:
                return left, version
        return [], 0

    async def _without_taken(self, new: Sequence[_New]) -> list[_New]:
        """Raises StoreUnavailable, also when none of them is there: what is on record under one's id cannot be read."""
        found = await self.gateway.store.notifications_of([each.item.notification_id for each in new])
        if not found:
            raise StoreUnavailable("an id is taken, and nothing is on record under it")
        for each in new:
            existing = found.get(each.item.notification_id)
            if existing is not None:
                # Ours, when the commit had landed and only its answer was lost.
                ours = existing.created_at == each.notification.created_at
                if not ours:
                    uncount(self.gateway, each.asked, each.counted)
                self._known.append(_Known(each.item, replayed=not ours))
        return [each for each in new if each.item.notification_id not in found]

    async def _go_on(self, known: Sequence[_Known]) -> None:
        """The same requests once more: each goes on where the first stopped."""
        store = self.gateway.store
        try:
            found = await store.notifications_of(list({each.item.notification_id for each in known}))
            there = {}
            for each in known:
                existing = found.get(each.item.notification_id)
                if existing is None:
                    self.results[each.item.index] = each.otherwise
                elif existing.fingerprint != fingerprint(each.item.request):
                    self.results[each.item.index] = used_for_another("key")
                else:
                    there[each.item.index] = Taken(existing.id, each.replayed)
            rest = list({taken.id: found[taken.id] for taken in there.values()}.values())
            hints: list[Message] = []
            while rest:
                read = await store.deliveries(rest)
                # Without content: one of these may be queued again by a replay, with attempts that no message knows of.
                hints += [hint(d) for many in read.values() for d in many if d.status is DeliveryStatus.QUEUED]
                rest = rest[len(read) :]
        except StoreUnavailable as error:
            self.results |= {each.item.index: unavailable(error) for each in known}
            return
        await self._publish(hints, there)

    async def _publish(self, messages: Sequence[Message], taken: dict[int, Taken]) -> None:
        """All of them are on record. Their results, whether Pub/Sub takes the messages or not."""
        try:
            await self.gateway.publisher.publish(messages)
        except PublishFailed as error:
            log.error("a batch is not published", count=len(taken), error=str(error))
            self.results |= {index: not_published_yet(each.id, "key") for index, each in taken.items()}
        else:
            self.results |= taken


def _has_records_of_its_own(request: NotificationRequest) -> bool:
    """Besides the notification and its deliveries: those of keys, which are written by precondition, and of files."""
    keyed = request.collapse_key is not None or request.ordering_key is not None
    return keyed or any("attachments" in own for own in (request.content or {}).values())
