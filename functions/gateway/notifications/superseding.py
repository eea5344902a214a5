"""What was to be sent before with a new notification's collapse key is not sent any more.

The gate says so in any case, when it is claimed: this is for whoever looks before, and a fault here changes nothing.
"""

from collections.abc import Mapping, Sequence

from functions.gateway.services import Gateway
from shared.delivery.errors import Conflict, NotFound, StoreUnavailable, UnreadableRecord
from shared.delivery.model import Delivery
from shared.delivery.state_machine import superseded
from shared.delivery.store import Key
from shared.runtime.logs import get_logger
from shared.sending.waiting_deliveries import is_waited_for, publish_waiting

log = get_logger(__name__)


async def supersede(gateway: Gateway, newer: Sequence[Delivery], before: Mapping[str, Key]) -> None:
    """before: what the keys of these deliveries were last used for"""
    for delivery in newer:
        if delivery.collapse is not None and delivery.collapse in before:
            try:
                await _supersede(gateway, before[delivery.collapse].latest, delivery)
            except (StoreUnavailable, UnreadableRecord, Conflict, NotFound) as error:
                log.info("superseding is left to the gate", notification_id=delivery.notification_id, error=str(error))


async def _supersede(gateway: Gateway, older: str, newer: Delivery) -> None:
    loaded = await gateway.store.load(older, newer.channel)
    ended = None if loaded is None else superseded(loaded[1], gateway.now(), newer.notification_id)
    if ended is not None:
        await gateway.store.update(ended)
        if is_waited_for(ended):
            await publish_waiting(gateway.store, gateway.publisher, ended)
