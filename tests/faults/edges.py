"""The edges between a delivery's states, as shared/state.py and shared/receipts.py draw them."""

from functools import cache

EDGES = {
    "queued": {"sending", "dead"},
    "sending": {"sending", "sent", "failed", "dead", "retrying", "deferred", "delivered"},
    "retrying": {"sending", "dead", "delivered"},
    "deferred": {"sending", "dead", "delivered"},
    "sent": {"delivered", "undelivered"},
    "delivered": {"undelivered"},  # SendGrid's bounce after its delivered
    "undelivered": {"delivered"},  # Twilio's delivered after its undelivered
    "failed": {"delivered"},  # an earlier attempt that nobody knew of had arrived
    "dead": {"queued", "discarded", "delivered"},
    "discarded": set[str](),
}
TERMINAL = frozenset({"sent", "delivered", "undelivered", "failed", "dead", "discarded", "expired", "cancelled"})


@cache
def reachable(before: str, after: str) -> bool:
    """Whether one can come of the other: who looks now and then misses what was between. The relay's touch stays."""
    if before == after:
        return True
    seen, waiting = set[str](), [before]
    while waiting:
        for state in EDGES[waiting.pop()] - seen:
            seen.add(state)
            waiting.append(state)
    return after in seen
