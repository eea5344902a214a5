"""The kinds of operations that there are: what is done to many records, by its name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from shared.delivery.store import Store
from shared.sending.messages import Publisher
from shared.sending.operations import Kind
from shared.sending.recalling import RECALL, Recalling


@dataclass(frozen=True, slots=True)
class Services:
    """What kinds work with."""

    store: Store
    publisher: Publisher
    now: Callable[[], datetime]


def kinds(services: Services) -> Mapping[str, Kind]:
    return {RECALL: Recalling(services.store, services.publisher, services.now)}
