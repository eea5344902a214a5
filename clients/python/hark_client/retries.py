"""Which failures are followed by another try, and after which pause."""

import email.utils
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Optional

import httpx

STATUSES = frozenset({429, 500, 502, 503, 504})
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
_OUR_FAULT = (httpx.UnsupportedProtocol, httpx.LocalProtocolError)


@dataclass(frozen=True)
class Retries:
    """total: seconds that one call takes at most, its pauses included, 0: one try; first, longest: pauses in seconds

    A pause is drawn between 0 and the first one doubled for each further try (full jitter), or is what `Retry-After`
    says where that is more.
    """

    total: float = 60.0
    first: float = 0.5
    longest: float = 10.0
    chance: Callable[[], float] = random.random

    def pause(self, tries: int, retry_after: Optional[float]) -> float:
        drawn: float = self.chance() * min(self.longest, self.first * 2 ** min(tries - 1, 16))
        return max(drawn, retry_after or 0.0)


def may_repeat(error: httpx.RequestError, is_repeatable: bool) -> bool:
    """Whether the request may be made again: it has surely not left, or does nothing twice."""
    return not isinstance(error, _OUR_FAULT) and (is_repeatable or isinstance(error, _NOT_SENT))


def may_have_arrived(error: httpx.RequestError) -> bool:
    return not isinstance(error, _NOT_SENT)


def retry_after(response: httpx.Response, now: datetime) -> Optional[float]:
    """Seconds, from either form of the header (RFC 9110, 10.2.3). None: it says nothing that can be read."""
    value = response.headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        at = email.utils.parsedate_to_datetime(value)
    except (TypeError, ValueError):  # the first is what Python 3.9 raises
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=timezone.utc)
    return max(0.0, (at - now).total_seconds())
