"""Lists of recipients in memory, as strict as Firestore about versions."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import TypeVar

from shared.delivery.errors import AlreadyExists, Conflict, NotFound
from shared.delivery.store import Page
from shared.people.lists import Member, RecipientList
from tests.fakes.store import MemoryStore

T = TypeVar("T")


class MemoryLists:
    """See `shared.people.lists.ListStore`. store: that of the recipients"""

    def __init__(self, store: MemoryStore) -> None:
        self.records: dict[str, RecipientList] = {}
        self.by_list: dict[str, dict[str, Member]] = {}
        self._store = store
        self._versions = count(1_767_323_045_678_901_000, 1_000)

    async def recipient_list(self, name: str) -> RecipientList | None:
        await asyncio.sleep(0)
        return self.records.get(name)

    async def put_list(self, wanted: RecipientList) -> None:
        await asyncio.sleep(0)
        if wanted.version is None and wanted.name in self.records:
            raise AlreadyExists(wanted.name)
        if wanted.version is not None:
            self._check(wanted)
        self.records[wanted.name] = replace(wanted, version=next(self._versions))

    async def delete_list(self, there: RecipientList) -> None:
        await asyncio.sleep(0)
        self._check(there)
        del self.records[there.name]

    async def lists(self, *, limit: int, after: str | None, prefix: str = "") -> Page[RecipientList, str]:
        await asyncio.sleep(0)
        return _page(self.records, limit, after, prefix)

    async def candidates(self, list_id: str, names: Sequence[str]) -> tuple[frozenset[str], Mapping[str, Member]]:
        await asyncio.sleep(0)
        there = {name: self._store.recipient_now(name) for name in names}
        members = self.by_list.get(list_id, {})
        return (
            frozenset(name for name, recipient in there.items() if recipient and recipient.erased_at is None),
            {name: members[name] for name in names if name in members},
        )

    async def put_members(self, list_id: str, members: Sequence[Member]) -> Sequence[bool]:
        await asyncio.sleep(0)
        there = self.by_list.setdefault(list_id, {})
        written = []
        for member in members:
            known = there.get(member.recipient)
            good = member.version == (None if known is None else known.version)
            written.append(good)
            if good:
                there[member.recipient] = replace(member, version=next(self._versions))
        return written

    async def forget(self, recipient: str) -> None:
        await asyncio.sleep(0)
        for there in self.records.values():
            self.by_list.get(there.id, {}).pop(recipient, None)

    async def members(self, list_id: str, *, limit: int, after: str | None, prefix: str = "") -> Page[Member, str]:
        await asyncio.sleep(0)
        return _page(self.by_list.get(list_id, {}), limit, after, prefix)

    def _check(self, known: RecipientList) -> None:
        there = self.records.get(known.name)
        if there is None:
            raise NotFound(known.name)
        if there.version != known.version:
            raise Conflict(known.name)


def _page(records: Mapping[str, T], limit: int, after: str | None, prefix: str) -> Page[T, str]:
    names = sorted(name for name in records if name.startswith(prefix) and (after is None or name > after))
    return Page([records[name] for name in names[:limit]], names[limit - 1] if len(names) > limit else None)
