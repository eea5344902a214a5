"""The beginning of what Firestore has, as much of it as a page holds: records differ in size by a factor of a thousand.

What is beyond a page is not read: the call is cancelled where its bytes are enough. What Firestore has made ready by
then is work for nothing, so a query asks for a few first. 100 records of 200 kB, of which 6 were read, took the
emulator 130 ms of CPU, and 11 took 30 ms (2026-11).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from shared.google.firestore import queries
from shared.google.firestore.records import readable
from shared.google.firestore.rpc import Rpc

T = TypeVar("T")

FIRST = 16  # documents that a query asks for before it asks for the rest
PAGE_BYTES = 1024 * 1024  # of records, as Firestore sends them; Firestore's largest record has about as many


async def first(rpc: Rpc, query: Any, limit: int, parent: str | None = None) -> tuple[Sequence[Any], bool]:
    """The first Documents that the query finds, at most `limit` (one or more), and whether there are more.

    parent: as of `Rpc.run_query`
    """
    query.limit.value = min(FIRST, limit + 1)
    found = await rpc.run_query(query, PAGE_BYTES, parent)
    if len(found) == FIRST <= limit and not _too_many(found):
        query.limit.value = limit + 1 - FIRST
        rest = await rpc.run_query(queries.following(query, found[-1]), PAGE_BYTES - _bytes(found), parent)
        found = [*found, *rest]
    # The last one may be beyond the page by its bytes, or by the limit.
    more = len(found) > limit or _too_many(found)
    return found[:-1] if more else found, more


async def first_readable(rpc: Rpc, query: Any, limit: int, read: Callable[[Any], T]) -> list[T]:
    """The first `limit` that can be read of what the query finds, as `read` reads them. However many there are that
    cannot, and stay, those behind them are found.
    """
    found: list[T] = []
    while True:
        query.limit.value = asked = limit - len(found)
        documents = await rpc.run_query(query)
        found += readable(documents, read)
        if len(documents) < asked or len(found) == limit:
            return found
        query = queries.following(query, documents[-1])


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
