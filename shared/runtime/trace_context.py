"""Which trace the work at hand belongs to: from the caller's `traceparent`, through Pub/Sub, to every line of the log.

https://www.w3.org/TR/trace-context/#traceparent-header. Cloud Run adds the header where a caller sent none.
"""

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_HEADER = re.compile("(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")

_current: ContextVar[re.Match[str] | None] = ContextVar("traceparent", default=None)


def bind(traceparent: str | None) -> None:
    """What this task does and logs from here on is part of that trace; of none when it has not the header's form."""
    _current.set(_HEADER.fullmatch(traceparent or ""))


@contextmanager
def bound(traceparent: str | None) -> Iterator[None]:
    """The same until the end of the block."""
    before = _current.set(_HEADER.fullmatch(traceparent or ""))
    try:
        yield
    finally:
        _current.reset(before)


def current() -> str | None:
    """The `traceparent` to pass on."""
    match = _current.get()
    return match and match[0]


def ids() -> tuple[str, str] | None:
    """The trace's id and the span's, in hex."""
    match = _current.get()
    return match and (match[1], match[2])


def parse(traceparent: str) -> tuple[int, int, int] | None:
    """The trace's id, the span's and the flags; None when it has not the header's form."""
    match = _HEADER.fullmatch(traceparent)
    return match and (int(match[1], 16), int(match[2], 16), int(match[3], 16))


def new() -> str:
    """For a request that came without one, where nobody records."""
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-00"


def traceparent(trace_id: int, span_id: int, flags: int) -> str:
    """The header of that span."""
    return f"00-{trace_id:032x}-{span_id:016x}-{flags:02x}"
