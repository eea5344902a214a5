"""A backend of spans and metrics that keeps them in a list."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from shared.runtime import trace_context
from shared.runtime.telemetry import Attributes, Kind, Span


@dataclass
class MemorySpan(Span):
    title: str
    kind: Kind
    parent: str | None
    links: Sequence[str]
    attributes: dict[str, str | int | float]
    traceparent: str | None = None
    failed: str | None = None

    def name(self, name: str) -> None:
        self.title = name

    def note(self, attributes: Attributes) -> None:
        self.attributes.update(attributes)

    def fail(self, code: str) -> None:
        self.failed = code


@dataclass
class MemoryTelemetry:
    spans: list[MemorySpan] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    """By name and the values of its attributes: `hark.attempts email scripted accepted`."""
    values: dict[str, list[float]] = field(default_factory=dict)

    def titles(self) -> list[str]:
        return [span.title for span in self.spans]

    @contextmanager
    def span(
        self, name: str, kind: Kind, parent: str | None, links: Sequence[str], attributes: Attributes
    ) -> Iterator[Span]:
        trace_id = int(parent.split("-")[1], 16) if parent else 0xABC
        made = MemorySpan(name, kind, parent, links, dict(attributes))
        made.traceparent = trace_context.traceparent(trace_id, len(self.spans) + 1, 1)
        self.spans.append(made)
        try:
            with trace_context.bound(made.traceparent):
                yield made
        except BaseException as error:
            made.fail(type(error).__name__)
            raise

    def count(self, name: str, amount: int, attributes: Attributes) -> None:
        self.counts[_key(name, attributes)] += amount

    def record(self, name: str, value: float, attributes: Attributes) -> None:
        self.values.setdefault(_key(name, attributes), []).append(value)


def _key(name: str, attributes: Attributes) -> str:
    return " ".join([name, *map(str, attributes.values())])
