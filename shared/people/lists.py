"""Lists of recipients, and who was in one at a time.

A broadcast's audience is who was in its list when it began. So a member's record says from when to when it was one, and
whoever leaves stays on record, as one that has left, until no broadcast can ask any more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from shared.delivery.store import Page

KEPT = timedelta(days=60)  # what has ended: longer than any broadcast takes
MOST_SPANS = 100  # of a member; who comes and goes more often has the last ones


@dataclass(frozen=True, slots=True)
class RecipientList:
    """id: its members are kept under it; another list of the same name has another, so it has none of them

    version: of the record as read
    """

    name: str
    id: str
    created_at: datetime
    updated_at: datetime
    description: str = ""
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """end: that moment is no longer within; None: it goes on"""

    start: datetime
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """spans: in their order, when it was one; the last may go on

    expire_at: of a record that nobody asks any more; version: of the record as read
    """

    recipient: str
    spans: tuple[Span, ...]
    expire_at: datetime | None = None
    version: int | None = None

    @property
    def is_in(self) -> bool:
        return bool(self.spans) and self.spans[-1].end is None

    @property
    def added_at(self) -> datetime:
        """The last time."""
        return self.spans[-1].start

    def in_audience(self, at: datetime) -> bool:
        """Whether it was in the list at that moment."""
        return any(span.start <= at and (span.end is None or at < span.end) for span in self.spans)


def added(member: Member | None, recipient: str, now: datetime) -> Member:
    """member: as on record, if it is. The same if it is in already."""
    if member is None:
        return Member(recipient, (Span(now),))
    if member.is_in:
        return member
    return replace(member, spans=(*_asked_still(member.spans, now), Span(now)), expire_at=None)


def removed(member: Member, now: datetime) -> Member:
    """The same if it has left already."""
    if not member.is_in:
        return member
    # Another instance's clock may be ahead: no span ends before it began.
    ended = replace(member.spans[-1], end=max(now, member.added_at))
    return replace(member, spans=_asked_still((*member.spans[:-1], ended), now), expire_at=now + KEPT)


def _asked_still(spans: Sequence[Span], now: datetime) -> tuple[Span, ...]:
    kept = [span for span in spans if span.end is None or span.end > now - KEPT]
    return tuple(kept[-MOST_SPANS + 1 :])


class ListStore(Protocol):
    """Any method may raise StoreUnavailable; a write may have landed all the same."""

    async def recipient_list(self, name: str) -> RecipientList | None: ...

    async def put_list(self, wanted: RecipientList) -> None:
        """Write it at the version as read, None: there was none. Raises AlreadyExists, Conflict, NotFound."""
        ...

    async def delete_list(self, there: RecipientList) -> None:
        """At the version as read; its members stay, under its id. Raises Conflict, NotFound."""
        ...

    async def lists(self, *, limit: int, after: str | None, prefix: str = "") -> Page[RecipientList, str]:
        """By name, those after `after` whose names begin with `prefix`."""
        ...

    async def candidates(self, list_id: str, names: Sequence[str]) -> tuple[frozenset[str], Mapping[str, Member]]:
        """In one read: which of these are recipients, and not erased, and which are or were members, by name.

        A recipient that cannot be read is one; raises UnreadableRecord for a member.
        """
        ...

    async def put_members(self, list_id: str, members: Sequence[Member]) -> Sequence[bool]:
        """Each for itself (500 at most), at the version as read, None: there was none. Whether it was written, or
        another was faster.
        """
        ...

    async def forget(self, recipient: str) -> None:
        """Delete what stands of them in each list that there is: nobody can tell any more that they were in it."""
        ...

    async def members(self, list_id: str, *, limit: int, after: str | None, prefix: str = "") -> Page[Member, str]:
        """By name, those that have left too, after `after` and whose names begin with `prefix`."""
        ...
