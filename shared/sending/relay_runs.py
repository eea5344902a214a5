"""When the relay last ran, so that somebody can tell that it does not: nothing else shows it while nothing is due."""

from datetime import datetime
from typing import Protocol


class RelayRuns(Protocol):
    """Any method may raise StoreUnavailable; a write may have landed all the same."""

    async def last(self) -> datetime | None:
        """When the relay had last looked through all that is overdue. None: it never has."""
        ...

    async def ran(self, at: datetime) -> None:
        """Two relays at once write about the same time, so it does not matter who is last."""
        ...
