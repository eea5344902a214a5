"""What an endpoint's answer means, by https://github.com/standard-webhooks/standard-webhooks (spec, "Responses").

2xx is success, and anything else is tried again: an endpoint has no table of codes, and what it answers 400 to today
it may take when it is mended. It has said no each time, and knows a repeat by its id.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from shared.delivery.errors import Permanent, Retryable, SendError, Throttled
from shared.http.client import header, seconds

GONE = 410
_ASKS_FOR_TIME = frozenset({429, 503})


def of_answer(status: int, headers: Mapping[str, str], now: datetime) -> SendError | None:
    """None: it has the webhook."""
    if 200 <= status < 300:
        return None
    text = f"the endpoint answered {status}"
    if status == GONE:
        return Permanent(f"{text}: it wants no more")
    pause = _pause(header(headers, "Retry-After"), now)
    if status == 429 or (status in _ASKS_FOR_TIME and pause is not None):
        return Throttled(text, retry_after=pause)
    return Retryable(text)


def _pause(retry_after: str | None, now: datetime) -> float | None:
    """In seconds. It is a number of them, or a time (RFC 9110, 10.2.3)."""
    number = seconds(retry_after)
    if number is not None or retry_after is None:
        return number
    try:
        at = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return seconds(str(max(0.0, (at - now).total_seconds())))
