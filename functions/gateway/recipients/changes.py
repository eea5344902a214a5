"""Writing recipients within a caller's limits.

A caller that is limited to channels or to listed addresses writes only recipients all of whose addresses, before and
after, it may send to: what it may not send to it can neither add, nor replace, nor take away.

Each write is at the version that was judged, whoever asks: a recipient whose erasure has begun meanwhile is not written
over.
"""

from collections.abc import Mapping
from dataclasses import replace

from functions.gateway.access.caller import Caller
from functions.gateway.access.scopes import forbidden
from functions.gateway.web.problem_details import Problem, others_are_faster
from shared.delivery.errors import AlreadyExists, Conflict, NotFound
from shared.delivery.model import Recipient
from shared.delivery.store import Store
from shared.runtime.logs import get_logger, name_hash

log = get_logger(__name__)

TRIES = 10


async def put(
    store: Store, wanted: Recipient, caller: Caller, *, keeps_preferences: bool = False
) -> tuple[Recipient, bool]:
    """The recipient as it now is, and whether it is new. Problem 403, 409; 503 when others are always faster.

    wanted: as if it were new, written by this caller
    keeps_preferences: those that are on record stay: the person may have chosen them
    """
    if not _reaches(caller, wanted.addresses):
        raise forbidden("this caller may not send to these addresses")
    for _ in range(TRIES):
        old = await store.recipient(wanted.name)
        if old is not None and old.erased_at is not None:
            raise Problem(409, "this recipient is being erased")
        written = wanted
        if old is not None:
            written = replace(wanted, created_at=old.created_at, version=judged(old, caller))
            if keeps_preferences:
                written = replace(written, preferences=old.preferences)
        try:
            await (store.create_recipient(written) if old is None else store.replace_recipient(written))
        except (AlreadyExists, Conflict, NotFound):
            continue
        log_change("recipient written", wanted.name, caller, channels=sorted(wanted.addresses), created=old is None)
        return written, old is None
    raise others_are_faster("recipient")


async def delete(store: Store, name: str, caller: Caller) -> None:
    """Problem 403, 404; 503 when others are always faster."""
    for _ in range(TRIES):
        old = await store.recipient(name)
        if old is None or old.erased_at is not None:
            raise nobody()
        try:
            await store.delete_recipient(name, judged(old, caller))
        except NotFound:
            raise nobody() from None
        except Conflict:
            continue
        log_change("recipient deleted", name, caller)
        return
    raise others_are_faster("recipient")


def judged(old: Recipient, caller: Caller) -> int | None:
    """The version that the caller may replace or delete. Problem 403."""
    if not caller.reaches_all and not _reaches(caller, old.addresses):
        raise forbidden("this recipient has addresses that this caller may not send to")
    return old.version


def _reaches(caller: Caller, addresses: Mapping[str, str]) -> bool:
    return all(caller.may_use(channel) and caller.may_reach(channel, a) for channel, a in addresses.items())


def nobody() -> Problem:
    return Problem(404, "no recipient has this name")


def log_change(event: str, name: str, caller: Caller, **more: object) -> None:
    """Who changed what."""
    log.info(event, recipient=name_hash(name), by=caller.id, **more)
