"""Which trace the work at hand belongs to: from the caller's `traceparent`, through Pub/Sub, to every line of the log.

https://www.w3.org/TR/trace-context/#traceparent-header. Cloud Run adds the header where a caller sent none.
"""

import re
import secrets
from contextvars import ContextVar

_HEADER = re.compile("(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}")

_current: ContextVar[str | None] = ContextVar("traceparent", default=None)


def bind(traceparent: str | None) -> None:
    """What this task does and logs from here on is part of that trace; of none when it has not the header's form."""
    _current.set(traceparent if traceparent is not None and _HEADER.fullmatch(traceparent) else None)


def current() -> str | None:
    """The `traceparent` to pass on."""
    return _current.get()


def ids() -> tuple[str, str] | None:
    """The trace's id and the span's, in hex."""
    match = _HEADER.fullmatch(_current.get() or "")
    return (match[1], match[2]) if match else None


def new() -> str:
    """For a request that came without one."""
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-00"
