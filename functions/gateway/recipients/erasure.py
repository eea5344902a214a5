"""Erasing a recipient: whatever is on record of the person loses its texts and addresses.

The recipient is marked first: from then on nothing is accepted for it, and its name is free again only when the
erasure is done. A name whose record is gone gets a marked one, for the same to hold.

What if the process dies
- before the mark: nothing is written, the client has no answer and asks again;
- between the mark and the operation: the name is taken, the client asks again, and the operation is begun;
- after it: the operation is due.
"""

import uuid
from dataclasses import replace
from datetime import datetime

from functions.gateway.access.caller import Caller
from functions.gateway.access.scopes import forbidden
from functions.gateway.notifications.idempotency import KEYS
from functions.gateway.recipients.changes import TRIES, judged, log_change, nobody
from functions.gateway.services import Gateway
from functions.gateway.web.problem_details import others_are_faster
from shared.delivery.errors import AlreadyExists, Conflict, NotFound
from shared.delivery.model import Recipient
from shared.sending.erasing import erasure
from shared.sending.operations import Operation, OperationState

_ENDED = frozenset({OperationState.DONE, OperationState.CANCELLED, OperationState.FAILED})


async def begin_erasure(gateway: Gateway, caller: Caller, name: str) -> Operation:
    """The operation: a new one, the one that runs, or, if nothing is known of the name since, the last one.

    Problem 403, 404; 503 when others are always faster. Raises StoreUnavailable.
    """
    for _ in range(TRIES):
        record = await gateway.store.recipient(name)
        version = None if record is None else judged(record, caller)
        known = record is not None or await _is_named(gateway, name)
        operation_id, last = await _latest(gateway, name, known=known)
        if last is not None and (last.state not in _ENDED or not known):
            return last
        if not known:
            raise nobody()
        if not (record and record.addresses) and not caller.reaches_all:
            # Its addresses stand in its notifications alone, and may be any.
            raise forbidden("only a caller that may send to any address may erase a deleted recipient")
        now = gateway.now()
        try:
            await _mark(gateway, record, version, name, caller, now)
            wanted = erasure(operation_id, caller.id, name, _pseudonym(gateway, name), now)
            created = replace(wanted, version=await gateway.operations.create(wanted))
        except (AlreadyExists, Conflict, NotFound):
            continue
        log_change("recipient is being erased", name, caller, operation_id=created.id)
        return created
    raise others_are_faster("recipient")


async def _is_named(gateway: Gateway, name: str) -> bool:
    page = await gateway.store.notifications(caller=None, recipient=name, status=None, limit=1, after=None)
    return bool(page.items)


async def _mark(
    gateway: Gateway, record: Recipient | None, version: int | None, name: str, caller: Caller, now: datetime
) -> None:
    if record is None:
        marked = Recipient(name, {}, created_at=now, updated_at=now, updated_by=caller.id, erased_at=now)
        await gateway.store.create_recipient(marked)
    elif record.erased_at is None:
        marked = replace(record, updated_at=now, updated_by=caller.id, erased_at=now, version=version)
        await gateway.store.replace_recipient(marked)


async def _latest(gateway: Gateway, name: str, *, known: bool) -> tuple[str, Operation | None]:
    """The id that the next erasure of this name has, or the one that runs has; and the last one there is.

    They are numbered: each has ended before the next begins, and somebody has used the name again in between.
    """
    last = None
    number = 0
    while True:
        operation_id = str(uuid.uuid5(KEYS, f"{_pseudonym(gateway, name)} {number}"))
        there = await gateway.operations.read(operation_id)
        if there is None or (there.state not in _ENDED and known):
            return operation_id, there or last
        last, number = there, number + 1


def _pseudonym(gateway: Gateway, name: str) -> str:
    """The same for each erasure of the name. A name may be an address, so its hash has a key. That hash makes no
    difference between small and capital letters, and names do, so it is hashed in hex.
    """
    return f"erased-{gateway.people.suppression_id('recipient', name.encode().hex())[:32]}"
