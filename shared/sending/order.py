"""The orders that deliveries with one ordering key are in: each names the one that it follows.

One that ended without an attempt (cancelled, superseded, expired, not needed) had perhaps not had its turn: whoever
follows it is behind the one that it followed, and so on back to one that had its turn, or that waits itself.
"""

from collections.abc import Sequence
from dataclasses import replace

from shared.delivery.gate import Facts
from shared.delivery.model import Delivery
from shared.delivery.store import Store

_MOST = 1000  # of those without a turn, in a row


async def with_its_turn(store: Store, facts: Facts) -> Facts:
    """`before` is the one that the delivery is behind. Raises StoreUnavailable."""
    before = facts.before
    for _ in range(_MOST):
        if before is None or not before.ended_untried or before.follows is None:
            return facts if before is facts.before else replace(facts, before=before)
        loaded = await store.load(before.follows, before.channel)
        before = None if loaded is None else loaded[1]
    return replace(facts, before=before, out_of_sight=True)


async def next_in_line(store: Store, ended: Delivery) -> Sequence[Delivery]:
    """Those that may be behind this one, and have not ended. Raises StoreUnavailable."""
    waiting: list[Delivery] = []
    line = [ended]
    for _ in range(_MOST):
        if not line:
            break
        following = await store.followers(line.pop())
        waiting += [delivery for delivery in following if delivery.pending]
        line += [delivery for delivery in following if delivery.ended_untried]
    return waiting
