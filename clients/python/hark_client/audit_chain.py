"""Whether the audit log is as it was written, told from its entries alone.

What it cannot tell: that the last entries of a chain were taken away, where no later chain names them; and that
somebody wrote anew a chain with all that names it. The gateway's log has each entry with its hash, too: compare them.
"""

import hashlib
import json
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Literal, Optional

from hark_client.models import AuditEntry

FindingKind = Literal["changed", "missing", "doubled", "broken", "cut_off"]

_CLOCKS_DIFFER = timedelta(hours=1)  # at most, between two gateways
_Place = tuple[str, int]


@dataclass(frozen=True)
class Finding:
    """What is wrong at one place.

    changed: the entry has not the hash that it says; doubled: there are several at this place
    missing: there is none at this place, nor at those after it up to `last`
    broken: it says another hash of the one before it than that one has
    cut_off: another chain names this entry, and it is not there, or is another
    """

    kind: FindingKind
    chain: str
    number: int
    last: Optional[int] = None


def verify(entries: Iterable[AuditEntry], *, since: Optional[datetime] = None) -> Sequence[Finding]:
    """What is wrong in these, by chain and number; nothing: none is changed, put in or taken out.

    entries: all of a time, in any order: neither of one actor nor with one action
    since: what they were asked `from`; None: there is no earlier one. What is older is not missed
    """
    verifier = Verifier(since=since)
    for entry in sorted(entries, key=lambda entry: entry.at, reverse=True):
        verifier.see(entry)
    return verifier.findings()


class Verifier:
    """The same entry by entry, the latest first as the API lists them, without keeping them.

    It keeps a line of each chain, and the hashes of the last hour that it saw.
    """

    def __init__(self, *, since: Optional[datetime] = None) -> None:
        self._since = since
        self._found: set[Finding] = set()
        self._runs: dict[str, list[_Run]] = {}
        self._recent: dict[_Place, str] = {}
        self._times: deque[tuple[datetime, _Place]] = deque()
        self._named: dict[_Place, set[str]] = {}  # by other chains, and not seen yet

    def see(self, entry: AuditEntry) -> None:
        place = (entry.chain, entry.number)
        self._forget(entry.at)
        if entry.hash != digest(entry):
            self._found.add(Finding("changed", *place))
        if self._is_seen(place):
            if self._recent.get(place) != entry.hash:
                self._found.add(Finding("doubled", *place))
            return
        self._recent[place] = entry.hash
        self._times.append((entry.at, place))
        self._put(entry)
        if self._named.pop(place, {entry.hash}) != {entry.hash}:
            self._found.add(Finding("cut_off", *place))
        for head in entry.follows:
            named = (head.chain, head.number)
            if self._is_seen(named):
                if self._recent.get(named) != head.hash:
                    self._found.add(Finding("cut_off", *named))
            elif self._since is None or head.at >= self._since:
                self._named.setdefault(named, set()).add(head.hash)

    def findings(self) -> Sequence[Finding]:
        """What is wrong in all that it has seen."""
        found = self._found | {Finding("cut_off", *place) for place in self._named}
        for chain, runs in self._runs.items():
            begin = 0 if self._since is None or _began(chain) >= self._since else runs[0].first - 1
            for run in runs:
                if run.first > begin + 1:
                    missing = run.first - 1
                    found.add(Finding("missing", chain, begin + 1, None if missing == begin + 1 else missing))
                begin = run.last
        return sorted(found, key=lambda finding: (finding.chain, finding.number, finding.kind))

    def _forget(self, at: datetime) -> None:
        while self._times and self._times[0][0] > at + _CLOCKS_DIFFER:
            del self._recent[self._times.popleft()[1]]

    def _is_seen(self, place: _Place) -> bool:
        runs = self._runs.get(place[0], [])
        here = bisect_left([run.last for run in runs], place[1])
        return here < len(runs) and runs[here].first <= place[1]

    def _put(self, entry: AuditEntry) -> None:
        """Into its chain, and against its neighbours there."""
        runs = self._runs.setdefault(entry.chain, [])
        here = bisect_left([run.last for run in runs], entry.number)
        run = _Run(entry.number, entry.number, entry.previous, entry.hash)
        if entry.number == 1 and entry.previous:
            self._found.add(Finding("broken", entry.chain, 1))
        if here < len(runs) and runs[here].first == run.last + 1:
            after = runs.pop(here)
            if after.previous != run.hash:
                self._found.add(Finding("broken", entry.chain, after.first))
            run = _Run(run.first, after.last, run.previous, after.hash)
        if here > 0 and runs[here - 1].last == run.first - 1:
            here -= 1
            before = runs.pop(here)
            if run.previous != before.hash:
                self._found.add(Finding("broken", entry.chain, run.first))
            run = _Run(before.first, run.last, before.previous, run.hash)
        runs.insert(here, run)


@dataclass(frozen=True)
class _Run:
    """Entries of a chain without a gap. previous: what the first says of the one before it; hash: the last one's"""

    first: int
    last: int
    previous: str
    hash: str


def digest(entry: AuditEntry) -> str:
    """The hash that an entry must have: SHA-256 over its JSON without the hash and without what is null, the names in
    order, without blanks."""
    content = {name: value for name, value in entry.model_dump().items() if value is not None and name != "hash"}
    text = json.dumps(_spelt(content), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _began(chain: str) -> datetime:
    """Which its name begins with; where that is none, before all."""
    try:
        return datetime.strptime(chain.partition("-")[0], "%Y%m%dT%H%M%S").replace(tzinfo=timezone.utc)
    except ValueError:
        return datetime.min.replace(tzinfo=timezone.utc)


def _spelt(value: Any) -> Any:
    """With each instant as the API spells it."""
    if isinstance(value, datetime):
        return value.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if isinstance(value, Mapping):
        return {name: _spelt(item) for name, item in value.items()}
    return [_spelt(item) for item in value] if isinstance(value, list) else value
