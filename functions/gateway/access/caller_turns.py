"""How many pages of lists are made and sent at once: each is a hundred times as large as the request that asks for it.
And how many batches are accepted at once: each is as much work as hundreds of requests.

A caller has a few at a time, from its turn until the client has taken the answer: a client that takes none holds up its
own caller alone. Of these one is being made at a time, and of all callers' two, so that memory, the event loop and
Firestore stay for those who send.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from starlette.requests import Request

from functions.gateway.access.caller import Caller
from functions.gateway.access.scopes import RequiresScope
from functions.gateway.web.problem_details import RETRY_LATER, Problem

MOST_OF_A_CALLER = 4
MOST_MADE = 2
MOST_WAITING = 60  # of a caller, for its turn
WAIT_SECONDS = 5.0


@dataclass(slots=True)
class _OfCaller:
    """Of one caller."""

    taken: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MOST_OF_A_CALLER))
    making: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))
    asking: int = 0  # with those that have their turn


class Turns:
    """what: they are called so, for people"""

    def __init__(self, what: str = "lists") -> None:
        self._what = what
        self._making = asyncio.Semaphore(MOST_MADE)
        self._turns: dict[str, _OfCaller] = {}

    @asynccontextmanager
    async def turn(self, caller_id: str) -> AsyncIterator[None]:
        """One of the caller's turns. Problem 429 when it does not come soon, or too many wait."""
        turns = self._turns.setdefault(caller_id, _OfCaller())
        if turns.asking >= MOST_OF_A_CALLER + MOST_WAITING:
            raise self._too_many()
        turns.asking += 1
        try:
            async with _soon(turns.taken, self._too_many()):
                yield
        finally:
            turns.asking -= 1
            if not turns.asking:
                del self._turns[caller_id]

    @asynccontextmanager
    async def making(self, caller_id: str) -> AsyncIterator[None]:
        """Within a turn, while the page is read and made, and no longer: it waits for nobody's client.

        Problem 429 when the caller's others keep it waiting, 503 when everybody's do.
        """
        busy = Problem(503, f"too many {self._what} at once; try again", headers=RETRY_LATER)
        async with _soon(self._turns[caller_id].making, self._too_many()), _soon(self._making, busy):
            yield

    def _too_many(self) -> Problem:
        return Problem(429, f"this caller has {MOST_OF_A_CALLER} {self._what} at once", headers={"Retry-After": "1"})


@dataclass(frozen=True, slots=True)
class RequiresTurn(RequiresScope):
    """Of a request for a list, or with a batch, its caller, who has that scope, and one of its turns until the answer
    has been sent.
    """

    listings: Turns

    async def __call__(self, request: Request) -> AsyncIterator[Caller]:  # type: ignore[override] # FastAPI's yield
        caller = await RequiresScope.__call__(self, request)
        async with self.listings.turn(caller.id):
            yield caller


@asynccontextmanager
async def _soon(places: asyncio.Semaphore, late: Problem) -> AsyncIterator[None]:
    """One of the places. Raises `late` when there is none in time."""
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            await places.acquire()
    except TimeoutError:
        raise late from None
    try:
        yield
    finally:
        places.release()
