"""What every store of lists promises, in memory and on Firestore's emulator."""

import uuid
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from shared.delivery.errors import AlreadyExists, Conflict, NotFound
from shared.delivery.model import Recipient
from shared.delivery.store import Store
from shared.google.firestore import rpc
from shared.google.firestore.list_store import FirestoreLists
from shared.google.firestore.store import FirestoreStore
from shared.people.lists import KEPT, ListStore, Member, RecipientList, Span, added, removed
from tests.contract import stores
from tests.fakes.clock import START
from tests.fakes.lists import MemoryLists
from tests.fakes.store import MemoryStore


@pytest.fixture(params=["memory", "firestore", "embedded"])
async def both(request: pytest.FixtureRequest) -> AsyncIterator[tuple[ListStore, Store]]:
    """The lists, and the store of the recipients."""
    if request.param == "memory":
        recipients = MemoryStore()
        yield MemoryLists(recipients), recipients
        return
    async with stores.firestore_of(request) as host, rpc.connect(host) as channel:
        calls = rpc.Rpc(channel, f"projects/t-{uuid.uuid4().hex[:20]}/databases/(default)", emulated=True)
        yield FirestoreLists(calls), FirestoreStore(calls)


@pytest.fixture
def lists(both: tuple[ListStore, Store]) -> ListStore:
    return both[0]


def a_list(name: str, list_id: str = "id") -> RecipientList:
    return RecipientList(name, list_id, START, START, "of a test")


async def a_member(lists: ListStore, recipient: str, list_id: str = "id") -> None:
    assert await lists.put_members(list_id, [added(None, recipient, START)]) == [True]


async def read_list(lists: ListStore, name: str) -> RecipientList:
    found = await lists.recipient_list(name)
    assert found is not None
    return found


async def names(lists: ListStore, list_id: str = "id", **asked: str) -> list[str]:
    """Of all pages."""
    found, after = list[str](), None
    while True:
        page = await lists.members(list_id, limit=2, after=after, **asked)
        found += [member.recipient for member in page.items]
        if page.next is None:
            return found
        after = page.next


async def test_a_list_is_put_read_changed_and_deleted(lists: ListStore) -> None:
    assert await lists.recipient_list("a") is None
    await lists.put_list(a_list("a"))
    made = await read_list(lists, "a")
    assert replace(made, version=None) == a_list("a")
    with pytest.raises(AlreadyExists):
        await lists.put_list(a_list("a", "another"))
    await lists.put_list(replace(made, description=""))
    changed = await read_list(lists, "a")
    assert changed.description == ""
    for late in (lists.put_list(replace(made, description="late")), lists.delete_list(made)):
        with pytest.raises(Conflict):
            await late
    await lists.delete_list(changed)
    assert await lists.recipient_list("a") is None
    for late in (lists.put_list(changed), lists.delete_list(changed)):
        with pytest.raises((NotFound, Conflict)):
            await late


async def test_lists_are_in_the_order_of_their_names(lists: ListStore) -> None:
    for name in ("b", "a", "team-2", "team-1", "c"):
        await lists.put_list(a_list(name, f"id of {name}".replace(" ", "-")))
    page = await lists.lists(limit=2, after=None)
    assert ([each.name for each in page.items], page.next) == (["a", "b"], "b")
    page = await lists.lists(limit=9, after=page.next)
    assert ([each.name for each in page.items], page.next) == (["c", "team-1", "team-2"], None)
    page = await lists.lists(limit=1, after=None, prefix="team-")
    assert ([each.name for each in page.items], page.next) == (["team-1"], "team-1")


async def test_members_are_of_their_list_alone_in_the_order_of_their_names(lists: ListStore) -> None:
    await lists.put_list(a_list("id"))  # a list may have the name that another has for its id
    for name in ("bob", "alice", "team-b", "team-a", "carol@example.com"):
        await a_member(lists, name)
    await a_member(lists, "mallory", "id2")
    await a_member(lists, "mallory", "i")
    assert await names(lists) == ["alice", "bob", "carol@example.com", "team-a", "team-b"]
    assert await names(lists, prefix="team-") == ["team-a", "team-b"]
    assert await names(lists, "id2") == ["mallory"]
    assert await names(lists, "nothing") == []


async def test_who_has_left_is_still_read(lists: ListStore) -> None:
    await a_member(lists, "alice")
    _, found = await lists.candidates("id", ["alice", "bob"])
    assert list(found) == ["alice"]
    left = removed(found["alice"], START + KEPT / 9)
    assert await lists.put_members("id", [left]) == [True]
    (read,) = (await lists.members("id", limit=9, after=None)).items
    assert replace(read, version=None) == replace(left, version=None)
    again = added(read, "alice", START + KEPT / 3)
    assert await lists.put_members("id", [again]) == [True]
    (read,) = (await lists.members("id", limit=9, after=None)).items
    spans = (Span(START, START + KEPT / 9), Span(START + KEPT / 3))
    assert (read.spans, read.expire_at) == (spans, None)


async def test_each_is_written_for_itself(lists: ListStore) -> None:
    await a_member(lists, "bob")
    many = [added(None, name, START) for name in ("alice", "bob", "carol")]
    assert list(await lists.put_members("id", many)) == [True, False, True]
    assert list(await lists.put_members("id", [Member("dora", (Span(START),), version=1000)])) == [False]
    assert list(await lists.put_members("id", [])) == []
    assert await names(lists) == ["alice", "bob", "carol"]


async def test_five_hundred_go_at_once(lists: ListStore) -> None:
    many = [added(None, f"r{number:03}", START) for number in range(500)]
    assert await lists.put_members("id", many) == [True] * 500
    page = await lists.members("id", limit=500, after=None)
    assert ([member.recipient for member in page.items], page.next) == ([member.recipient for member in many], None)


async def test_who_can_be_added_is_a_recipient_and_not_erased(both: tuple[ListStore, Store]) -> None:
    lists, recipients = both
    for name in ("alice", "bob"):
        await recipients.create_recipient(Recipient(name, {"sms": "+14155552671"}, START, START))
    bob = await recipients.recipient("bob")
    assert bob is not None
    await recipients.replace_recipient(replace(bob, erased_at=START))
    await a_member(lists, "bob")
    there, members = await lists.candidates("id", ["alice", "bob", "carol"])
    assert there == {"alice"}
    assert list(members) == ["bob"]


async def test_nobody_can_tell_any_more_that_somebody_was_in_a_list(lists: ListStore) -> None:
    for list_id in ("first", "second"):
        await lists.put_list(RecipientList(list_id, list_id, START, START))
        await lists.put_members(list_id, [added(None, name, START) for name in ("alice", "bob")])
    await lists.forget("alice")
    await lists.forget("nobody")
    for list_id in ("first", "second"):
        page = await lists.members(list_id, limit=9, after=None)
        assert [member.recipient for member in page.items] == ["bob"]
