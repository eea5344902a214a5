"""A list that was deleted is cleared, and no other."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from shared.people.lists import KEPT, Member, RecipientList, added, removed
from shared.sending import clearing_lists
from shared.sending.clearing_lists import CLEAR_LIST, ClearingLists, clearing
from shared.sending.operations import AGAIN, Operation, OperationState, Worker
from tests.fakes.clock import START, Clock
from tests.fakes.lists import MemoryLists
from tests.fakes.operations import MemoryOperations
from tests.fakes.store import MemoryStore


@pytest.fixture
def lists(store: MemoryStore) -> MemoryLists:
    return MemoryLists(store)


async def worked_off(lists: MemoryLists) -> Operation:
    clock, operations = Clock(), MemoryOperations()
    there = RecipientList("news", "id", START, START)
    await operations.create(clearing("o", "c", there, START))
    clock.advance(AGAIN + timedelta(seconds=1))
    await Worker({CLEAR_LIST: ClearingLists(lists)}, operations, clock.now).sweep(60)
    return operations.records["o"]


async def filled(lists: MemoryLists) -> None:
    await lists.put_members("id", [added(None, f"r{number}", START) for number in range(7)])
    await lists.put_members("id", [removed(added(None, "s", START), START)])
    await lists.put_members("another", [added(None, "r1", START)])


async def test_its_members_expire_and_its_audience_can_be_read_until_then(
    lists: MemoryLists, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clearing_lists, "PAGE", 3)
    await filled(lists)
    done = await worked_off(lists)
    assert (done.state, done.counts) == (OperationState.DONE, {"cleared": 7})
    assert {member.expire_at for member in lists.by_list["id"].values()} == {START + KEPT}
    assert sum(member.in_audience(START) for member in lists.by_list["id"].values()) == 7
    assert lists.by_list["another"]["r1"].expire_at is None


async def test_one_that_is_there_was_not_deleted(lists: MemoryLists) -> None:
    await filled(lists)
    await lists.put_list(RecipientList("news", "id", START, START))
    done = await worked_off(lists)
    assert (done.state, done.counts) == (OperationState.DONE, {})
    assert lists.by_list["id"]["r1"].expire_at is None


async def test_one_that_was_made_anew_meanwhile_is_another(lists: MemoryLists) -> None:
    await filled(lists)
    await lists.put_list(RecipientList("news", "another", START, START))
    assert (await worked_off(lists)).counts == {"cleared": 7}
    assert lists.by_list["another"]["r1"].expire_at is None


async def test_a_member_that_is_written_meanwhile_is_looked_at_again(
    lists: MemoryLists, monkeypatch: pytest.MonkeyPatch
) -> None:
    await filled(lists)
    real, late = lists.put_members, iter([True])

    async def put(list_id: str, members: Sequence[Member]) -> Sequence[bool]:
        if next(late, False):
            await real(list_id, [removed(lists.by_list["id"]["r3"], START)])
        return await real(list_id, members)

    monkeypatch.setattr(lists, "put_members", put)
    done = await worked_off(lists)
    assert (done.state, done.counts) == (OperationState.DONE, {"cleared": 6})
    assert {member.expire_at for member in lists.by_list["id"].values()} == {START + KEPT}
