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
    except_for: that a class `marketing` does not stop, as the person has chosen them again since
    """

    reason: SuppressionReason
    class_: SuppressionClass
    at: datetime
    evidence: str
    categories: tuple[str, ...] = ()
    except_for: tuple[str, ...] = ()

    def stops(self, class_: CategoryClass, category: str | None) -> bool:
        if self.class_ is SuppressionClass.ALL:
            return True
        if class_ is CategoryClass.TRANSACTIONAL:
            return False
        if category is not None and category in self.categories:
            return True
        if self.class_ is SuppressionClass.CATEGORY or category in self.except_for:
            return False
        return class_ is CategoryClass.MARKETING or self.reason in _SERVICE_TOO

    def and_by(self, later: "Entry") -> "Entry":
        """What both stop, with the later's evidence where it stops more: it takes nothing back. Of what the person has
        chosen again since the first, it takes nothing either unless it was said after that one.
        """
        order = list(SuppressionClass)
        named, spared = {*later.categories}, {*self.except_for}
        if later.at <= self.at:
            named -= spared
        elif later.class_ is not SuppressionClass.CATEGORY:  # which is silent of whatever it does not name
            spared &= {*later.except_for}
        both = replace(
            self,
            class_=min(self.class_, later.class_, key=order.index),
            categories=tuple(sorted({*self.categories} | named)),
            except_for=tuple(sorted(spared - named)),
        )
        as_before = (self.class_, len(self.categories), len(self.except_for))
        if (both.class_, len(both.categories), len(both.except_for)) == as_before:
            return both
        return replace(both, at=later.at, evidence=later.evidence)

    def sparing(self, category: str) -> "Entry | None":
        """It without a word about this category; None: it stops nothing any more."""
        categories = tuple(name for name in self.categories if name != category)
        if self.class_ is SuppressionClass.CATEGORY:
            return replace(self, categories=categories) if categories else None
        return replace(self, categories=categories, except_for=tuple(sorted({*self.except_for, category})))


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
    def key(self) -> str:
        """Of the record, and its place in a listing: those of a channel stand together."""
        return suppression_key(self.channel, self.id)

    @property
    def by_weight(self) -> list[Entry]:
        order = list(SuppressionClass)

        def weight(entry: Entry) -> tuple[int, bool, datetime, str]:
            return order.index(entry.class_), entry.reason not in _SERVICE_TOO, entry.at, entry.reason

        return sorted(self.entries.values(), key=weight)

    def with_entry(self, entry: Entry, *, dated: bool = True) -> "Suppression":
        """With what this one stops besides: a second word of one reason takes nothing back, and the first keeps its
        evidence unless the new one stops more.

        dated: else nobody knows whether it was said after what is there
        """
        old = self.entries.get(entry.reason)
        if old is not None and not dated:
            entry = replace(entry, at=old.at)
        kept = entry if old is None else old.and_by(entry)
        return replace(self, entries={**self.entries, entry.reason: kept})

    def choosing(self, category: str) -> "Suppression":
        """With the category let through again by what the person has unsubscribed from; other reasons stay."""
        old = self.entries.get(SuppressionReason.UNSUBSCRIBED)
        if old is None:
            return self
        left = old.sparing(category)
        if left is None:
            return self.without(SuppressionReason.UNSUBSCRIBED)
        return replace(self, entries={**self.entries, old.reason: left})

    def without(self, reason: SuppressionReason) -> "Suppression":
        return replace(self, entries={r: entry for r, entry in self.entries.items() if r != reason})


def suppression_key(channel: str, suppression_id: str) -> str:
    return f"{channel}.{suppression_id}"


class AddressHash:
    """The keyed hash by which an address is known: HMAC-SHA-256, in hex. An address counts whatever its case."""

    def __init__(self, key: str) -> None:
        self._key = key.encode()

    def __call__(self, channel: str, address: str) -> str:
        said = unicodedata.normalize("NFC", address).casefold()
        return hmac.new(self._key, f"{channel}\n{said}".encode(), hashlib.sha256).hexdigest()
