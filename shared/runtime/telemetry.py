"""Spans and metrics: the rest of the code says here what it does and how often, whoever listens.

With OTEL=none (the default) nobody does: a call costs less than a microsecond, and OpenTelemetry is not imported, which
takes 0.05 s of CPU on top of a function's 0.6 (2026-11). Attributes hold ids, names, numbers and codes; never an
address, a text or a secret.

A span is part of the trace that is current (`trace_context.py`), and is current itself while it is open; so what is
logged and published within it belongs to it.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from enum import Enum
from typing import Protocol

from shared.runtime import trace_context
from shared.runtime.logs import get_logger, place

log = get_logger(__name__)

Attributes = Mapping[str, str | int | float]

# What is counted, each with what it is told apart by.
ACCEPTED = "hark.accepted"  # deliveries put on record: channel
ATTEMPTS = "hark.attempts"  # those that a channel function put on record: channel, provider, outcome
ACCEPT_TO_SENT = "hark.accept_to_sent"  # seconds from the 202, or the replay's, to "sent": channel, provider
REPUBLISHED = "hark.relay.republished"  # overdue deliveries: channel
LEASE_CONFLICTS = "hark.lease_conflicts"  # messages whose delivery another had claimed: channel


class Kind(Enum):
    """OpenTelemetry's. A span of the last two is made within a trace only: alone it would tell nobody anything."""

    INTERNAL = "internal"
    SERVER = "server"
    CONSUMER = "consumer"
    CLIENT = "client"
    PRODUCER = "producer"


_PARTS = frozenset({Kind.CLIENT, Kind.PRODUCER})


class Span:
    """What one step can say of itself; this one, that nobody listens to, says nothing."""

    traceparent: str | None = None
    """What another span names as its parent or links to."""

    def name(self, name: str) -> None:
        """For a name that is known only at the end."""

    def note(self, attributes: Attributes) -> None:
        """More attributes."""

    def fail(self, code: str) -> None:
        """It did not do what it was there for. code: a word or number of ours or the protocol's."""


class Backend(Protocol):
    """What exports. `shared/runtime/telemetry_export.py` is the one."""

    def span(
        self, name: str, kind: Kind, parent: str | None, links: Sequence[str], attributes: Attributes
    ) -> AbstractContextManager[Span]: ...

    def count(self, name: str, amount: int, attributes: Attributes) -> None: ...

    def record(self, name: str, value: float, attributes: Attributes) -> None: ...


_NOTHING = nullcontext(Span())
_open: Callable[[], Backend] | None = None
_backend: Backend | None = None


def configure(opened: Callable[[], Backend] | None) -> None:
    """Called once by each composition root. `opened` is called at the first use: its threads do not outlive a fork."""
    global _open, _backend
    _open, _backend = opened, None


def span(
    name: str, kind: Kind = Kind.INTERNAL, attributes: Attributes | None = None, links: Sequence[str | None] = ()
) -> AbstractContextManager[Span]:
    """One step, from entering to leaving. links: the `traceparent`s of earlier ones that it goes on from, or None."""
    if _open is None or (kind in _PARTS and trace_context.current() is None) or (backend := _listening()) is None:
        return _NOTHING
    return backend.span(name, kind, trace_context.current(), [link for link in links if link], attributes or {})


def count(name: str, attributes: Attributes, amount: int = 1) -> None:
    if _open is not None and (backend := _listening()):
        backend.count(name, amount, attributes)


def record(name: str, value: float, attributes: Attributes) -> None:
    """One value of a distribution."""
    if _open is not None and (backend := _listening()):
        backend.record(name, value, attributes)


def _listening() -> Backend | None:
    """None, from then on, when there is nobody to be had: a variable of OpenTelemetry is wrong, or credentials lack."""
    global _open, _backend  # noqa: PLW0603
    if _backend is None and _open is not None:
        try:
            _backend = _open()
        except Exception as error:
            log.error("no traces and no metrics", error=place(error))
            _open = None
    return _backend
