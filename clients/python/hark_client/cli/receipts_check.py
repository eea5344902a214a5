"""Whether what providers report back arrives, by what was sent: doctor's check."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from hark_client.cli.findings import OK, UNKNOWN, WRONG, Finding
from hark_client.client import Client
from hark_client.models import Channel

_REPORTED_WITHIN = timedelta(hours=1)
_LOOKED_AT = 200  # notifications, of each status
_SOME = 5  # a phone that is off is not reported on either


@dataclass
class _Sent:
    """When: what was reported on, and what not."""

    reported: list[datetime] = field(default_factory=list)
    silent: list[datetime] = field(default_factory=list)


def receipts(client: Client, channels: Sequence[Channel], now: datetime) -> Iterator[Finding]:
    """By what was sent in the last day, over channels whose providers report back."""
    reporting = {(channel.name, p.name) for channel in channels for p in channel.providers if p.receipts}
    sent = {name: _Sent() for name, _ in sorted(reporting)}
    statuses: tuple[Any, ...] = ("delivered", "undelivered", "sent")
    for status in statuses:
        recent = client.notifications.list(status=status, from_=now - timedelta(days=1), limit=100)
        for delivery in itertools.chain.from_iterable(n.deliveries for n in itertools.islice(recent, _LOOKED_AT)):
            if delivery.status == status and (delivery.channel, delivery.provider) in reporting:
                of = sent[delivery.channel]
                (of.silent if status == "sent" else of.reported).append(delivery.updated_at)
    for channel, of in sent.items():
        verdict, about = _judged(of, now)
        yield Finding(f"receipts {channel}", verdict, about)


def _judged(sent: _Sent, now: datetime) -> tuple[str, str]:
    last = max(sent.reported, default=None)
    late = [at for at in sent.silent if now - at > _REPORTED_WITHIN and (last is None or at > last)]
    if late and (last is None or len(late) >= _SOME):
        since = "" if last is None else f" since {last:%H:%M} UTC"
        said = f"none of {len(late)} that were sent over an hour ago was reported on{since}: do receipts arrive?"
        return WRONG, said
    if last is not None:
        return OK, f"{len(sent.reported)} of the last day were reported on"
    if sent.silent:
        return UNKNOWN, f"{len(sent.silent)} were sent within the last hour, and none is reported on yet"
    return UNKNOWN, "nothing that could be reported on was sent in the last day"
