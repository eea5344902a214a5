"""Writing suppressions, and who may see and write them.

A suppression is of an address, so a caller that does not reach all addresses of a channel has nothing to do with those
of that channel. Each change is logged with who made it, by the address's keyed hash.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace

from functions.gateway.access.caller import Caller, CallerKind
from functions.gateway.access.scopes import forbidden
from functions.gateway.web.problem_details import Problem
from shared.people.people_store import PeopleStore
from shared.people.suppression import Entry, Suppression
from shared.runtime.logs import get_logger
from shared.sending import suppressing

log = get_logger(__name__)


def check_kind(caller: Caller) -> None:
    """Problem 403 for a caller that reaches some of a channel's addresses, and not others."""
    if caller.kind is CallerKind.TEAM or caller.recipients is not None:
        raise forbidden("a team key, or a caller limited to recipients' names, has nothing to do with suppressions")


def check_use(caller: Caller, channel: str | None) -> None:
    """channel: None is all. Problem 403."""
    if channel is None and caller.channels is not None:
        raise forbidden("this caller is limited to channels: name one of them as channel")
    if channel is not None and not caller.may_use(channel):
        raise forbidden(f"this caller may not use {channel}")


async def put(
    people: PeopleStore, of: Suppression, entries: Sequence[Entry], caller: Caller, undated: Collection[Entry] = ()
) -> tuple[Suppression, bool]:
    """With these entries, as it is on record then, and whether it is new.

    of: the address's, as if nothing were on record; undated: those whose `at` is made up

    Raises StoreUnavailable, UnreadableRecord.
    """
    before = of

    def with_entries(there: Suppression) -> Suppression:
        nonlocal before
        before = there
        for entry in entries:
            there = there.with_entry(entry, dated=entry not in undated)
        return there

    written = await suppressing.change(people, of.channel, of.id, with_entries)
    if written != before:
        _log("suppression written", written, caller, reasons=sorted({str(entry.reason) for entry in entries}))
    return written, not before.entries


async def delete(people: PeopleStore, of: Suppression, caller: Caller) -> None:
    """Problem 404. Raises StoreUnavailable, UnreadableRecord."""
    before = of

    def without_entries(there: Suppression) -> Suppression:
        nonlocal before
        before = there
        return replace(there, entries={})

    await suppressing.change(people, of.channel, of.id, without_entries)
    if not before.entries:
        raise nothing()
    _log("suppression deleted", before, caller, reasons=sorted(map(str, before.entries)))


def nothing() -> Problem:
    return Problem(404, "nothing is suppressed for this address")


def _log(event: str, suppression: Suppression, caller: Caller, **more: object) -> None:
    log.info(event, address_hash=suppression.id, channel=suppression.channel, by=caller.id, **more)
