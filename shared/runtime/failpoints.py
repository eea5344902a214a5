"""Named places where a process can be made to die, for the fault harness (`tests/faults/`).

HARK_FAIL_AT=name:n kills the process with SIGKILL when it comes there for the n-th time; several, with commas between,
each count for themselves. Not set, which is everywhere else, a place costs 0.05 µs.
"""

import os
import signal
import time
from collections import Counter
from collections.abc import Mapping
from enum import StrEnum


class Failpoint(StrEnum):
    """After what it dies."""

    VALIDATED = "gateway.validated"  # a request that can be accepted; nothing is written
    COMMITTED = "gateway.committed"  # on record, not published
    PUBLISHED = "gateway.published"  # published, not answered
    ANSWERED = "gateway.answered"  # the 202 is with the client
    MARKED = "gateway.marked"  # a notification is marked as cancelled, and none of its deliveries is
    ACTED = "gateway.acted"  # what an operator asked for is done, and neither in the audit log nor answered
    CANCELLED = "gateway.cancelled"  # those are, and the request is not answered
    BROADCAST = "operation.broadcast"  # a page of a broadcast is accepted, and the operation does not say so
    REPLAYED = "operation.replayed"  # a page of dead letters is queued, and neither published nor counted
    PAGED = "operation.paged"  # one page of it is worked off
    RECEIVED = "function.received"  # a push, with nothing done yet
    NOT_LET = "function.not_let"  # the gate's answer is on record, and what waited for the delivery is not published
    PROBING = "function.probing"  # the one probe of a provider that is down is ours, nothing is claimed
    FAILED_OVER = "function.failed_over"  # why another provider gets what one may have is on record, nothing is sent
    CLAIMED = "function.claimed"  # the lease is on record, nothing is sent
    REQUEST_SENT = "function.request_sent"  # the provider has the request, we have no answer (providers over HTTP)
    SUPPRESSED = "function.suppressed"  # the address is suppressed, and the outcome that said so is not on record
    ACCEPTED = "function.accepted"  # the provider has answered, nothing is on record
    RECORDED = "function.recorded"  # the outcome is on record, the push not answered
    NOTED = "events.noted"  # a change and its event are on record, the event is not published
    TOLD = "events.told"  # it is published, and the record does not say so
    FANNED_OUT = "events.fanned_out"  # its deliveries to endpoints are on record, and not published
    ACKED = "function.acked"  # the push is answered
    MOVED = "relay.moved"  # due times are moved on, nothing is published
    PUBLISHED_ON_TIME = "relay.published_on_time"  # some of what it has looked ahead at
    REPUBLISHED = "relay.republished"
    APPLIED = "receipts.applied"  # a receipt is on record, the provider has no answer
    DEAD_LETTERED = "dead_letter.recorded"


_deaths: Mapping[str, int] = {}
_times: Counter[str] = Counter()


def parse(setting: str) -> dict[str, int]:
    """How often a place is passed before the process dies there, by its name. Raises ValueError."""
    deaths = {}
    for part in setting.split(","):
        name, _, times = part.partition(":")
        if name not in set(Failpoint) or not times.isdecimal() or int(times) < 1:
            raise ValueError(f"must be name:n with one of {', '.join(Failpoint)}")
        deaths[name] = int(times)
    return deaths


def checked(setting: str | None) -> str | None:
    """The setting as it is. Raises ValueError."""
    if setting:
        parse(setting)
    return setting


def arm(setting: str | None) -> None:
    """Called once by each composition root."""
    global _deaths  # noqa: PLW0603 - as global as the process that it kills
    _deaths = parse(setting) if setting else {}
    _times.clear()


def armed(point: Failpoint) -> bool:
    """For a place that costs something to watch."""
    return point in _deaths


def reached(point: Failpoint) -> None:
    """The process is there now; it may be its end."""
    if not _deaths:
        return
    _times[point] += 1
    if _times[point] == _deaths.get(point):
        os.write(2, f'{{"message": "failpoint", "name": "{point}", "time": {time.time()}}}\n'.encode())
        os.kill(os.getpid(), signal.SIGKILL)
