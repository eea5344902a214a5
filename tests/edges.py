"""The edges between a delivery's states, as state_machine.py and receipts.py of shared/ draw them."""

from functools import cache

from shared.delivery.model import PENDING
from shared.delivery.model import DeliveryStatus as S

NOT_SENT = {S.CANCELLED, S.EXPIRED, S.SUPERSEDED}
"""The gate's no, or that of whoever cancels, supersedes or finds its time past."""
EDGES = {
    S.SCHEDULED: {S.SCHEDULED, S.DEFERRED, S.SENDING, S.DEAD, *NOT_SENT},
    S.QUEUED: {S.DEFERRED, S.SCHEDULED, S.SENDING, S.DEAD, *NOT_SENT},
    S.SENDING: {S.SUPPRESSED, S.SENDING, S.SENT, S.FAILED, S.DEAD, S.RETRYING, S.DEFERRED, *NOT_SENT},
    S.RETRYING: {S.SENDING, S.DEAD, *NOT_SENT},
    S.DEFERRED: {S.DEFERRED, S.SCHEDULED, S.SENDING, S.DEAD, *NOT_SENT},
    S.DEAD: {S.QUEUED, S.DISCARDED},
    S.FAILED: {S.QUEUED},  # replayed by name
    S.SENT: {S.DELIVERED, S.UNDELIVERED},
    S.DELIVERED: {S.UNDELIVERED},  # SendGrid's bounce after its delivered
    S.UNDELIVERED: {S.DELIVERED},  # Twilio's delivered after its undelivered
}
"""The relay's touch changes no state."""
ARRIVED_AFTER_ALL = {S.SCHEDULED, S.QUEUED, S.SENDING, S.RETRYING, S.DEFERRED, S.DEAD, S.FAILED}
"""What a receipt makes `delivered` if an attempt ended unknown."""
TERMINAL = frozenset(S) - PENDING


@cache
def reachable(before: str, after: str) -> bool:
    """Whether one can come of the other: who looks now and then misses what was between."""
    if before == after:
        return True
    seen, waiting = set[S](), [S(before)]
    while waiting:
        state = waiting.pop()
        following = EDGES.get(state, set()) | ({S.DELIVERED} if state in ARRIVED_AFTER_ALL else set())
        waiting += following - seen
        seen |= following
    return after in seen
