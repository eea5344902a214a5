"""What is not to be sent to an address any more, and why.

It is kept by a keyed hash of channel and address: it outlives the erasure of whoever had the address, and says nothing
about them to who reads the records.
"""

import hashlib
import hmac
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from shared.delivery.model import CategoryClass, SuppressionReason


class SuppressionClass(StrEnum):
    """What it stops. CATEGORY: those categories alone that it names."""

    ALL = "all"
    MARKETING = "marketing"
    CATEGORY = "category"


CLASS_BY_REASON: Mapping[SuppressionReason, SuppressionClass] = {
    SuppressionReason.HARD_BOUNCE: SuppressionClass.ALL,
    SuppressionReason.INVALID: SuppressionClass.ALL,
    SuppressionReason.COMPLAINT: SuppressionClass.MARKETING,
    SuppressionReason.STOP: SuppressionClass.MARKETING,
    SuppressionReason.UNSUBSCRIBED: SuppressionClass.MARKETING,
    SuppressionReason.MANUAL: SuppressionClass.MARKETING,
}
"""Where whoever writes it names no class."""

_SERVICE_TOO = frozenset({SuppressionReason.COMPLAINT, SuppressionReason.STOP})
"""Of these a class `marketing` stops service messages as well: whoever complains or says STOP means all that they need
not have."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One reason. evidence: which receipt, request or hand; it names ids, never an address

    categories: that are stopped besides what the class stops
    """

    reason: SuppressionReason
    class_: SuppressionClass
    at: datetime
    evidence: str
    categories: tuple[str, ...] = ()

    def stops(self, class_: CategoryClass, category: str | None) -> bool:
        if self.class_ is SuppressionClass.ALL:
            return True
        if class_ is CategoryClass.TRANSACTIONAL:
            return False
        if category is not None and category in self.categories:
            return True
        if self.class_ is SuppressionClass.CATEGORY:
            return False
        return class_ is CategoryClass.MARKETING or self.reason in _SERVICE_TOO


@dataclass(frozen=True, slots=True)
class Suppression:
    """All that is on record for one address. id: the hash; entries: one a reason; version: of the record as read"""

    id: str
    channel: str
    entries: Mapping[SuppressionReason, Entry] = field(default_factory=dict)
    version: int | None = None

    def stopping(self, class_: CategoryClass, category: str | None) -> Entry | None:
        """The first that stops such a message, those that stop most before the others."""
        return next((entry for entry in self.by_weight if entry.stops(class_, category)), None)

    @property
    def by_weight(self) -> list[Entry]:
        order = list(SuppressionClass)
        return sorted(self.entries.values(), key=lambda entry: (order.index(entry.class_), entry.at, entry.reason))

    def with_entry(self, entry: Entry) -> "Suppression":
        """With what this one stops besides: a second word of one reason takes nothing back, and the first keeps its
        evidence unless the new one stops more.
        """
        old = self.entries.get(entry.reason)
        if old is not None:
            order = list(SuppressionClass)
            categories = tuple(sorted({*old.categories, *entry.categories}))
            stronger = order.index(entry.class_) < order.index(old.class_) or len(categories) > len(old.categories)
            entry = replace(entry if stronger else old, class_=min(old.class_, entry.class_, key=order.index))
            entry = replace(entry, categories=categories)
        return replace(self, entries={**self.entries, entry.reason: entry})

    def without(self, reason: SuppressionReason) -> "Suppression":
        return replace(self, entries={r: entry for r, entry in self.entries.items() if r != reason})


class AddressHash:
    """The keyed hash by which an address is known: HMAC-SHA-256, in hex. An address counts whatever its case."""

    def __init__(self, key: str) -> None:
        self._key = key.encode()

    def __call__(self, channel: str, address: str) -> str:
        said = unicodedata.normalize("NFC", address).casefold()
        return hmac.new(self._key, f"{channel}\n{said}".encode(), hashlib.sha256).hexdigest()
