"""doctor: whether a deployment is well, as far as it can be seen from outside.

Left out, since neither the API nor DNS says it: when the relay last ran, the gateway's clock, and the settings of the
functions. What stands still shows a relay that does not run.
"""

import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated, Any, Optional

import typer

from hark_client import errors
from hark_client.cli import options, sender_domain
from hark_client.cli.findings import OK, UNKNOWN, WRONG, Finding
from hark_client.cli.output import result, table
from hark_client.cli.session import ended_badly, session
from hark_client.client import Client
from hark_client.models import Channel

_LATE = timedelta(minutes=5)  # the relay runs each minute; the alert for what waits has the same
_REPORTED_WITHIN = timedelta(hours=1)
_LOOKED_AT = 200  # notifications, for each question


def doctor(
    context: typer.Context,
    domain: Annotated[Optional[str], typer.Option(help="The sender's domain, whose DNS is looked at.")] = None,
    selectors: Annotated[
        Optional[list[str]], typer.Option("--dkim-selector", help="Of the sender's DKIM key, as s1.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Whether the gateway answers, channels send, receipts arrive and nothing stands still. 4 if something is wrong."""
    now = session(context)
    found = [_url(os.environ.get("HARK_URL", ""))]
    with now.connect() as client:
        channels = client.channels.list()
        try:
            found.append(Finding("API key", OK, f"the gateway has {len(list(channels))} channels"))
        except errors.Unauthorized:
            found.append(Finding("API key", WRONG, "the gateway does not know it, or it is revoked"))
        else:
            found += _of_gateway(client, list(channels), now.now())
    if domain is not None:
        found += sender_domain.findings(domain, selectors or [], now.texts)
    rows = [(finding.check, finding.verdict, finding.about) for finding in found]
    result([asdict(finding) for finding in found], as_json, table(["check", "verdict", "what"], rows))
    if any(finding.verdict == WRONG for finding in found):
        ended_badly()


def _url(url: str) -> Finding:
    local = url.startswith(("http://127.", "http://localhost", "http://[::1]"))
    if url.startswith("https://") or local:
        return Finding("HARK_URL", OK, "nobody on the way can read the key")
    return Finding("HARK_URL", WRONG if url else UNKNOWN, "not https: whoever is on the way can read the key")


def _of_gateway(client: Client, channels: Sequence[Channel], now: datetime) -> Iterator[Finding]:
    questions: dict[str, Callable[[], Iterator[Finding]]] = {
        "channels": lambda: _states(channels),
        "relay": lambda: _standing_still(client, channels, now),
        "operations": lambda: _operations(client, now),
        "receipts": lambda: _receipts(client, channels, now),
    }
    for check, ask in questions.items():
        yield from _asked(check, ask)


def _asked(check: str, ask: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from ask()
    except errors.Forbidden:
        yield Finding(check, UNKNOWN, "this caller may not see it")


def _states(channels: Sequence[Channel]) -> Iterator[Finding]:
    for channel in channels:
        down = [f"{p.name} is down: {p.reason or 'it fails'}" for p in channel.providers if p.state == "open"]
        if channel.state != "active":
            said = f"it is {channel.state}: {channel.reason or 'none of its providers is there'}"
            yield Finding(f"channel {channel.name}", WRONG, said)
        else:
            yield Finding(f"channel {channel.name}", WRONG if down else OK, "; ".join(down) or "it sends")


def _standing_still(client: Client, channels: Sequence[Channel], now: datetime) -> Iterator[Finding]:
    held = {channel.name for channel in channels if channel.state != "active"}
    late = 0
    statuses: tuple[Any, ...] = ("queued", "retrying", "scheduled")
    for status in statuses:
        for notification in itertools.islice(client.notifications.list(status=status, limit=100), _LOOKED_AT):
            for delivery in notification.deliveries:
                due = delivery.next_try_at or notification.send_at
                if due is None and status != "scheduled":  # of a step of an escalation nobody says when its turn is
                    due = delivery.updated_at
                waits = due is not None and delivery.status == status and delivery.channel not in held
                late += waits and due is not None and now - max(due, delivery.updated_at) > _LATE
    if late:
        yield Finding("relay", WRONG, f"{late} deliveries have been due for more than 5 minutes: does the relay run?")
    else:
        yield Finding("relay", OK, "no delivery has been due for more than 5 minutes")


def _operations(client: Client, now: datetime) -> Iterator[Finding]:
    running = [o for o in itertools.islice(client.operations.list(limit=100), _LOOKED_AT) if o.state == "running"]
    still = [o.id for o in running if now - o.updated_at > _LATE]
    if still:
        yield Finding("operations", WRONG, f"not worked off for more than 5 minutes: {', '.join(still)}")
    else:
        yield Finding("operations", OK, f"{len(running)} are running, and none stands still")


def _receipts(client: Client, channels: Sequence[Channel], now: datetime) -> Iterator[Finding]:
    """By what was sent in the last day, over channels whose providers report back."""
    reporting = {(c.name, p.name) for c in channels for p in c.providers if p.receipts}
    reported, silent = dict.fromkeys((name for name, _ in sorted(reporting)), 0), dict[str, int]()
    statuses: tuple[Any, ...] = ("delivered", "undelivered", "sent")
    for status in statuses:
        recent = client.notifications.list(status=status, from_=now - timedelta(days=1), limit=100)
        for delivery in itertools.chain.from_iterable(n.deliveries for n in itertools.islice(recent, _LOOKED_AT)):
            if delivery.status != status or (delivery.channel, delivery.provider) not in reporting:
                continue
            if status != "sent":
                reported[delivery.channel] += 1
            elif now - delivery.updated_at > _REPORTED_WITHIN:
                silent[delivery.channel] = silent.get(delivery.channel, 0) + 1
    for channel, count in reported.items():
        if count:
            yield Finding(f"receipts {channel}", OK, f"{count} of the last day were reported on")
        elif channel in silent:
            said = f"none of {silent[channel]} that were sent over an hour ago was reported on: do receipts arrive?"
            yield Finding(f"receipts {channel}", WRONG, said)
        else:
            yield Finding(f"receipts {channel}", UNKNOWN, "nothing that could be reported on was sent in the last day")
