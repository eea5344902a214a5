"""Work on many records: on record with a due time, worked off page by page, by whoever comes to it.

A kind of operation says what a page is (`Kind`); this module says when one runs, and who has it. `functions/operations`
calls the worker, and the gateway for what is to be seen at once.

Who works at an operation has it until its `due_at`, which is moved on before each page: a lease. A pause, a resume or
a cancel changes the state and leaves `due_at` as it is; so who is at a page sees at its own write whether the operation
is still its own, and puts what it has done into the record as it now is.

What if the process dies: the due time brings it back, and a page that runs twice does nothing twice. What if two work
at it at once, since a page took longer than its lease: the same, and one of them gives way.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from shared.delivery.errors import Conflict, NotFound, PublishFailed, StoreUnavailable, WrongState
from shared.delivery.store import Page, Position
from shared.runtime import failpoints
from shared.runtime.failpoints import Failpoint
from shared.runtime.logs import get_logger, place

log = get_logger(__name__)

AGAIN = timedelta(seconds=30)  # a lease: after which another goes on with it. A page is to take much less
NEAR = timedelta(seconds=2)  # for a page that may run so soon the worker waits; a later one is the next sweep's
MOST_FAILURES = 20  # of pages in a row, over half a day; then nobody tries any more
_PATIENT = 3  # failures that may have passed by the next sweep; from then on each pause is twice the one before
_LONGEST_PAUSE = timedelta(hours=1)
_KEPT = timedelta(days=30)
_AT_ONCE = 10  # operations that a sweep works at: a slow one keeps no other waiting
_TRIES = 5  # of a write that somebody who pauses or resumes is faster than


class OperationState(StrEnum):
    RUNNING = "running"
    PAUSED = "paused"  # until somebody resumes it
    CANCELLED = "cancelled"  # what was done until then stays done
    DONE = "done"
    FAILED = "failed"  # `error` says where in the code


_ENDED = frozenset({OperationState.CANCELLED, OperationState.DONE, OperationState.FAILED})


@dataclass(frozen=True, slots=True)
class Operation:
    """kind: what is done, by its name; about: to what, in the kind's own words

    due_at: until when somebody has it, or when its next page may run; None once it is done or has failed
    total: of all that is to be looked at, where that is known before; counts: of these, by what became of them
    after: the last one of the page before
    failures: pages in a row that failed; error: of the last of them, its class and place
    """

    id: str
    kind: str
    caller: str
    about: Mapping[str, str]
    created_at: datetime
    updated_at: datetime
    expire_at: datetime
    due_at: datetime | None
    state: OperationState = OperationState.RUNNING
    total: int | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    after: str | None = None
    failures: int = 0
    error: str | None = None
    version: int | None = None


def begun(operation_id: str, kind: str, caller_id: str, about: Mapping[str, str], now: datetime) -> Operation:
    """A new one. Who puts it on record has it, and may begin to work at once."""
    return Operation(operation_id, kind, caller_id, about, now, now, now + _KEPT, now + AGAIN)


def paused(operation: Operation, now: datetime) -> Operation:
    """Raises WrongState."""
    return _steered(operation, OperationState.PAUSED, now)


def resumed(operation: Operation, now: datetime) -> Operation:
    """It goes on where it was. Raises WrongState."""
    return _steered(operation, OperationState.RUNNING, now)


def cancelled(operation: Operation, now: datetime) -> Operation:
    """Raises WrongState."""
    return _steered(operation, OperationState.CANCELLED, now)


def _steered(operation: Operation, state: OperationState, now: datetime) -> Operation:
    """The same again is no change. `due_at` stays: somebody may be at a page, and has it until then."""
    if operation.state is state:
        return operation
    if operation.state in _ENDED:
        raise WrongState(f"the operation is {operation.state}")
    return replace(operation, state=state, updated_at=now, expire_at=max(operation.expire_at, now + _KEPT))


class Kind(Protocol):
    async def page(self, operation: Operation) -> Operation:
        """Work off the next page. The operation with `counts`, `after` and, where it is known, `total` moved on; its
        state DONE with the last one.

        A kind with a pace sets `due_at` to when the next page may run. A page takes a few seconds at most, and the same
        one again, also at the same time, does nothing twice. May raise anything: the page is then tried again.
        """
        ...


class OperationStore(Protocol):
    """Any method may raise StoreUnavailable; a write may have landed all the same."""

    async def create(self, operation: Operation) -> int:
        """Its version. Raises AlreadyExists."""
        ...

    async def read(self, operation_id: str) -> Operation | None: ...

    async def update(self, operation: Operation) -> int:
        """If the record still has its version. Raises Conflict, NotFound."""
        ...

    async def due(self, now: datetime, limit: int, kinds: Collection[str]) -> Sequence[Operation]:
        """Those that run and whose `due_at` has passed. One of another kind is logged, and keeps no other back."""
        ...

    async def operations(self, *, caller: str | None, limit: int, after: Position | None) -> Page[Operation, Position]:
        """Newest first; caller: those that it asked for."""
        ...


@dataclass(frozen=True, slots=True)
class Worker:
    """kinds: by name, those that it can work at"""

    kinds: Mapping[str, Kind]
    operations: OperationStore
    now: Callable[[], datetime]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def sweep(self, seconds: float) -> int:
        """Go on with what is due, several at a time; how many were begun with. Raises StoreUnavailable when what is due
        cannot be read.
        """
        give_up_at = time.monotonic() + seconds
        count = 0
        while time.monotonic() < give_up_at:
            due = await self.operations.due(self.now(), _AT_ONCE, self.kinds.keys())
            if not due:
                break
            count += len(due)
            await asyncio.gather(*(self._take(operation, give_up_at) for operation in due))
        return count

    async def _take(self, operation: Operation, give_up_at: float) -> None:
        """Whatever goes wrong with it keeps no other back, and it is due again: later, or at the next sweep."""
        try:
            leased = replace(operation, due_at=self.now() + AGAIN)
            leased = replace(leased, version=await self.operations.update(leased))
            await self.work(leased, give_up_at - time.monotonic())
        except (Conflict, NotFound):
            return  # another was faster
        except (StoreUnavailable, PublishFailed) as error:
            log.warning("operation left to the next sweep", operation_id=operation.id, error=str(error))
        except Exception as error:
            log.error("operation not worked at", operation_id=operation.id, error=place(error))

    async def work(self, operation: Operation, seconds: float) -> Operation:
        """Page by page, as long as there is time, and one at least. As it is on record then, as far as we know.

        operation: that nobody else has until its `due_at`, since we have just written it
        Raises StoreUnavailable and PublishFailed; it is then due again.
        """
        give_up_at = time.monotonic() + seconds
        while operation.state is OperationState.RUNNING:
            moved = await self._page(operation)
            wait = max((moved.due_at - self.now()).total_seconds(), 0.0) if moved.due_at is not None else 0.0
            left = give_up_at - time.monotonic()
            goes_on = not moved.failures and wait <= min(NEAR.total_seconds(), left)
            if goes_on and wait and moved.state is OperationState.RUNNING:
                await self.sleep(wait)  # before the write, which then says whether it still may go on
            written = await self._record(operation, moved, goes_on=goes_on)
            if written is None:
                return operation  # another is at it
            operation = written
            failpoints.reached(Failpoint.PAGED)
            if not goes_on:
                break
        return operation

    async def _page(self, operation: Operation) -> Operation:
        """What the record says after the page, but that `due_at` is when the next one may run."""
        now = self.now()
        try:
            moved = await self.kinds[operation.kind].page(operation)
        except (StoreUnavailable, PublishFailed):
            raise
        except Exception as error:
            return _failed(operation, error, now)
        paced = moved.due_at is not None and moved.due_at != operation.due_at
        why = moved.error if moved.state is OperationState.FAILED else None
        return replace(moved, failures=0, error=why, due_at=moved.due_at if paced else now)

    async def _record(self, held: Operation, moved: Operation, *, goes_on: bool) -> Operation | None:
        """As it is on record now; None when it is not ours any more.

        held: as we have it; moved: after the page; goes_on: whether the next page comes at once
        """
        state, version = moved.state, held.version
        for _ in range(_TRIES):
            due_at = moved.due_at
            if state is OperationState.RUNNING and goes_on:
                due_at = self.now() + AGAIN
            elif state in _ENDED:
                due_at = None
            now = self.now()
            kept_until = max(moved.expire_at, now + _KEPT)  # it may take longer, paused or not
            written = replace(moved, state=state, due_at=due_at, updated_at=now, expire_at=kept_until, version=version)
            try:
                version = await self.operations.update(written)
            except NotFound:
                return None
            except Conflict:
                there = await self.operations.read(held.id)
                if there is None or there.due_at != held.due_at:
                    return None
                state, version = _both(there.state, moved.state), there.version
                continue
            if state in _ENDED:
                log.info("operation ended", operation_id=held.id, kind=held.kind, state=state, counts=written.counts)
            return replace(written, version=version)
        raise StoreUnavailable("others are always faster")


def _both(there: OperationState, moved: OperationState) -> OperationState:
    """Somebody has changed the state while the page was worked off. A cancel stands, and a pause unless that was the
    last page: then there is nothing to resume.
    """
    if there is OperationState.CANCELLED:
        return there
    return moved if there is OperationState.RUNNING or moved in _ENDED else there


def _failed(operation: Operation, error: Exception, now: datetime) -> Operation:
    failures = operation.failures + 1
    log.error("a page failed", operation_id=operation.id, kind=operation.kind, failures=failures, error=place(error))
    pause = min(AGAIN * 2 ** max(failures - _PATIENT + 1, 0), _LONGEST_PAUSE)
    state = OperationState.FAILED if failures >= MOST_FAILURES else operation.state
    return replace(operation, state=state, failures=failures, error=place(error), due_at=now + pause)
