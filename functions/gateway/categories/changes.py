"""Writing categories.

What if the process dies: the write is one, so it has landed or not, and whoever has no answer asks again.
"""

from dataclasses import replace

from functions.gateway.access.caller import Caller
from functions.gateway.web.problem_details import Problem, others_are_faster
from shared.delivery.errors import AlreadyExists, Conflict, NotFound
from shared.people.category import Category
from shared.people.people_store import PeopleStore
from shared.runtime.logs import get_logger

log = get_logger(__name__)

_TRIES = 10


async def put(people: PeopleStore, wanted: Category, caller: Caller) -> tuple[Category, bool]:
    """The category as it now is, and whether it is new. Problem 503 when others are always faster.

    wanted: as if it were new, written by this caller
    """
    for _ in range(_TRIES):
        old = await people.category(wanted.name)
        written = wanted if old is None else replace(wanted, created_at=old.created_at, version=old.version)
        try:
            await people.put_category(written)
        except (AlreadyExists, Conflict, NotFound):
            continue
        log.info("category written", category=wanted.name, by=caller.id, created=old is None)
        return written, old is None
    raise others_are_faster("category")


async def delete(people: PeopleStore, name: str, caller: Caller) -> None:
    """Problem 404."""
    try:
        await people.delete_category(name)
    except (NotFound, Conflict):
        raise nothing() from None
    log.info("category deleted", category=name, by=caller.id)


def nothing() -> Problem:
    return Problem(404, "no category has this name")
