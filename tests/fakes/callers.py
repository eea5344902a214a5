"""Callers' records in memory."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from functions.gateway.caller_store import Usage
from functions.gateway.callers import Caller
from shared.errors import AlreadyExists, Conflict, StoreUnavailable


class MemoryCallers:
    """See `functions.gateway.caller_store.CallerStore`."""

    def __init__(self) -> None:
        self.records: dict[str, Caller] = {}
        self.used: dict[tuple[str, str], int] = {}
        self.uses: dict[str, datetime] = {}
        self.reads = 0
        self.adds = 0
        self.down = False

    async def create(self, caller: Caller) -> None:
        if caller.id in self.records:
            raise AlreadyExists(caller.id)
        self.records[caller.id] = replace(caller, version=1)

    async def read(self, ids: Sequence[str]) -> Mapping[str, Caller]:
        self.reads += 1
        if self.down:
            raise StoreUnavailable("down")
        return {i: self.records[i] for i in ids if i in self.records}

    async def replace(self, caller: Caller) -> None:
        if self.records[caller.id].version != caller.version:
            raise Conflict(caller.id)
        self.records[caller.id] = replace(caller, version=(caller.version or 0) + 1)

    async def callers(self, *, limit: int, after: str | None) -> Sequence[Caller]:
        return [self.records[i] for i in sorted(self.records) if after is None or i > after][:limit]

    async def last_uses(self, ids: Sequence[str]) -> Mapping[str, datetime]:
        return {i: self.uses[i] for i in ids if i in self.uses}

    async def add(self, usage: Usage) -> Usage:
        self.adds += 1
        if self.down:
            raise StoreUnavailable("down")
        self.uses[usage.caller] = usage.at
        totals = []
        for name, count in (
            (f"{usage.at:%d %H:%M}", usage.requests),
            (f"{usage.at:%d}", usage.notifications),
            (f"{usage.at:%d} segments", usage.segments),
        ):
            self.used[usage.caller, name] = self.used.get((usage.caller, name), 0) + count
            totals.append(self.used[usage.caller, name])
        return Usage(usage.caller, usage.at, *totals)

    async def add_messages(self, key: str, hour: datetime, count: int) -> int:
        self.adds += 1
        if self.down:
            raise StoreUnavailable("down")
        self.used[key, f"{hour:%d %H}"] = self.used.get((key, f"{hour:%d %H}"), 0) + count
        return self.used[key, f"{hour:%d %H}"]
