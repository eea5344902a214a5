"""Whether the audit log is as it was written, told from its entries alone.

What it cannot tell: that the last entries of a chain were taken away, where no later chain names them; and that
somebody wrote anew a chain with all that names it. The gateway's log has each entry with its hash, too: compare them.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import groupby
from typing import Any, Literal, Optional

from hark_client.models import AuditEntry

FindingKind = Literal["changed", "missing", "doubled", "broken", "cut_off"]


@dataclass(frozen=True)
class Finding:
    """What is wrong at one place.

    changed: the entry has not the hash that it says; missing: there is none at this place; doubled: there are several
    broken: it says another hash of the one before it than that one has
    cut_off: another chain names this entry, and it is not there, or is another
    """

    kind: FindingKind
    chain: str
    number: int


def verify(entries: Iterable[AuditEntry], *, since: Optional[datetime] = None) -> Sequence[Finding]:
    """What is wrong in these, by chain and number; nothing: none is changed, put in or taken out.

    entries: all of a time, in any order: neither of one actor nor with one action
    since: what they were asked `from`; None: there is no earlier one. What is older is not missed
    """
    by_place = sorted(entries, key=lambda entry: (entry.chain, entry.number))
    there: dict[tuple[str, int], AuditEntry] = {}
    found: set[Finding] = set()
    for entry in by_place:
        place = (entry.chain, entry.number)
        if there.setdefault(place, entry) != entry:
            found.add(Finding("doubled", *place))
        if entry.hash != digest(entry):
            found.add(Finding("changed", *place))
    for _, chain in groupby(by_place, key=lambda entry: entry.chain):
        found |= _within(list(chain), since)
    for entry in by_place:
        for head in entry.follows:
            named = there.get((head.chain, head.number))
            expected = since is None or head.at >= since
            if (named is None and expected) or (named is not None and named.hash != head.hash):
                found.add(Finding("cut_off", head.chain, head.number))
    return sorted(found, key=lambda finding: (finding.chain, finding.number, finding.kind))


def digest(entry: AuditEntry) -> str:
    """The hash that an entry must have: SHA-256 over its JSON without the hash and without what is null, the names in
    order, without blanks."""
    content = {name: value for name, value in entry.model_dump().items() if value is not None and name != "hash"}
    text = json.dumps(_spelt(content), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _within(chain: Sequence[AuditEntry], since: Optional[datetime]) -> set[Finding]:
    """What is wrong between the entries of one chain."""
    found: set[Finding] = set()
    first = chain[0]
    if since is None:
        found |= {Finding("missing", first.chain, number) for number in range(1, first.number)}
    if first.number == 1 and first.previous:
        found.add(Finding("broken", first.chain, 1))
    for before, after in zip(chain, chain[1:]):
        found |= {Finding("missing", after.chain, number) for number in range(before.number + 1, after.number)}
        if after.number == before.number + 1 and after.previous != before.hash:
            found.add(Finding("broken", after.chain, after.number))
    return found


def _spelt(value: Any) -> Any:
    """With each instant as the API spells it."""
    if isinstance(value, datetime):
        return value.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if isinstance(value, Mapping):
        return {name: _spelt(item) for name, item in value.items()}
    return [_spelt(item) for item in value] if isinstance(value, list) else value
