"""Whether the machine gave a run its time, measured beside it by work of its own: whatever the system does, hung or
not, changes nothing of it. So a message that is late because nobody could run is told from one that is lost.
"""

import asyncio
import hashlib
import math
import time
from collections.abc import Sequence

from tests.faults.histories import Event, History

_PAUSE_SECONDS = 0.5
_WORK = bytes(16_000_000)  # to be hashed: some ten milliseconds where nobody else wants the core
_QUICKEST_SECONDS = 0.005  # below, the clock and the threads count for more than the work
_MOST_TIMES = 5  # as long as its quickest: a process that works has less than a fifth of a core
_MOST_LATE_SECONDS = 1.0  # a sleep that ends so late: nothing ran, or all waited for the disk
STARVED_SHARE = 0.25  # of a run's looks: on a machine of its own it is one in a hundred


class Machine:
    """`looks`: {"at", "took": seconds since the last look, "worked": for the piece of work, "late": of a sleep}."""

    def __init__(self, history: History) -> None:
        self.looks: list[Event] = []
        self._history = history

    async def watch(self) -> None:
        """Until cancelled."""
        clock = time.monotonic
        while True:
            began = clock()
            await asyncio.sleep(_PAUSE_SECONDS)
            woke = clock()
            await asyncio.to_thread(hashlib.sha256, _WORK)
            ended = clock()
            look = {"took": ended - began, "worked": ended - woke, "late": woke - began - _PAUSE_SECONDS}
            self.looks.append({"at": time.time(), **look})
            self._history.append(**look)


def seconds_given(looks: Sequence[Event], since: float = 0.0) -> float:
    """Of the time after `since`, seconds since 1970: those in which the machine was not starved."""
    quickest = _quickest(looks)
    return math.fsum(look["took"] for look in looks if look["at"] >= since and not _starved(look, quickest))


def starved_share(looks: Sequence[Event]) -> float:
    """Of all the time."""
    took = math.fsum(look["took"] for look in looks)
    return 1 - seconds_given(looks) / took if took else 0.0


def _quickest(looks: Sequence[Event]) -> float:
    return max(min((look["worked"] for look in looks), default=0.0), _QUICKEST_SECONDS)


def _starved(look: Event, quickest: float) -> bool:
    return bool(look["worked"] > _MOST_TIMES * quickest or look["late"] > _MOST_LATE_SECONDS)
