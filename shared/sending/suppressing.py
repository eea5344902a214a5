"""Putting on record that nothing, or not everything, is sent to an address any more; and lifting it.

What if the process dies: whoever reported it has no answer and reports it again, and the same word twice is one.
"""

from collections.abc import Callable

from shared.delivery.errors import AlreadyExists, Conflict, NotFound, StoreUnavailable
from shared.people.people_store import PeopleStore
from shared.people.suppression import Entry, Suppression

_TRIES = 10  # that others are faster than


async def suppress(people: PeopleStore, channel: str, suppression_id: str, entry: Entry) -> Suppression:
    """As it is on record then. Raises StoreUnavailable."""
    return await change(people, channel, suppression_id, lambda there: there.with_entry(entry))


async def change(
    people: PeopleStore, channel: str, suppression_id: str, wanted: Callable[[Suppression], Suppression]
) -> Suppression:
    """The record as `wanted` makes it of what there is. Raises StoreUnavailable, also when others are always faster."""
    for _ in range(_TRIES):
        there = await people.suppression(channel, suppression_id) or Suppression(suppression_id, channel)
        changed = wanted(there)
        if changed == there:
            return there
        try:
            await people.put_suppression(changed)
        except (Conflict, AlreadyExists, NotFound):
            continue
        return changed
    raise StoreUnavailable("others are always faster with this suppression")
