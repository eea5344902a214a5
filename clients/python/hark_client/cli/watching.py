"""watch and tail: what happens now, by looking again and again."""

import contextlib
import itertools
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Annotated, Any, Optional

import typer
from rich.console import Group
from rich.live import Live

from hark_client import errors
from hark_client.cli import options
from hark_client.cli.notifications import has_arrived, of_one, timeline
from hark_client.cli.output import cell, console, plain, print_json, show, table
from hark_client.cli.session import Session, ended_badly, session
from hark_client.client import Client
from hark_client.models import Explanation, Happening, Notification

_LOOKED_AT = 100  # notifications, of which tail sees changes


def watch(
    context: typer.Context,
    notification_id: Annotated[str, typer.Argument(metavar="ID", help="The notification's id.")],
    timeout: options.Seconds = None,
    every: options.Every = 1.0,
    as_json: options.Json = False,
) -> None:
    """A notification's timeline, until it has ended. 4 unless all of it was sent; 3 if --timeout comes first."""
    now = session(context)
    with now.connect() as client:
        looks = _looks(now, client, notification_id, timeout, every)
        if as_json:
            (*_, (notification, _)) = looks
            print_json(notification)
        elif console().is_terminal:
            notification = _live(looks)
        else:
            notification = _lines(looks)
    if not has_arrived(notification):
        ended_badly()


def _looks(
    now: Session, client: Client, notification_id: str, timeout: Optional[float], every: float
) -> Iterator[tuple[Notification, Explanation]]:
    """Raises StillPending."""
    began = now.now()
    while True:
        # In this order: the timeline of one that has ended is whole.
        notification = client.notifications.get(notification_id)
        yield notification, client.notifications.explain(notification_id)
        if notification.has_ended:
            return
        if timeout is not None and now.now() - began >= timedelta(seconds=timeout):
            raise errors.StillPending(notification, timeout)
        now.sleep(every)


def _live(looks: Iterator[tuple[Notification, Explanation]]) -> Notification:
    with Live(console=console(), auto_refresh=False, vertical_overflow="visible") as live:
        for notification, explanation in looks:
            live.update(Group(*of_one(notification), "", *timeline(explanation)), refresh=True)
    return notification


def _lines(looks: Iterator[tuple[Notification, Explanation]]) -> Notification:
    """What is new at each look, so that a log has it once."""
    seen: set[tuple[Optional[datetime], Optional[str], str, str]] = set()
    last: Optional[Notification] = None
    for notification, explanation in looks:
        last = notification
        for event in explanation.events:
            if (known := (event.at, event.channel, event.code, event.text)) not in seen:
                seen.add(known)
                show(_line(event))
    assert last is not None  # noqa: S101 - there is a look before the first error
    show(f"{last.id} is {last.status}", *of_one(last)[1:])
    return last


def _line(event: Happening) -> str:
    return "  ".join(plain(part) for part in (event.at, event.channel, event.code, event.text))


def tail(
    context: typer.Context,
    recipient: options.Recipient = None,
    status: options.Status = None,
    caller: options.Caller = None,
    last: Annotated[int, typer.Option(min=0, max=_LOOKED_AT, help="How many to begin with.")] = 10,
    seconds: Annotated[Optional[float], typer.Option("--for", min=0, help="Stop after so many seconds.")] = None,
    every: options.Every = 2.0,
    as_json: options.Json = False,
) -> None:
    """What happens now: each notification as it is accepted, and as its status changes; until Ctrl-C.

    Changes are seen of the newest hundred. With --json a notification is a line.
    """
    now = session(context)
    filters: Any = {"recipient": recipient, "status": status, "caller": caller}
    until = None if seconds is None else now.now() + timedelta(seconds=seconds)
    known: Optional[dict[str, Any]] = None
    with now.connect() as client, contextlib.suppress(KeyboardInterrupt):
        while True:
            found = _newest(client, known, filters)
            changed = [n for n in found if known is None or known.get(n.id) != _state(n)]
            for notification in reversed(changed[:last] if known is None else changed):
                _print_one(notification, as_json)
            known = {n.id: _state(n) for n in found}
            if until is not None and now.now() >= until:
                return
            now.sleep(every)


def _newest(client: Client, known: Optional[dict[str, Any]], filters: Any) -> list[Notification]:
    """The newest ones, and whatever more has come since the last look."""
    items = iter(client.notifications.list(limit=_LOOKED_AT, **filters))
    found = list(itertools.islice(items, _LOOKED_AT))
    if known and found and found[-1].id not in known:
        found += itertools.takewhile(lambda notification: notification.id not in known, items)
    return found


def _state(notification: Notification) -> Any:
    return notification.status, [(d.channel, d.status, len(d.attempts)) for d in notification.deliveries]


def _print_one(notification: Notification, as_json: bool) -> None:
    if as_json:
        print_json(notification, line=True)
        return
    line = table(["", "", "", ""], [])
    line.show_header = False
    deliveries = ", ".join(
        f"{d.channel}: {d.status}" + (f" ({d.error})" if d.error else "") for d in notification.deliveries
    )
    last = max([notification.created_at, *(d.updated_at for d in notification.deliveries)])
    line.add_row(*map(cell, (last, notification.id, notification.status, deliveries)))
    show(line)
