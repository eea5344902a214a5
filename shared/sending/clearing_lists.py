"""Clearing a list that was deleted: its members' records go when no broadcast can ask for them any more.

The operation is on record before the list is deleted. What if the process dies between the two: the list is there, and
the operation finds that and does nothing.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from shared.people.lists import KEPT, ListStore, RecipientList
from shared.sending.operations import Operation, OperationState, begun

CLEAR_LIST = "clear_list"
PAGE = 200


def clearing(operation_id: str, caller_id: str, there: RecipientList, now: datetime) -> Operation:
    """A new one."""
    return begun(operation_id, CLEAR_LIST, caller_id, {"list": there.name, "list_id": there.id}, now)


@dataclass(frozen=True, slots=True)
class ClearingLists:
    """counts: `cleared`, members' records; after: the last member of the page before"""

    lists: ListStore

    async def page(self, operation: Operation) -> Operation:
        """A member that somebody else writes meanwhile is looked at again: the page then is the next one, too."""
        list_id = operation.about["list_id"]
        there = await self.lists.recipient_list(operation.about["list"])
        if there is not None and there.id == list_id:
            return replace(operation, state=OperationState.DONE)  # it was not deleted
        page = await self.lists.members(list_id, limit=PAGE, after=operation.after)
        expire_at = operation.created_at + KEPT
        staying = [replace(member, expire_at=expire_at) for member in page.items if member.expire_at is None]
        written = await self.lists.put_members(list_id, staying)
        counts = {"cleared": operation.counts.get("cleared", 0) + sum(written)}
        if not all(written):
            return replace(operation, counts=counts)
        ended = OperationState.DONE if page.next is None else operation.state
        return replace(operation, counts=counts, after=page.next, state=ended)
