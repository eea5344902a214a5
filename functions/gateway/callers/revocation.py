"""What may follow a revocation: what the revoked caller made is revoked, too, and what they have queued is cancelled.

Both are done in bounded time, and asking again goes on. What if the process dies: what is written stays, and asking
again does the rest. What if one that is to be revoked makes another meanwhile: it can until it is revoked itself
(`changes.py`), so the callers are looked through again until nothing is found.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from functions.gateway.access.caller import Caller
from functions.gateway.callers.changes import PAGE, Manager
from shared.delivery.model import PENDING, Delivery, DeliveryStatus
from shared.delivery.state_machine import cancelled
from shared.runtime.logs import get_logger

log = get_logger(__name__)

SECONDS = 15.0  # after these nothing further is begun; the load balancer waits for 30
_AT_ONCE = 8  # callers whose deliveries are looked for
_STATUSES = (*sorted(PENDING - {DeliveryStatus.SENDING}), DeliveryStatus.SENDING)
_REASON = "its caller is revoked"


@dataclass(slots=True)
class Revocation:
    """What one request did of it.

    manager: who asks; it is not revoked itself, even where it is among those made
    gone: the ids of the caller that is revoked, and of those made
    revoked, cancelled: how many callers and deliveries; under_way: deliveries that somebody may be sending now
    finished: whether there was time for all of it
    """

    manager: Manager
    gone: set[str]
    revoked: int = 0
    cancelled: int = 0
    under_way: int = 0
    finished: bool = True
    ends_at: float = field(default_factory=lambda: time.monotonic() + SECONDS)

    @property
    def timely(self) -> bool:
        return time.monotonic() < self.ends_at

    async def revoke_made(self) -> None:
        """Those that one of `gone` made, and those that they made. Raises StoreUnavailable."""
        while await self._look_through():
            pass

    async def find_made(self) -> None:
        """Only finds those that `revoke_made` would revoke. Raises StoreUnavailable."""
        known = 0
        while known < len(self.gone) and self.timely:
            known = len(self.gone)
            async for page in self._callers():
                self.gone |= {caller.id for caller in page if self._is_made(caller) and self.manager.sees(caller)}

    async def queued(self) -> AsyncIterator[Sequence[Delivery]]:
        """The pending deliveries of all of them. Raises StoreUnavailable."""
        for caller_id in sorted(self.gone):
            for status in _STATUSES:
                page, after = None, None
                while page is None or after is not None:
                    page = await self.manager.gateway.store.in_status(
                        caller=caller_id, status=status, limit=PAGE, after=after
                    )
                    after = page.next
                    yield page.items

    def _is_made(self, caller: Caller) -> bool:
        return caller.created_by in self.gone and caller.id not in {*self.gone, self.manager.caller.id}

    async def _callers(self) -> AsyncIterator[Sequence[Caller]]:
        """All of them, page by page, as long as there is time."""
        after: str | None = None
        while self.timely:
            page = await self.manager.gateway.callers.callers(limit=PAGE, after=after)
            yield page.items
            after = page.next
            if after is None:
                return
        self.finished = False

    async def cancel_queued(self) -> None:
        """The deliveries of all of them. Raises StoreUnavailable."""
        # In any order: what takes more time than there is gets to each of them if asked often enough.
        callers = random.sample(sorted(self.gone), len(self.gone))
        for first in range(0, len(callers), _AT_ONCE):
            await asyncio.gather(*map(self._cancel_of, callers[first : first + _AT_ONCE]))
        self.finished = self.finished and self.timely

    async def _look_through(self) -> bool:
        """All callers once; whether to do it again."""
        found = False
        async for page in self._callers():
            found = await self._end(page) or found
        return found

    async def _end(self, page: Sequence[Caller]) -> bool:
        """Whether any of these was one of them, and new."""
        found = False
        for caller in page:
            made = self._is_made(caller)
            if made and self.manager.sees(caller):
                self.gone.add(caller.id)
                found = True
            elif made and caller.revoked_at is None:
                log.warning("not revoked: it may do more than who asks", caller=caller.id, by=self.manager.caller.id)
        now = self.manager.gateway.now()
        seen = [(caller, self._ended(caller, now)) for caller in page if self.manager.sees(caller)]
        ended = [(before, after) for before, after in seen if after != before]
        written = await self.manager.gateway.callers.replace_all([after for _, after in ended])
        for (before, after), landed in zip(ended, written, strict=True):
            self.manager.gateway.identity.callers.forget(after.id)
            self.revoked += landed and before.revoked_at is None and after.revoked_at is not None
        return found or bool(ended)

    def _ended(self, caller: Caller, now: datetime) -> Caller:
        """Revoked if it is one of them; else without the keys that they added to it."""
        keys = [
            replace(key, revoked_at=key.revoked_at or now) if caller.key_makers.get(key.id) in self.gone else key
            for key in caller.keys
        ]
        revoked_at = caller.revoked_at or now if caller.id in self.gone else caller.revoked_at
        return replace(caller, keys=tuple(keys), revoked_at=revoked_at)

    async def _cancel_of(self, caller_id: str) -> None:
        again, under_way = True, 0
        while again and self.timely:
            again, under_way = await self._cancel_once(caller_id)
        self.under_way += under_way

    async def _cancel_once(self, caller_id: str) -> tuple[bool, int]:
        """Whether any was to be cancelled (one that was claimed meanwhile has to be looked at again), and how many
        are under way."""
        store, now = self.manager.gateway.store, self.manager.gateway.now
        found, under_way = False, 0
        for status in _STATUSES:
            page, after = None, None
            while self.timely and (page is None or after is not None):
                page = await store.in_status(caller=caller_id, status=status, limit=PAGE, after=after)
                after = page.next
                ended = [end for d in page.items if (end := cancelled(d, now(), _REASON)) is not None]
                self.cancelled += sum(version is not None for version in await store.update_all(ended))
                found = found or bool(ended)
                under_way += len(page.items) - len(ended)
        return found, under_way
