"""The audit log in memory."""

import asyncio
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
        self.landing = False

    async def append(self, entry: AuditEntry) -> None:
        await asyncio.sleep(0)
        if self.failing:
            self.failing -= 1
            if self.landing:
                self.records[entry.id] = entry
            raise StoreUnavailable("down")
        if entry.id in self.records:
            raise AlreadyExists(entry.id)
        self.records[entry.id] = entry

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
