"""What rounds were and what became of them, as a page."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tests.faults.checker import Violation
from tests.faults.histories import Event
from tests.faults.lost_answers import duplicates
from tests.faults.run import Options, Outcome

_NUMBER = re.compile(r"\d+(\.\d+)?")


@dataclass
class Tally:
    """Of all rounds so far. `counts` by name; `waits`: seconds from a delivery's first request to its first accept.

    starved: rounds that say nothing, and count for nothing else
    """

    rounds: int = 0
    starved: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    """Of the attempts on record as unknown of deliveries that were accepted more than once."""
    asked: Counter[str] = field(default_factory=Counter)
    """Of the duplicates: their channel, and what their provider had said."""
    recoveries: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    violations: list[tuple[str, Violation]] = field(default_factory=list)
    """With the round's seed."""

    def add(self, options: Options, outcome: Outcome, violations: Sequence[Violation]) -> None:
        h = outcome.histories
        accepts = Counter((line["notification_id"], line["channel"]) for line in h.witness)
        unknown = [a for record in h.records for a in record["attempts"] if a["outcome"] == "unknown"]
        self.rounds += 1
        self.counts.update(
            {
                "seconds of load and faults": round(outcome.load_seconds),
                "seconds of draining": round(outcome.drain_seconds),
                "requests": sum(e["event"] == "request" for e in h.client),
                "of which without an answer": sum(e["event"] == "lost" for e in h.client),
                "notifications accepted (202)": len(accepted(h.client)),
                "deliveries on record": len(h.records),
                "accepts by providers": len(h.witness),
                "duplicates": sum(times - 1 for times in accepts.values()),
                "attempts on record as unknown": len(unknown),
                "of which with their process": sum(a["duration_ms"] is None for a in unknown),
                "lost": sum(v.invariant[0] in "14" for v in violations),
                "breaches of the invariants": len(violations),
            }
        )
        self.reasons.update(
            _NUMBER.sub("…", attempt["error"])
            for record in h.records
            for attempt in record["attempts"]
            if attempt["outcome"] == "unknown" and accepts[record["id"], record["channel"]] > 1
        )
        self.asked.update(f"{duplicate.channel}: {duplicate.asked}" for duplicate in duplicates(h))
        self.statuses.update(record["status"] for record in h.records)
        self.kills += kills(outcome)
        names = (e["event"] for e in h.nemesis)
        self.faults.update(n for n in names if not n.startswith("kill") and n not in {"life", "mended"})
        self.recoveries += outcome.recoveries
        self.waits += _waits(h.client, h.witness)
        self.violations += [(options.seed, violation) for violation in violations]


def accepted(client: Sequence[Event]) -> set[str]:
    """The ids that were answered with 202."""
    return {event["id"] for event in client if event["event"] == "answer" and event["status"] == 202}


def kills(outcome: Outcome) -> Counter[str]:
    """All that killed a process, by what it was."""
    nemesis = Counter(e["event"] for e in outcome.histories.nemesis if e["event"].startswith("kill"))
    return nemesis + Counter(death["name"] for death in outcome.histories.deaths)


def render(seed: str, tally: Tally) -> str:
    rows = [
        ("seed", seed),
        ("rounds, each with its own system", str(tally.rounds)),
        ("rounds that a starved machine spoilt", str(tally.starved)),
        ("kills", f"{tally.kills.total():,}"),
        *((name, f"{count:,}") for name, count in tally.counts.items()),
        ("back after a kill, p50 / p95 / max", _spread(tally.recoveries)),
        ("from the first request to the first accept, p50 / p95 / max", _spread(tally.waits)),
    ]
    page = [table(("", ""), rows)]
    titled = {
        "ended": tally.statuses,
        "killed": tally.kills,
        "other faults": tally.faults,
        "reason on record, where there is a duplicate": tally.reasons,
        "duplicates, and what was known of the message before": tally.asked,
    }
    for title, counter in titled.items():
        page.append(table((title, "times"), [(name, f"{count:,}") for name, count in sorted(counter.items())]))
    if tally.violations:
        page.append("\n".join(f"- {seed}: {v.invariant}: {v.what}" for seed, v in tally.violations[:50]) + "\n")
    return "\n".join(page)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Its last column on the right."""
    lines = (head, ["---"] * (len(head) - 1) + ["---:"], *rows)
    return "\n".join([*(f"| {' | '.join(line)} |" for line in lines), ""])


def _waits(client: Sequence[Event], witness: Sequence[Event]) -> list[float]:
    keys: dict[int, str] = {}
    asked: dict[str, float] = {}
    since: dict[str, float] = {}
    for event in client:
        if event["event"] == "request":
            keys[event["n"]] = event["key"]
            asked.setdefault(event["key"], event["at"])
        elif event["event"] == "answer" and event["id"]:
            since[event["id"]] = asked[keys[event["n"]]]
    return [at - since[notification] for (notification, _), at in _first(witness).items() if notification in since]


def _first(witness: Sequence[Event]) -> Mapping[tuple[str, str], float]:
    first: dict[tuple[str, str], float] = {}
    for line in witness:
        at = datetime.fromisoformat(line["at"]).timestamp()
        first.setdefault((line["notification_id"], line["channel"]), at)
    return first


def _spread(seconds: Sequence[float]) -> str:
    ordered = sorted(seconds)
    if not ordered:
        return "none"
    at = [ordered[min(int(len(ordered) * share), len(ordered) - 1)] for share in (0.5, 0.95, 1)]
    return " / ".join(f"{value:.1f} s" for value in at)
