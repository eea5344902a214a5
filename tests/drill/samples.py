"""What Cloud Monitoring would have of a run: samples of metrics over time, in the text form that Prometheus takes."""

import json
from collections import Counter as Count
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.drill.conditions import Counter
from tests.drill.log_filter import matcher

Labels = tuple[tuple[str, str], ...]
REQUESTS = "run_googleapis_com:request_count"
OLDEST = "pubsub_googleapis_com:subscription_oldest_unacked_message_age"
DEAD_LETTERED = "pubsub_googleapis_com:subscription_dead_letter_message_count"
OF_FUNCTIONS = ("monitored_resource", "cloud_run_revision")
OF_SUBSCRIPTIONS = ("monitored_resource", "pubsub_subscription")


@dataclass(frozen=True)
class Event:
    """One that a counter counts. at: seconds since 1970"""

    at: float
    metric: str
    labels: Labels


@dataclass(frozen=True)
class Level:
    """A gauge at one moment."""

    at: float
    metric: str
    labels: Labels
    value: float


@dataclass
class Samples:
    """All of a run; whoever measures adds to it."""

    events: list[Event] = field(default_factory=list)
    levels: list[Level] = field(default_factory=list)

    def request(self, at: float, service: str, status: int) -> None:
        labels = (OF_FUNCTIONS, ("service_name", service), ("response_code_class", f"{status // 100}xx"))
        self.events.append(Event(at, REQUESTS, labels))


def entries(logs: Path) -> Iterator[tuple[float, Mapping[str, Any]]]:
    """What the functions have logged, with the time of each entry."""
    for log in logs.glob("*.log"):
        for line in log.read_text(errors="replace").splitlines():
            if line.startswith("{") and line.endswith("}"):
                entry = json.loads(line)
                if "time" in entry:
                    yield datetime.fromisoformat(entry["time"]).timestamp(), entry


def counted(
    logged: Iterable[tuple[float, Mapping[str, Any]]], counters: Sequence[Counter], stretched: float
) -> Iterator[Event]:
    """What the metrics of logs count. stretched: how much longer a second is on the drill's clock"""
    filters = [(counter, matcher(counter.filter)) for counter in counters]
    for at, written in logged:
        took = written.get("accept_to_sent_ms")
        entry = written if took is None else {**written, "accept_to_sent_ms": took * stretched}
        for counter, matches in filters:
            if matches(entry):
                labels = ((name, str(entry.get(name) or "")) for name in counter.labels)
                yield Event(at, counter.metric, (OF_FUNCTIONS, *labels))


def exposed(samples: Samples, began: float, ended: float, stretched: float, step: float = 1.0) -> Iterator[str]:
    """OpenMetrics: each counter's total and each gauge, every `step` seconds; time begins at 0 and runs `stretched`.

    A counter begins at zero before its first event, as Cloud Monitoring takes it. A count of requests has samples only
    when there are some: infra/ raises an alarm when it has none.
    """
    by_series: dict[tuple[str, Labels], list[float]] = {}
    for event in samples.events:
        by_series.setdefault((event.metric, event.labels), []).append(event.at)
    ticks = [began + step * n for n in range(int((ended - began) / step) + 1)]
    for (metric, labels), times in sorted(by_series.items()):
        at_tick, total = Count(int((at - began) / step) + 1 for at in times), 0
        for number, tick in enumerate(ticks):
            total += at_tick[number]
            if metric != REQUESTS or number == 0 or at_tick[number]:
                yield f"{metric}{_written(labels)} {total} {(tick - began) * stretched:.3f}"
    for level in sorted(samples.levels, key=lambda level: (level.metric, level.labels, level.at)):
        since = (level.at - began) * stretched
        yield f"{level.metric}{_written(level.labels)} {level.value * stretched:.3f} {since:.3f}"
    yield "# EOF"


def _written(labels: Labels) -> str:
    return "{" + ",".join(f"{name}={json.dumps(value)}" for name, value in labels) + "}"
