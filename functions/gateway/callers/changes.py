"""Making, showing and changing callers: what a manager may do, and how each change keeps to it.

A caller that may do more than the manager is not there for it: not found, not listed, not named. Each write says of the
manager's record what it says of the changed one, that it is as it was read; so no manager that has been revoked or
narrowed meanwhile writes anything, and once one is revoked, all that it made is on record.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from functions.gateway.access import api_keys
from functions.gateway.access.caller import KEY_KINDS, Caller, exceeds
from functions.gateway.access.scopes import forbidden
from functions.gateway.services import Gateway
from functions.gateway.web.problem_details import Problem, others_are_faster
from shared.delivery.errors import AlreadyExists, Conflict
from shared.delivery.store import Page
from shared.google.firestore.pages import PAGE_BYTES
from shared.runtime.logs import get_logger

log = get_logger(__name__)

PAGE = 200  # records read at a time
_TRIES = 5


@dataclass(slots=True)
class Manager:
    """Who manages callers in one request.

    caller: as last read; again: reads it again, and raises Problem when it may not manage callers any more
    """

    gateway: Gateway
    caller: Caller
    again: Callable[[], Awaitable[Caller]]

    def sees(self, caller: Caller) -> bool:
        return exceeds(caller, self.caller) is None

    async def read(self, caller_id: str) -> Caller:
        """Problem 404, the same for one that may do more and for none."""
        if caller_id == self.caller.id:
            return self.caller
        found = await self.gateway.callers.read([caller_id]) if api_keys.is_caller_id(caller_id) else {}
        if caller_id not in found or not self.sees(found[caller_id]):
            raise Problem(404, "there is no such caller")
        return found[caller_id]

    async def page(self, limit: int, after: str | None) -> Page[Caller, str]:
        """Callers that it sees, by id. It reads past those that it does not see: a page that ended at one would tell
        its id.
        """
        seen: list[Caller] = []
        size, more = limit + 1, True  # enough for one that sees them all
        while more and len(seen) <= limit and sum(map(_length, seen)) < PAGE_BYTES:
            found = await self.gateway.callers.callers(limit=size, after=after)
            seen += [caller for caller in found.items if self.sees(caller)]
            after, size, more = found.next, PAGE, found.next is not None
        shown = seen[:limit]
        return Page(shown, shown[-1].id if shown and (more or len(seen) > limit) else None)

    async def makers(self, callers: Sequence[Caller]) -> Mapping[str, str]:
        """By each caller's id, who made it, where this manager sees that one."""
        made = {caller.id: caller.created_by for caller in callers if caller.created_by is not None}
        others = sorted(set(made.values()) - {self.caller.id})
        found = await self.gateway.callers.look_up(others) if others else {}
        seen = {self.caller.id, *(i for i, caller in found.items() if self.sees(caller))}
        return {i: maker for i, maker in made.items() if maker in seen}

    async def make(self, wanted: Caller) -> Caller:
        """It on record. Problem 401, 403, 409, 503."""
        for _ in range(_TRIES):
            if wanted.kind not in KEY_KINDS and not self.caller.is_administrator:
                raise forbidden(
                    "a caller with a certificate or token is made by one that has all scopes and no limits: "
                    "it could stand before another that the same credential fits"
                )
            self._within(wanted)
            made = replace(wanted, created_by=self.caller.id)
            try:
                await self._create(made)
            except Conflict:
                self.caller = await self.again()
                continue
            self.gateway.identity.callers.forget(made.id)
            log.info("caller created", caller=made.id, kind=made.kind, by=self.caller.id)
            return made
        raise others_are_faster("caller")

    async def change(self, caller_id: str, change: Callable[[Caller, datetime], Caller]) -> Caller:
        """The caller after the change, which is made again when another was faster. Problem 401, 403, 404, 503."""
        for _ in range(_TRIES):
            caller = await self.read(caller_id)
            after = change(caller, self.gateway.now())
            self._within(after)
            try:
                await self.gateway.callers.replace(after, self.caller)
            except Conflict:
                self.caller = await self.again()
                continue
            self.gateway.identity.callers.forget(caller_id)
            log.info("caller changed", caller=caller_id, by=self.caller.id, revoked=after.revoked_at is not None)
            return after
        raise others_are_faster("caller")

    async def _create(self, made: Caller) -> None:
        """A certificate or token whose caller was revoked can be let in again. Problem 409. Raises Conflict."""
        try:
            await self.gateway.callers.create(made, self.caller)
        except AlreadyExists:
            there = (await self.gateway.callers.read([made.id])).get(made.id)
            if there is None or there.revoked_at is None or not self.sees(there):
                named = f": {there.id}" if there is not None and self.sees(there) else ""
                raise Problem(409, f"there is a caller with this identity{named}") from None
            await self.gateway.callers.replace(replace(made, version=there.version), self.caller)

    def _within(self, caller: Caller) -> None:
        excess = exceeds(caller, self.caller)
        if excess is not None:
            raise forbidden(
                f"nobody manages callers that may do more than they may themselves, and here it is {excess}"
            )


def _length(caller: Caller) -> int:
    """Of what may be long in it, in characters."""
    return sum(len(address) for many in caller.addresses.values() for address in many)
