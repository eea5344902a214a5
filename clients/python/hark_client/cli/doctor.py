"""doctor: whether a deployment is well, as far as it can be seen from outside.

What a channel's function alone has, as its provider's key, the gateway does not know: a wrong one shows by a provider
that is down and by dead letters, and without one the function does not start, so that what is due stays due.
"""

import itertools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from hark_client import errors
from hark_client.cli import options, sender_domain
from hark_client.cli.findings import DOUBTFUL, OK, UNKNOWN, WRONG, Finding
from hark_client.cli.operations import progress
from hark_client.cli.output import plain, result, table
from hark_client.cli.receipts_check import receipts
from hark_client.cli.session import Session, ended_badly, session
from hark_client.client import Client
from hark_client.models import Channel, System

_LATE = timedelta(minutes=5)  # the relay runs each minute; the alert for what waits has the same
_CLOCKS_DIFFER = timedelta(seconds=10)
_RECENT = timedelta(hours=1)
_LOOKED_AT = 200  # notifications, for each question


def doctor(
    context: typer.Context,
    domain: Annotated[Optional[str], typer.Option(help="The sender's domain, whose DNS is looked at.")] = None,
    selectors: Annotated[
        Optional[list[str]], typer.Option("--dkim-selector", help="Of the sender's DKIM key, as s1.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Whether keys and settings are there, clocks agree, the relay runs, channels send and receipts arrive; with
    --domain also what DNS says of the sender. 4 if something is wrong.
    """
    now = session(context)
    found = []
    with now.connect() as client, progress() as bar:
        shown = bar.add_task("", total=None)
        for finding in _findings(client, domain, selectors or [], now):
            found.append(finding)
            bar.update(shown, completed=len(found), description=finding.check)
    rows = [(finding.check, finding.verdict, finding.about) for finding in found]
    result([asdict(finding) for finding in found], as_json, table(["check", "verdict", "what"], rows))
    if any(finding.verdict == WRONG for finding in found):
        ended_badly()


def _findings(client: Client, domain: Optional[str], selectors: Sequence[str], now: Session) -> Iterator[Finding]:
    """One after the other: some take seconds."""
    yield from _environment(os.environ)
    try:
        channels = list(client.channels.list())
    except errors.Unauthorized:
        yield Finding("API key", WRONG, "the gateway does not know it, or it is revoked")
    else:
        yield Finding("API key", OK, f"the gateway has {len(channels)} channels")
        yield from _of_gateway(client, channels, now)
    if domain is None:
        yield Finding("SPF, DKIM, DMARC", UNKNOWN, "name the sender's domain by --domain")
    else:
        yield from sender_domain.findings(domain, selectors, now.texts)


def _environment(environ: Mapping[str, str]) -> Iterator[Finding]:
    url = environ.get("HARK_URL", "")
    local = url.startswith(("http://127.", "http://localhost", "http://[::1]"))
    if url.startswith("https://") or local:
        yield Finding("HARK_URL", OK, "nobody on the way can read the key")
    else:
        yield Finding("HARK_URL", WRONG if url else UNKNOWN, "not https: whoever is on the way can read the key")
    path = environ.get("HARK_API_KEY_FILE")
    if path and not environ.get("HARK_API_KEY") and os.name == "posix" and Path(path).stat().st_mode & 0o077:
        yield Finding("HARK_API_KEY_FILE", WRONG, f"others than you may read it: chmod 600 {path}")


def _of_gateway(client: Client, channels: Sequence[Channel], session: Session) -> Iterator[Finding]:
    now = session.now()
    try:
        system = client.system.get()
    except (errors.Forbidden, errors.NotFound) as error:
        why = "this caller lacks channels:write" if isinstance(error, errors.Forbidden) else "the gateway is older"
        yield from (Finding(check, UNKNOWN, why) for check in ("clock", "relay", "settings"))
    else:
        yield from _of_system(system, now, session.now())
        now = system.now  # this machine's clock may be the wrong one
    questions: dict[str, Callable[[], Iterator[Finding]]] = {
        "channels": lambda: _states(channels),
        "overdue": lambda: _overdue(client, channels, now),
        "dead letters": lambda: _dead_letters(client, now),
        "operations": lambda: _operations(client, now),
        "receipts": lambda: receipts(client, channels, now),
    }
    for check, ask in questions.items():
        yield from _asked(check, ask)


def _asked(check: str, ask: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from ask()
    except errors.Forbidden:
        yield Finding(check, UNKNOWN, "this caller may not see it")


def _of_system(system: System, asked: datetime, answered: datetime) -> Iterator[Finding]:
    """asked, answered: between these, by this machine's clock, the gateway said what time it is"""
    apart = max(asked - system.now, system.now - answered)
    if apart > _CLOCKS_DIFFER:
        word = "ahead of" if asked > system.now else "behind"
        said = f"this machine's is {_spelt(apart)} {word} the gateway's: webhooks may be refused as too old or too new"
        yield Finding("clock", WRONG, said)
    else:
        yield Finding("clock", OK, "this machine's and the gateway's agree")
    if system.held is not None:
        yield Finding("restored records", WRONG, system.held)
    yield _relay(system)
    for channel in system.channels:
        wrong = [setting for setting in channel.settings if setting.state != "suspicious"]
        verdict = WRONG if wrong else DOUBTFUL if channel.settings else OK
        said = "; ".join(f"{setting.name}: {_what(setting.state)}{setting.effect}" for setting in channel.settings)
        sends = f"sends by {', '.join(channel.providers)}, and nothing that the gateway needs is missing"
        yield Finding(f"settings {channel.name}", verdict, said or sends)


def _what(state: str) -> str:
    return "" if state == "suspicious" else f"{state}, so "


def _relay(system: System) -> Finding:
    if system.relay_ran_at is None:
        return Finding("relay", WRONG, "it has never run: does the scheduler call it each minute?")
    ago = system.now - system.relay_ran_at
    if ago > _LATE:
        said = f"it last ran {_spelt(ago)} ago: does the scheduler call it each minute, and what does it log?"
        return Finding("relay", WRONG, said)
    if -ago > _CLOCKS_DIFFER:
        return Finding("relay", WRONG, f"its clock is {_spelt(-ago)} ahead of the gateway's")
    return Finding("relay", OK, f"it last ran {_spelt(max(ago, timedelta()))} ago")


def _spelt(time: timedelta) -> str:
    """As people say it: `42 s`, `12 minutes`, `3 hours`, `2 days`."""
    seconds = int(time.total_seconds())
    for length, name in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * length:
            return f"{seconds // length} {name}"
    return f"{seconds} s"


def _states(channels: Sequence[Channel]) -> Iterator[Finding]:
    for channel in channels:
        down = [
            f"{p.name} is down since {plain(p.since)}: {p.reason or 'it fails'}"
            for p in channel.providers
            if p.state == "open"
        ]
        if channel.state == "paused":
            paused = f"it is paused since {plain(channel.since)} by {plain(channel.by)}: {plain(channel.reason)}"
            yield Finding(f"channel {channel.name}", WRONG, "; ".join([paused, *down]))
        elif channel.state != "active":
            yield Finding(f"channel {channel.name}", WRONG, f"it sends nothing: {'; '.join(down)}")
        else:
            yield Finding(f"channel {channel.name}", WRONG if down else OK, "; ".join(down) or "it sends")


def _overdue(client: Client, channels: Sequence[Channel], now: datetime) -> Iterator[Finding]:
    held = {channel.name for channel in channels if channel.state != "active"}
    late: dict[str, int] = {}
    statuses: tuple[Any, ...] = ("queued", "retrying", "scheduled")
    for status in statuses:
        for notification in itertools.islice(client.notifications.list(status=status, limit=100), _LOOKED_AT):
            for delivery in notification.deliveries:
                due = delivery.next_try_at or notification.send_at
                if due is None and status != "scheduled":  # of a step of an escalation nobody says when its turn is
                    due = delivery.updated_at
                waits = due is not None and delivery.status == status and delivery.channel not in held
                if waits and due is not None and now - max(due, delivery.updated_at) > _LATE:
                    late[delivery.channel] = late.get(delivery.channel, 0) + 1
    if late:
        many = ", ".join(f"{count} over {channel}" for channel, count in sorted(late.items()))
        said = f"due for more than 5 minutes: {many}. Either the relay does not run, or the channel's function does not"
        yield Finding("overdue", WRONG, said)
    else:
        yield Finding("overdue", OK, "no delivery has been due for more than 5 minutes")


def _dead_letters(client: Client, now: datetime) -> Iterator[Finding]:
    dead = itertools.islice(client.dead_letters.list(limit=100), _LOOKED_AT)
    recent = list(itertools.takewhile(lambda letter: now - letter.dead_at < _RECENT, dead))
    if recent:
        more = "at least " if len(recent) == _LOOKED_AT else ""
        said = f"{more}{len(recent)} within the last hour, the latest over {recent[0].channel}: {recent[0].error}"
        yield Finding("dead letters", WRONG, said)
    else:
        yield Finding("dead letters", OK, "none within the last hour")


def _operations(client: Client, now: datetime) -> Iterator[Finding]:
    running = [o for o in itertools.islice(client.operations.list(limit=100), _LOOKED_AT) if o.state == "running"]
    still = [o.id for o in running if now - o.updated_at > _LATE]
    if still:
        yield Finding("operations", WRONG, f"not worked off for more than 5 minutes: {', '.join(still)}")
    else:
        yield Finding("operations", OK, f"{len(running)} are running, and none stands still")
