"""The kinds of operations that there are: what is done to many records, by its name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from shared.delivery.store import Store
from shared.people.lists import ListStore
from shared.sending.clearing_lists import CLEAR_LIST, ClearingLists
from shared.sending.messages import Publisher
from shared.sending.operations import Kind
from shared.sending.recalling import RECALL, Recalling


@dataclass(frozen=True, slots=True)
class Services:
    """What kinds work with."""

    store: Store
    lists: ListStore
    publisher: Publisher
    now: Callable[[], datetime]


def kinds(services: Services) -> Mapping[str, Kind]:
    return {
        CLEAR_LIST: ClearingLists(services.lists),
        RECALL: Recalling(services.store, services.publisher, services.now),
    }
