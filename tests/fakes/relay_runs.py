"""When the relay last ran, in memory."""

import asyncio
from datetime import datetime

from shared.delivery.errors import StoreUnavailable


class MemoryRelayRuns:
    """See `shared.sending.relay_runs.RelayRuns`. down: no call works"""

    def __init__(self) -> None:
        self.at: datetime | None = None
        self.down = False

    async def last(self) -> datetime | None:
        await self._asked()
        return self.at

    async def ran(self, at: datetime) -> None:
        await self._asked()
        self.at = at

    async def _asked(self) -> None:
        await asyncio.sleep(0)
        if self.down:
            raise StoreUnavailable("down")
