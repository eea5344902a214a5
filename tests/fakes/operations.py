"""Operations in memory."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime

from shared.delivery.errors import AlreadyExists, Conflict, NotFound
from shared.delivery.store import Page, Position
from shared.sending.operations import Operation, OperationState


class MemoryOperations:
    """See `shared.sending.operations.OperationStore`."""

    def __init__(self) -> None:
        self.records: dict[str, Operation] = {}

    async def create(self, operation: Operation) -> int:
        await asyncio.sleep(0)
        if operation.id in self.records:
            raise AlreadyExists(operation.id)
        self.records[operation.id] = replace(operation, version=1)
        return 1

    async def read(self, operation_id: str) -> Operation | None:
        await asyncio.sleep(0)
        return self.records.get(operation_id)

    async def update(self, operation: Operation) -> int:
        await asyncio.sleep(0)
        there = self.records.get(operation.id)
        if there is None:
            raise NotFound(operation.id)
        if there.version is None or there.version != operation.version:
            raise Conflict(operation.id)
        self.records[operation.id] = replace(operation, version=there.version + 1)
        return there.version + 1

    async def due(self, now: datetime, limit: int, kinds: Collection[str]) -> Sequence[Operation]:
        await asyncio.sleep(0)
        running = [o for o in self.records.values() if o.state is OperationState.RUNNING and o.kind in kinds]
        found = [o for o in running if o.due_at is not None and o.due_at < now]
        return sorted(found, key=lambda o: o.due_at or now)[:limit]

    async def operations(self, *, caller: str | None, limit: int, after: Position | None) -> Page[Operation, Position]:
        await asyncio.sleep(0)
        found = sorted(
            (o for o in self.records.values() if caller in {None, o.caller}),
            key=lambda o: (o.created_at, o.id),
            reverse=True,
        )
        rest = [o for o in found if after is None or (o.created_at, o.id) < (after.at, after.id)]
        more = len(rest) > limit
        return Page(rest[:limit], Position(rest[limit - 1].created_at, rest[limit - 1].id) if more else None)
