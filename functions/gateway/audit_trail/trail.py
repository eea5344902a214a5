"""Putting acts on record, each tied to the one before.

One chain for all gateways would be one place that all write to. So each gateway has chains of its own: a new one an
hour, whose first entry names where the others ended. Who takes an entry away, changes one or puts one in between has to
write anew all that stands behind it, in every chain that names it.
"""

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
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
_MOST = 100  # entries that are written together


class Trail:
    """The chains of one process."""

    def __init__(self, store: AuditStore, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.store = store
        self._now = now
        self._writing = asyncio.Lock()
        self._waiting: list[tuple[Act, asyncio.Future[AuditEntry]]] = []
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
        """It on record, without a log line. Raises StoreError. Those that come while one is written go together."""
        entry: asyncio.Future[AuditEntry] = asyncio.get_running_loop().create_future()
        self._waiting.append((act, entry))
        async with self._writing:
            if not entry.done():
                waiting, self._waiting = self._waiting[:_MOST], self._waiting[_MOST:]
                await self._put_all(waiting)
        return await entry

    async def _put_all(self, waiting: Sequence[tuple[Act, "asyncio.Future[AuditEntry]"]]) -> None:
        try:
            entries = await self._next([act for act, _ in waiting])
            await self._write(entries)
        except BaseException as error:
            # Nobody knows whether they landed, and the next could not say what is before it. So a chain ends here.
            self._last, self._began, self._lost = None, None, self._lost + len(waiting)
            failed = error if isinstance(error, StoreError) else StoreUnavailable("the writing was cut off")
            for _, entry in waiting:
                if not entry.done():
                    entry.set_exception(failed)
            if not isinstance(error, StoreError):
                raise
            return
        self._last, self._lost = entries[-1], 0
        for (_, entry), written in zip(waiting, entries, strict=True):
            if not entry.done():  # else whoever asked has gone away
                entry.set_result(written)

    async def _next(self, acts: Sequence[Act]) -> Sequence[AuditEntry]:
        now, last, entries = self._now(), self._last, list[AuditEntry]()
        if last is None or self._began is None or now >= self._began + CHAIN_LASTS:
            last, chain, follows = None, f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}", await self._heads()
            self._began = now
        else:
            chain, follows = last.chain, ()
        for act in acts:
            values = asdict(act)
            if last is None:
                entry = AuditEntry(chain=chain, number=1, at=now, lost=self._lost, follows=follows, **values)
            else:
                at = max(now, last.at)  # a clock that is set back must not put it before the last one
                entry = AuditEntry(chain=chain, number=last.number + 1, at=at, previous=last.hash, **values)
            last = entry.sealed()
            entries.append(last)
        return entries

    async def _heads(self) -> tuple[Head, ...]:
        heads: dict[str, Head] = {}
        for entry in [*(await self.store.entries(limit=_HEADS)).items, *([self._last] if self._last else [])]:
            there = heads.get(entry.chain)
            if there is None or there.number < entry.number:
                heads[entry.chain] = entry.head
        return tuple(heads[chain] for chain in sorted(heads))

    async def _write(self, entries: Sequence[AuditEntry]) -> None:
        """Raises StoreUnavailable, AlreadyExists."""
        for tries_left in reversed(range(_TRIES)):
            try:
                await self.store.append(entries)
            except StoreUnavailable:
                if not tries_left:
                    raise
            except AlreadyExists:
                if await self.store.read(entries[-1].id) != entries[-1]:  # else the try before has landed
                    raise
                return
            else:
                return


def _line(entry: AuditEntry) -> Mapping[str, object]:
    """What the log has of it: as /v1/audit answers it, so that its hash can be told from the line alone."""
    return {name: value for name, value in told(entry).items() if value is not None}
