"""Recalling a version of a template: what is made of it and has not gone does not go.

The operation is on record before anything is cancelled, and has a due time: what the request does not come to, the
function `operations` does.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from functions.gateway.access.caller import Caller
from functions.gateway.notifications.idempotency import new_notification_id, used_for_another
from functions.gateway.notifications.stopping import WouldStopJson, would_stop
from functions.gateway.rendering.template_model import TemplateVersion
from functions.gateway.services import Gateway
from shared.delivery.errors import AlreadyExists, StoreUnavailable
from shared.delivery.model import Delivery
from shared.runtime.logs import get_logger
from shared.sending.operations import Operation, Worker
from shared.sending.recalling import PAGE, RECALL, Recalling, recall

log = get_logger(__name__)

_SECONDS = 2.0  # of it that are worked off before the answer


async def would_recall(gateway: Gateway, version: TemplateVersion) -> WouldStopJson:
    """What a recall would come to now. Raises StoreUnavailable."""

    async def pages() -> AsyncIterator[Sequence[Delivery]]:
        after: str | None = None
        while True:
            page = await gateway.store.unsent_of(f"{version.name}/{version.number}", PAGE, after)
            yield page.items
            after = page.next
            if after is None:
                return

    return await would_stop(pages(), gateway.now())


async def begin_recall(gateway: Gateway, caller: Caller, version: TemplateVersion, key: str | None) -> Operation:
    """The operation; with the same key the same one. Problem 422. Raises StoreUnavailable."""
    operation_id = new_notification_id(caller.id, None if key is None else f"recall {key}")
    wanted = recall(operation_id, caller.id, f"{version.name}/{version.number}", gateway.now())
    try:
        begun = replace(wanted, version=await gateway.operations.create(wanted))
    except AlreadyExists:
        there = await gateway.operations.read(wanted.id)
        if there is None or (there.kind, there.about) != (wanted.kind, wanted.about):
            raise used_for_another("Idempotency-Key") from None
        return there
    log.info("recall", operation_id=begun.id, **wanted.about, by=caller.id)
    recalling = Recalling(gateway.store, gateway.publisher, gateway.now)
    try:
        return await Worker({RECALL: recalling}, gateway.operations, gateway.now).work(begun, _SECONDS)
    except StoreUnavailable as error:
        log.warning("recall left to the function operations", operation_id=begun.id, error=str(error))
        return begun
