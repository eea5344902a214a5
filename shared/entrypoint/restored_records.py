"""Records that were restored from a backup send nothing until somebody has looked at them.

What was sent after the backup is still pending in it, and would be sent again. So whoever restores sets another EPOCH:
the copy has the old one, and is held back until `python -m functions.relay adopt-epoch` has written the new one.
Without EPOCH nothing of this is asked.
"""

import time
from collections.abc import Awaitable, Callable

from shared.entrypoint.startup import open_rpc
from shared.google.firestore.epoch_record import EpochRecord
from shared.runtime.logs import get_logger
from shared.runtime.settings import CoreSettings

log = get_logger(__name__)

LOOK_AGAIN = 5.0  # seconds, while they are held back


class RestoredRecords:
    """Whether the records are of another epoch than this deployment. Asked once, and again only while they are."""

    def __init__(
        self, epoch: str, read: Callable[[], Awaitable[str | None]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._epoch = epoch
        self._read = read
        self._clock = clock
        self._held: str | None = None
        self._next_look = 0.0
        self._ours = False

    async def why_held(self) -> str | None:
        """In words, None when nothing is held back. Raises StoreUnavailable."""
        if self._ours or self._clock() < self._next_look:
            return self._held
        there = await self._read()
        self._ours = there == self._epoch
        self._next_look = self._clock() + LOOK_AGAIN
        self._held = None if self._ours else _said(there, self._epoch)
        if self._held is not None:
            log.error("nothing is sent", reason=self._held)
        return self._held


def _said(there: str | None, wanted: str) -> str:
    of = "no epoch" if there is None else f"the epoch {there}"
    return (
        f"the records are of {of}, EPOCH is {wanted}: python -m functions.relay adopt-epoch lets what is pending go, "
        "or cancels it"
    )


def restored_records(settings: CoreSettings) -> RestoredRecords | None:
    """None without EPOCH. Called within the running loop."""
    if settings.epoch is None:
        return None
    return RestoredRecords(settings.epoch, EpochRecord(open_rpc(settings)).read)
