"""Putting acts on record, each tied to the one before.

One chain for all gateways would be one place that all write to. So each gateway has chains of its own: a new one an
hour, whose first entry names where the others ended. Who takes an entry away, changes one or puts one in between has to
write anew all that stands behind it, in every chain that names it.
"""

import asyncio
import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

from functions.gateway.audit_trail.audit_store import AuditStore
from functions.gateway.audit_trail.entry import Act, AuditEntry, Head, told
from shared.delivery.errors import AlreadyExists, StoreError, StoreUnavailable
from shared.runtime.logs import get_logger

log = get_logger(__name__)

CHAIN_LASTS = timedelta(hours=1)
_HEADS = 16  # of the newest entries, those among which a new chain looks for the ends of others
_TRIES = 2


class Trail:
    """The chains of one process."""

    def __init__(self, store: AuditStore, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.store = store
        self._now = now
        self._writing = asyncio.Lock()
        self._last: AuditEntry | None = None
        self._began: datetime | None = None
        self._lost = 0

    async def append(self, act: Act) -> None:
        """It on record, and as a log line that has all of it. When it cannot be written the line says so, with severity
        ERROR, and the next entry counts it: what was done is done, and whoever did it gets their answer.
        """
        try:
            log.info("audit", audit=_line(await self.put(act)))
        except StoreError as error:
            log.error("an act could not be put on record", audit=asdict(act), error=str(error))

    async def put(self, act: Act) -> AuditEntry:
        """It on record, without a log line. Raises StoreError."""
        async with self._writing:
            try:
                entry = await self._next(act)
                await self._write(entry)
            except StoreError:
                # Nobody knows whether it landed, and the next could not say what is before it. So a chain ends here.
                self._last, self._began, self._lost = None, None, self._lost + 1
                raise
            self._last, self._lost = entry, 0
            return entry

    async def _next(self, act: Act) -> AuditEntry:
        now, last = self._now(), self._last
        values = {**asdict(act), "lost": self._lost}
        if last is None or self._began is None or now >= self._began + CHAIN_LASTS:
            follows = await self._heads()
            chain = f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"
            self._began = now
            return AuditEntry(chain=chain, number=1, at=now, follows=follows, **values).sealed()
        at = max(now, last.at)  # a clock that is set back must not put it before the last one
        return AuditEntry(chain=last.chain, number=last.number + 1, at=at, previous=last.hash, **values).sealed()

    async def _heads(self) -> tuple[Head, ...]:
        heads: dict[str, Head] = {}
        for entry in [*(await self.store.entries(limit=_HEADS)).items, *([self._last] if self._last else [])]:
            there = heads.get(entry.chain)
            if there is None or there.number < entry.number:
                heads[entry.chain] = entry.head
        return tuple(heads[chain] for chain in sorted(heads))

    async def _write(self, entry: AuditEntry) -> None:
        """Raises StoreUnavailable, AlreadyExists."""
        for tries_left in reversed(range(_TRIES)):
            try:
                await self.store.append(entry)
            except StoreUnavailable:
                if not tries_left:
                    raise
            except AlreadyExists:
                if await self.store.read(entry.id) != entry:  # else the try before has landed
                    raise
                return
            else:
                return


def _line(entry: AuditEntry) -> Mapping[str, object]:
    """What the log has of it: as /v1/audit answers it, so that its hash can be told from the line alone."""
    return {name: value for name, value in told(entry).items() if value is not None}
