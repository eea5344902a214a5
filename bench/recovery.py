"""How Hark recovers from a provider's outage: `python -m bench.recovery [--seed 1] [--timeline NAME --every MINUTES]`.

Prints the table of docs/scale.md; with --timeline one of its rows over time; with --for-good when deliveries are dead
if the provider never comes back. Simulated: see bench/outage.py for what is Hark's own code in it, bench/pushes.py for
what is known of Pub/Sub and what is assumed.
"""

import argparse
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta

from bench.dollars import PRICES, PUBSUB_LEAST, TIB
from bench.outage import Minute, Scenario, Simulation
from bench.pushes import Subscription
from shared.runtime.settings import CoreSettings


@dataclass(frozen=True, slots=True)
class Row:
    """Settings, and how the provider and Pub/Sub behave."""

    name: str
    max_attempts: int = 20  # infra/settings.yaml
    retry_base_seconds: float = 10
    retry_cap_seconds: float = 600
    push_backoff: bool = False
    times_out: bool = False
    provider_rate: float | None = None
    breaker: bool = False
    weight: int = 0
    rate: float = 1000.0

    def scenario(self, seed: int, weight: int) -> Scenario:
        settings = CoreSettings(
            google_cloud_project="simulated",
            max_attempts=self.max_attempts,
            retry_base_seconds=self.retry_base_seconds,
            retry_cap_seconds=self.retry_cap_seconds,
        )
        return Scenario(
            policy=settings.policy(),
            subscription=Subscription(push_backoff=self.push_backoff),
            times_out=self.times_out,
            provider_rate=self.provider_rate,
            breaker=self.breaker,
            rate=self.rate,
            instances=20 if self.rate > 1 else 1,
            seed=seed,
            weight=self.weight or weight,
        )


# With the breaker each call counts: a sample stands for ten deliveries, and one instance for ten.
ROWS = [
    Row("breaker", breaker=True, weight=10),
    Row("breaker, timeouts", breaker=True, weight=10, times_out=True),
    Row("breaker, provider takes 2,000/s", breaker=True, weight=10, provider_rate=2000),
    Row("breaker, 5 attempts", breaker=True, weight=10, max_attempts=5),
    Row("breaker, one in 5 minutes", breaker=True, weight=1, rate=1 / 300),
    Row("breaker, one in 5 minutes, 5 attempts", breaker=True, weight=1, rate=1 / 300, max_attempts=5),
    Row("20 attempts"),
    Row("20 attempts, timeouts", times_out=True),
    Row("20 attempts, pushes pause", push_backoff=True),
    Row("20 attempts, provider takes 2,000/s", provider_rate=2000),
    Row("20, pushes pause, provider takes 2,000/s", push_backoff=True, provider_rate=2000),
    Row("5 attempts", max_attempts=5),
    Row("5 attempts, timeouts", max_attempts=5, times_out=True),
    Row("5 attempts, pushes pause", max_attempts=5, push_backoff=True),
    Row("10 attempts", max_attempts=10),
    Row("12 attempts, base 30 s, cap 1,200 s", max_attempts=12, retry_base_seconds=30, retry_cap_seconds=1200),
    Row("8 attempts, base 60 s, cap 3,600 s", max_attempts=8, retry_base_seconds=60, retry_cap_seconds=3600),
]

HEAD = (
    "| scenario | accepted | sent | dead | calls that failed | 429s | pushes | relay's publishes "
    "| most pending | gone after | peak calls/s | $ beyond |\n" + "|---|" + "---:|" * 11
)


def line(row: Row, seed: int, weight: int) -> str:
    """The row of the table. "gone after": minutes from the outage's end until no delivery was a minute late."""
    simulation = run(row.scenario(seed, weight))
    minutes, s = simulation.minutes, simulation.scenario

    def total(name: str) -> str:
        return f"{sum(getattr(minute, name) for minute in minutes):,}"

    late = [n for n, minute in enumerate(minutes, 1) if minute.oldest_seconds > 60]
    gone = max(late, default=0) + 1 - (s.outage_at + s.outage_for) / 60
    cells = [row.name, *(total(n) for n in ("accepted", "sent", "dead", "failed_attempts", "throttled", "pushes"))]
    cells += [total("relayed"), f"{max(minute.pending for minute in minutes):,}", f"{gone:.0f} min"]
    return "| " + " | ".join([*cells, f"{simulation.peak_calls:,}", f"{beyond(minutes):.2f}"]) + " |"


def beyond(minutes: Sequence[Minute]) -> float:
    """Dollars that it cost beyond each delivery's two writes and one push."""
    writes, reads, pushes, relayed = (
        sum(getattr(minute, name) for minute in minutes) for name in ("writes", "reads", "pushes", "relayed")
    )
    sent = sum(minute.sent for minute in minutes)
    more = pushes - sum(minute.accepted for minute in minutes)
    pubsub = (more + relayed) * PUBSUB_LEAST / TIB * PRICES["Pub/Sub TiB"]
    firestore = (writes - 2 * sent) * PRICES["write"] + reads * PRICES["read"]
    return float(firestore + more * PRICES["request"] + pubsub)


def run(scenario: Scenario) -> Simulation:
    simulation = Simulation(scenario)
    simulation.run()
    return simulation


def for_good(row: Row, seed: int) -> str:
    """Of 1 a second for ten minutes, all into an outage without an end: minutes from the 202 to `dead`."""
    scenario = replace(row.scenario(seed, 1), rate=1.0, accepts_for=600.0, outage_at=0.0, outage_for=48 * 3600.0)
    deliveries = run(scenario).deliveries
    minutes = sorted((d.dead_at - d.created_at) / timedelta(minutes=1) for d in deliveries if d.dead_at)
    cells = [f"{minutes[at]:.0f}" for at in (0, len(minutes) // 2, -1)]
    return f"| {row.name} | {' | '.join(cells)} |"


def timeline(minutes: list[Minute], every: int) -> str:
    lines = ["| minute | pending | Pub/Sub backlog | oldest | sent/s | dead/s | failed calls/s | 429/s | relayed/s |"]
    lines.append("|" + "---:|" * 9)
    for n, m in list(enumerate(minutes, 1))[every - 1 :: every]:
        rates = (m.sent, m.dead, m.failed_attempts, m.throttled, m.relayed)
        cells = [str(n), f"{m.pending:,}", f"{m.messages:,}", str(timedelta(seconds=round(m.oldest_seconds)))]
        lines.append("| " + " | ".join(cells + [f"{rate / 60:,.0f}" for rate in rates]) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--weight", type=int, default=100, help="one simulated delivery stands for so many")
    parser.add_argument("--timeline", choices=[row.name for row in ROWS])
    parser.add_argument("--for-good", action="store_true")
    parser.add_argument("--every", type=int, default=1, help="minutes from one line to the next")
    arguments = parser.parse_args()
    if arguments.timeline:
        row = next(row for row in ROWS if row.name == arguments.timeline)
        print(timeline(run(row.scenario(arguments.seed, arguments.weight)).minutes, arguments.every))
        return
    if arguments.for_good:
        print("| scenario | first | median | last |\n|---|---:|---:|---:|")
        for row in ROWS:
            if row.provider_rate is None:
                print(for_good(row, arguments.seed))
        return
    print(HEAD)
    with ProcessPoolExecutor(2) as pool:
        count = len(ROWS)
        for printed in pool.map(line, ROWS, [arguments.seed] * count, [arguments.weight] * count):
            print(printed, flush=True)


if __name__ == "__main__":
    main()
