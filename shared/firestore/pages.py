"""The beginning of what Firestore has, as much of it as a page holds: records differ in size by a factor of a thousand.

What is beyond a page is not read: the call is cancelled where its bytes are enough.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from shared.firestore.rpc import Rpc

PAGE_BYTES = 1024 * 1024  # of records, as Firestore sends them; Firestore's largest record has about as many


async def first(rpc: Rpc, query: Any, limit: int) -> tuple[Sequence[Any], bool]:
    """The first Documents of a query for `limit` + 1: one at least if there are any, and whether there are more."""
    found = await rpc.run_query(query, PAGE_BYTES)
    more = len(found) > limit or _too_many(found)
    return found[:-1] if more else found, more


async def first_groups(rpc: Rpc, groups: Sequence[Sequence[str]]) -> tuple[Mapping[str, Any], int]:
    """The Documents that exist of the first groups of names, by name: of one group at least; and of how many.

    Firestore answers in any order. So what turns out to be too much is asked for again, of as many groups as will do.
    """
    most = len(groups)
    while True:
        names = [name for group in groups[:most] for name in group]
        if not names:
            return {}, most
        found = await rpc.batch_get(names, PAGE_BYTES if most > 1 else None)
        if most <= 1 or not _too_many(list(found.values())):
            return found, most
        each = _bytes(found.values()) / len(found) * len(names) / most
        most = max(1, min(most // 2, int(PAGE_BYTES / each)))


def _too_many(documents: Sequence[Any]) -> bool:
    return len(documents) > 1 and _bytes(documents) > PAGE_BYTES


def _bytes(documents: Any) -> int:
    return sum(document.ByteSize() for document in documents)
