"""The kinds of operations that there are: what is done to many records, by its name."""

from collections.abc import Mapping

from functions.gateway.broadcasts.broadcasting import BROADCAST, Broadcasting
from functions.gateway.dead_letters.replaying import REPLAY, Replaying
from functions.gateway.services import Gateway
from shared.sending.clearing_lists import CLEAR_LIST, ClearingLists
from shared.sending.erasing import ERASURE, Erasing
from shared.sending.operations import Kind
from shared.sending.recalling import RECALL, Recalling


def kinds(gateway: Gateway) -> Mapping[str, Kind]:
    """gateway: what it works with; a broadcast's notifications are accepted as the gateway accepts them"""
    of_events: Mapping[str, Kind] = {}
    if gateway.endpoints is not None:  # who has no events does not load it
        from functions.gateway.endpoints.sending_again import EVENTS_AGAIN, SendingAgain  # noqa: PLC0415

        of_events = {EVENTS_AGAIN: SendingAgain(gateway)}
    return {
        **of_events,
        BROADCAST: Broadcasting(gateway),
        CLEAR_LIST: ClearingLists(gateway.list_store),
        ERASURE: Erasing(gateway.store, gateway.list_store, gateway.publisher, gateway.now),
        REPLAY: Replaying(gateway),
        RECALL: Recalling(gateway.store, gateway.publisher, gateway.now),
    }
