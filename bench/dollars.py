"""Dollars for a million notifications: `python -m bench.rpc_costs --json > FILE && python -m bench.dollars FILE`.

Prints the table of docs/scale.md, which also has the sources of PRICES. Free tiers are left out.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MILLION = 1_000_000
GIB, TIB = 2**30, 2**40
RETRIED = 0.05  # of the notifications, each once
PUBSUB_LEAST = 1000  # bytes that a publish or push request is billed as at least
CLOUD_RUN_LEAST = 0.1  # seconds that an instance's time is rounded up to
USED = 0.5  # of an instance's CPU while it is busy: an assumption; nothing that was measured
MEMORY = 0.5  # GiB an instance, infra/deploy.py

PRICES = {
    "read": 0.03 / 100_000,
    "write": 0.09 / 100_000,
    "delete": 0.01 / 100_000,
    "stored GiB-month": 0.15,
    "Pub/Sub TiB": 40.0,
    "request": 0.40 / MILLION,
    "vCPU-second": 0.000024,
    "GiB-second": 0.0000025,
    "log GiB": 0.50,
    "egress GiB": 0.12,
    "load-balanced GiB": 0.008,
}

BUSY, LONE = "Cloud Run time, busy instances", "Cloud Run time, lone requests"

Case = tuple[str, dict[str, Any], float, bool]


def table(measured: dict[str, Any]) -> Iterator[str]:
    first, retried = measured["one channel, first try"], measured["one channel, one retry"]
    cases: list[Case] = [
        ("first try", first, 0.0, False),
        ("5 % retried", first, RETRIED, False),
        ("5 % retried, receipts", first, RETRIED, True),
        ("three channels", measured["three channels"], 0.0, False),
    ]
    costs = [dollars(measured, case, retried) for case in cases]
    yield "| $ a million | " + " | ".join(name for name, *_ in cases) + " |"
    yield "|---|" + "---:|" * len(cases)
    for row in costs[0]:
        yield f"| {row} | " + " | ".join(f"{cost[row]:.2f}" for cost in costs) + " |"
    for name, other in ((BUSY, LONE), (LONE, BUSY)):
        sums = [sum(value for row, value in cost.items() if row != other) for cost in costs]
        yield f"| **sum with {name}** | " + " | ".join(f"**{value:.2f}**" for value in sums) + " |"


def dollars(measured: dict[str, Any], case: Case, retry: dict[str, Any]) -> dict[str, float]:
    """By service, for a million notifications."""
    _, way, retried, receipts = case
    receipt = measured["receipt"]["names its notification"]

    def asked(name: str) -> float:
        """Of Firestore or of the log, by the gateway and the functions."""
        once = way["gateway"][name] + way["function"][name]
        again = retry["gateway"][name] + retry["function"][name]
        return float(once + retried * (again - once) + receipts * receipt[name])

    messages = len(way["push_request_bytes"])
    pushes = messages * (1 + retried)
    billed = sum(max(PUBSUB_LEAST, size) for size in way["pubsub_message_bytes"]) * (2 + retried)
    requests = 1 + pushes + receipts
    cpu = (measured["cpu"]["accept_ms"] + measured["cpu"]["push_ms"] * (pushes + receipts)) / 1000
    second = PRICES["vCPU-second"] + MEMORY * PRICES["GiB-second"]
    indexed = way["index"]["query_bytes"] + way["index"]["automatic_bytes"]
    each = {
        "Firestore writes": asked("writes") * PRICES["write"],
        "Firestore reads": asked("reads") * PRICES["read"],
        "Firestore deletes by TTL": way["documents"] * PRICES["delete"],
        "Firestore documents, 30 days": way["stored_bytes"] / GIB * PRICES["stored GiB-month"],
        "Firestore indexes, 30 days": indexed / GIB * PRICES["stored GiB-month"],
        "Pub/Sub throughput": billed / TIB * PRICES["Pub/Sub TiB"],
        "Cloud Run requests": requests * PRICES["request"],
        BUSY: cpu / USED * second,
        LONE: requests * CLOUD_RUN_LEAST * second,
        "Logging, our own lines": asked("log_bytes") / GIB * PRICES["log GiB"],
        "egress, the 202's body": way["answer_bytes"] / GIB * PRICES["egress GiB"],
        "load balancer, bodies": (way["request_bytes"] + way["answer_bytes"]) / GIB * PRICES["load-balanced GiB"],
    }
    return {name: MILLION * cost for name, cost in each.items()}


if __name__ == "__main__":
    print("\n".join(table(json.loads(Path(sys.argv[1]).read_text()))))
