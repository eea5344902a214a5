"""What a run was and what became of it, as a page."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from tests.faults.checker import Violation
from tests.faults.run import Options, Outcome


def kills(outcome: Outcome) -> Counter[str]:
    """All that killed a process, by what it was."""
    nemesis = Counter(e["event"] for e in outcome.histories.nemesis if e["event"].startswith("kill"))
    return nemesis + Counter(death["name"] for death in outcome.histories.deaths)


def faults(outcome: Outcome) -> Counter[str]:
    """The other faults."""
    names = (e["event"] for e in outcome.histories.nemesis)
    return Counter(n for n in names if not n.startswith("kill") and n not in {"life", "mended"})


def render(options: Options, outcome: Outcome, violations: Sequence[Violation]) -> str:
    h = outcome.histories
    accepted = {e["id"] for e in h.client if e["event"] == "answer" and e["status"] == 202}
    statuses = Counter(record["status"] for record in h.records)
    accepts = Counter((line["notification_id"], line["channel"]) for line in h.witness)
    duplicates = sum(times - 1 for times in accepts.values())
    unknown = [a for record in h.records for a in record["attempts"] if a["outcome"] == "unknown"]
    lost_with_process = sum(a["duration_ms"] is None for a in unknown)
    lost = sum(v.invariant.startswith(("1", "4")) for v in violations)
    waits = sorted(line_at - asked for line_at, asked in zip(*_accept_times(h.client, h.witness), strict=True))
    rows = [
        ("seed", options.seed),
        ("load and faults", f"{outcome.load_seconds:.0f} s, then drained in {outcome.drain_seconds:.0f} s"),
        ("kills", f"{sum(kills(outcome).values()):,}"),
        ("requests", f"{sum(e['event'] == 'request' for e in h.client):,}"),
        ("of which without an answer", f"{sum(e['event'] == 'lost' for e in h.client):,}"),
        ("notifications accepted (202)", f"{len(accepted):,}"),
        ("deliveries on record", f"{len(h.records):,}"),
        *((f"… {status}", f"{count:,}") for status, count in statuses.most_common()),
        ("accepts by providers", f"{len(h.witness):,}"),
        ("duplicates", f"{duplicates:,}"),
        ("attempts on record as unknown", f"{len(unknown):,}"),
        ("… because the process was lost", f"{lost_with_process:,}"),
        ("… because the provider's answer was", f"{len(unknown) - lost_with_process:,}"),
        ("**lost**", f"**{lost:,}**"),
        ("breaches of the invariants", f"{len(violations):,}"),
        ("back after a kill, p50 / p95 / max", _spread(outcome.recoveries)),
        ("from the first request to the first accept, p50 / p95 / max", _spread(waits)),
    ]
    page = [
        "| | |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in rows),
        "",
        "| killed | times |",
        "|---|---:|",
    ]
    page += [f"| {name} | {count:,} |" for name, count in sorted(kills(outcome).items())]
    page += ["", "| other faults | times |", "|---|---:|"]
    page += [f"| {name} | {count:,} |" for name, count in sorted(faults(outcome).items())]
    page += ["", *(f"- {v.invariant}: {v.what}" for v in violations[:50])]
    return "\n".join(page).rstrip() + "\n"


def _accept_times(
    client: Sequence[dict[str, object]], witness: Sequence[dict[str, object]]
) -> tuple[list[float], list[float]]:
    """When each delivery was first accepted by a provider, and when it was first asked for."""
    asked: dict[object, float] = {}
    ids: dict[object, float] = {}
    numbers: dict[object, object] = {}
    for event in client:
        if event["event"] == "request":
            asked.setdefault(event["key"], float(str(event["at"])))
            numbers[event["n"]] = event["key"]
        elif event.get("id"):
            ids[event["id"]] = asked[numbers[event["n"]]]
    first: dict[tuple[object, object], float] = {}
    for line in witness:
        at = datetime.fromisoformat(str(line["at"])).timestamp()
        first.setdefault((line["notification_id"], line["channel"]), at)
    both = [(at, ids[notification]) for (notification, _), at in first.items() if notification in ids]
    return [at for at, _ in both], [since for _, since in both]


def _spread(seconds: Sequence[float]) -> str:
    ordered = sorted(seconds)
    if not ordered:
        return "none"
    at = [ordered[min(int(len(ordered) * share), len(ordered) - 1)] for share in (0.5, 0.95, 1)]
    return " / ".join(f"{value:.1f} s" for value in at)
