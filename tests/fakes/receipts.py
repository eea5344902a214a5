"""The receipts that wait, in memory."""

from collections.abc import Sequence
from datetime import datetime

from shared.sending.receipts import Waiting


class MemoryReceipts:
    """See `shared.sending.receipts.ReceiptStore`."""

    def __init__(self) -> None:
        self.waiting: dict[str, Waiting] = {}

    async def keep(self, waiting: Waiting) -> None:
        self.waiting[waiting.id] = waiting

    async def due(self, shard: int | None, now: datetime, limit: int) -> Sequence[Waiting]:
        due = [w for w in self.waiting.values() if shard in {None, w.shard} and w.due_at < now]
        return sorted(due, key=lambda w: w.due_at)[:limit]

    async def forget(self, waiting: Waiting) -> None:
        self.waiting.pop(waiting.id, None)
