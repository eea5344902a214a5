"""The audit log in memory."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from functions.gateway.audit_trail.audit_store import found_by
from functions.gateway.audit_trail.entry import AuditEntry
from shared.delivery.errors import AlreadyExists, StoreUnavailable
from shared.delivery.store import Page, Position


class MemoryAudit:
    """See `functions.gateway.audit_trail.audit_store.AuditStore`.

    failing: so many of the next writes fail, having landed or not, as `landing` says
    """

    def __init__(self) -> None:
        self.records: dict[str, AuditEntry] = {}
        self.failing = 0
        self.writes = 0
        self.landing = False

    async def append(self, entries: Sequence[AuditEntry]) -> None:
        self.writes += 1
        await asyncio.sleep(0)
        if self.failing:
            self.failing -= 1
            if self.landing:
                self.records |= {entry.id: entry for entry in entries}
            raise StoreUnavailable("down")
        if there := {entry.id for entry in entries} & set(self.records):
            raise AlreadyExists(min(there))
        self.records |= {entry.id: entry for entry in entries}

    async def read(self, entry_id: str) -> AuditEntry | None:
        await asyncio.sleep(0)
        return self.records.get(entry_id)

    async def entries(
        self,
        *,
        limit: int,
        actor: str | None = None,
        action: str | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        after: Position | None = None,
    ) -> Page[AuditEntry, Position]:
        await asyncio.sleep(0)
        wanted = found_by(actor, action)
        found = [
            entry
            for entry in sorted(self.records.values(), key=lambda e: (e.at, e.id), reverse=True)
            if wanted == found_by(actor and entry.actor, action and entry.action)
            and (start is None or entry.at >= start)
            and (end is None or entry.at < end)
            and (after is None or (entry.at, entry.id) < (after.at, after.id))
        ]
        last = found[limit - 1] if len(found) > limit else None
        return Page(found[:limit], None if last is None else Position(last.at, last.id))
