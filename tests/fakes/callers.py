"""Callers' records in memory."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from functions.gateway.access.caller import Caller
from functions.gateway.access.caller_store import Usage
from shared.delivery.errors import AlreadyExists, Conflict, StoreUnavailable, UnreadableRecord
from shared.delivery.store import Page


class MemoryCallers:
    """See `functions.gateway.access.caller_store.CallerStore`.

    Each method does its work in one step, as a server does, and gives way to others before it answers.
    `answering`: while it is not set, what was asked is done, and its answer is on its way.
    """

    def __init__(self) -> None:
        self.records: dict[str, Caller] = {}
        self.used: dict[tuple[str, str], int] = {}
        self.uses: dict[str, datetime] = {}
        self.reads = 0
        self.adds = 0
        self.down = False
        self.unreadable: set[str] = set()
        self.answering = asyncio.Event()
        self.answering.set()

    async def create(self, caller: Caller, by: Caller | None = None) -> None:
        self._check(by)
        taken = caller.id in self.records
        if not taken:
            self.records[caller.id] = replace(caller, version=1)
        await self._answer()
        if taken:
            raise AlreadyExists(caller.id)

    async def read(self, ids: Sequence[str]) -> Mapping[str, Caller]:
        self.reads += 1
        down, found = self.down, {i: self.records[i] for i in ids if i in self.records}
        await self._answer()
        if down:
            raise StoreUnavailable("down")
        if spoilt := self.unreadable & set(found):
            raise UnreadableRecord(f"callers/{min(spoilt)}: spoilt")
        return found

    async def look_up(self, ids: Sequence[str]) -> Mapping[str, Caller]:
        return await self.read([i for i in ids if i not in self.unreadable])

    async def replace(self, caller: Caller, by: Caller | None = None) -> None:
        self._check(caller)
        self._check(by)
        self.records[caller.id] = replace(caller, version=(caller.version or 0) + 1)
        await self._answer()

    async def replace_all(self, callers: Sequence[Caller]) -> Sequence[bool]:
        return [await self._replaced(caller) for caller in callers]

    async def _replaced(self, caller: Caller) -> bool:
        try:
            await self.replace(caller)
        except Conflict:
            return False
        return True

    def _check(self, caller: Caller | None) -> None:
        if caller is not None and self.records[caller.id].version != caller.version:
            raise Conflict(caller.id)

    async def callers(self, *, limit: int, after: str | None) -> Page[Caller, str]:
        ids = [i for i in sorted(self.records) if after is None or i > after]
        found = Page(
            [self.records[i] for i in ids[:limit] if i not in self.unreadable],
            ids[limit - 1] if len(ids) > limit else None,
        )
        await self._answer()
        return found

    async def last_uses(self, ids: Sequence[str]) -> Mapping[str, datetime]:
        found = {i: self.uses[i] for i in ids if i in self.uses}
        await self._answer()
        return found

    async def add(self, usage: Usage) -> Usage:
        self.adds += 1
        down = self.down
        totals = [] if down else self._added(usage)
        await self._answer()
        if down:
            raise StoreUnavailable("down")
        return Usage(usage.caller, usage.at, *totals)

    def _added(self, usage: Usage) -> list[int]:
        self.uses[usage.caller] = usage.at
        totals = []
        for name, count in (
            (f"{usage.at:%d %H:%M}", usage.requests),
            (f"{usage.at:%d}", usage.notifications),
            (f"{usage.at:%d} segments", usage.segments),
        ):
            self.used[usage.caller, name] = self.used.get((usage.caller, name), 0) + count
            totals.append(self.used[usage.caller, name])
        return totals

    async def add_messages(self, key: str, hour: datetime, count: int) -> int:
        self.adds += 1
        down, name = self.down, f"{hour:%d %H}"
        if not down:
            self.used[key, name] = self.used.get((key, name), 0) + count
        total = self.used.get((key, name), 0)
        await self._answer()
        if down:
            raise StoreUnavailable("down")
        return total

    async def _answer(self) -> None:
        await asyncio.sleep(0)
        await self.answering.wait()
