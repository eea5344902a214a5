"""Making and deleting lists, and who is in them.

What if the process dies: a list or a member is written or it is not, and the same request again makes it so. A list's
deletion begins with the operation that clears its members away; that finds out whether the list was deleted.
"""

import secrets
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from functions.gateway.access.caller import Caller
from functions.gateway.lists.visibility import no_such_list
from functions.gateway.services import Gateway
from functions.gateway.web.problem_details import FieldError, Problem, field_error, invalid, others_are_faster
from shared.delivery.errors import AlreadyExists, Conflict, NotFound
from shared.people.lists import ListStore, RecipientList, added, removed
from shared.runtime.logs import get_logger, name_hash
from shared.sending.clearing_lists import clearing

log = get_logger(__name__)

_TRIES = 5
_NOBODY = "no recipient has this name"


async def put(
    store: ListStore, name: str, description: str, caller: Caller, now: datetime
) -> tuple[RecipientList, bool]:
    """The list as it now is, and whether it is new. Problem 503 when others are always faster."""
    for _ in range(_TRIES):
        there = await store.recipient_list(name)
        if there is None:
            wanted = RecipientList(name, secrets.token_hex(10), now, now, description)
        else:
            wanted = replace(there, description=description, updated_at=now)
        try:
            await store.put_list(wanted)
        except (AlreadyExists, Conflict, NotFound):
            continue
        _log("list written", name, caller, created=there is None)
        return wanted, there is None
    raise others_are_faster("list")


async def delete(gateway: Gateway, name: str, caller: Caller) -> None:
    """Problem 404; 503 when others are always faster."""
    for _ in range(_TRIES):
        there = await gateway.list_store.recipient_list(name)
        if there is None:
            raise no_such_list()
        begun = clearing(str(uuid.uuid4()), caller.id, there, gateway.now())
        await gateway.operations.create(begun)
        try:
            await gateway.list_store.delete_list(there)
        except (Conflict, NotFound):
            continue
        _log("list deleted", name, caller, operation_id=begun.id)
        return
    raise others_are_faster("list")


async def add(
    store: ListStore, there: RecipientList, names: Sequence[str], now: datetime
) -> tuple[int, Mapping[str, str]]:
    """How many were not in it before, and why which of these names are not in it now."""
    count, problems = 0, dict[str, str]()
    left = list(dict.fromkeys(names))
    for _ in range(_TRIES):
        known, members = await store.candidates(there.id, left)
        problems |= dict.fromkeys((name for name in left if name not in known), _NOBODY)
        wanted = [added(members.get(name), name, now) for name in left if name in known]
        new = [member for member in wanted if member is not members.get(member.recipient)]
        written = await store.put_members(there.id, new)
        count += sum(written)
        left = [member.recipient for member, done in zip(new, written, strict=True) if not done]
        if not left:
            return count, problems
    return count, problems | dict.fromkeys(left, "others are changing this member; try again")


async def add_one(store: ListStore, there: RecipientList, name: str, now: datetime) -> None:
    """Problem 422; 503 when others are always faster."""
    _, problems = await add(store, there, [name], now)
    if problems.get(name) == _NOBODY:
        raise invalid(field_error("recipient", _NOBODY))
    if problems:
        raise others_are_faster("member")


async def remove(store: ListStore, there: RecipientList, name: str, now: datetime) -> None:
    """Problem 404; 503 when others are always faster."""
    for _ in range(_TRIES):
        _, members = await store.candidates(there.id, [name])
        member = members.get(name)
        if member is None or not member.is_in:
            raise Problem(404, "the list has no member of this name")
        if all(await store.put_members(there.id, [removed(member, now)])):
            return
    raise others_are_faster("member")


def places(names: Sequence[str], problems: Mapping[str, str]) -> list[FieldError]:
    """The problems by the places of the names."""
    return [field_error(f"recipients.{i}", problems[name]) for i, name in enumerate(names) if name in problems]


def _log(event: str, name: str, caller: Caller, **more: object) -> None:
    """Who changed what. A list's name may be a person's."""
    log.info(event, list=name_hash(name), by=caller.id, **more)
