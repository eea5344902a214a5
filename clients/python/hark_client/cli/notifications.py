"""send, list, search, explain, cancel: one notification, or finding it."""

from collections.abc import Iterable
from typing import Annotated, Any, Optional

import typer

from hark_client.cli import message_options, options
from hark_client.cli.asking import agree
from hark_client.cli.output import fields, plain, print_json, result, show, table
from hark_client.cli.session import ExitCode, ended_badly, session
from hark_client.models import Explanation, Happening, Notification, Page

ARRIVED = frozenset({"sent", "delivered"})
_Id = Annotated[str, typer.Argument(metavar="ID", help="The notification's id.")]


def send(
    context: typer.Context,
    to: Annotated[
        Optional[list[str]], typer.Option("--to", metavar="CHANNEL=ADDRESS", help="Whom; one for each channel.")
    ] = None,
    recipient: Annotated[Optional[str], typer.Option(help="Whom: a recipient's name, instead of --to.")] = None,
    message: message_options.Message = None,
    message_file: message_options.MessageFile = None,
    subject: message_options.Subject = None,
    template: message_options.Template = None,
    version: message_options.Version = None,
    locale: message_options.Locale = None,
    data: message_options.Data = None,
    channel: message_options.Over = None,
    category: message_options.Category = None,
    tag: message_options.Tags = None,
    send_at: message_options.SendAt = None,
    deliver_by: message_options.DeliverBy = None,
    collapse_key: Annotated[Optional[str], typer.Option(help="A newer one with it takes this one's place.")] = None,
    ordering_key: Annotated[Optional[str], typer.Option(help="Those with it go one after the other.")] = None,
    file: message_options.File = None,
    key: Annotated[Optional[str], typer.Option(help="The Idempotency-Key: the same again is the same one.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it has ended; 4 unless all of it was sent.")] = False,
    timeout: Annotated[float, typer.Option(min=0, help="Seconds, of --wait.")] = 60.0,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
) -> None:
    """Send one notification."""
    said: Any = message_options.message_fields(
        file=file,
        message=message,
        message_file=message_file,
        subject=subject,
        template=template,
        version=version,
        locale=locale,
        data=data,
        channels=channel,
        tags=tag,
        to=options.pairs("--to", to) if to else None,
        recipient=recipient,
        category=category,
        send_at=send_at,
        deliver_by=deliver_by,
        collapse_key=collapse_key,
        ordering_key=ordering_key,
    )
    with session(context).connect() as client:
        if dry_run:
            forecast = client.notifications.forecast(**said)
            refused = forecast.problem is not None
            wrong = (forecast.problem.errors if forecast.problem else None) or ()
            lines = [f"  {error.field}: {error.message}" for error in wrong]
            result(forecast, as_json, f"would be {forecast.outcome}", *lines, happenings(forecast.events))
            raise typer.Exit(ExitCode.REFUSED if refused else ExitCode.DONE)
        sent = client.notifications.send(idempotency_key=key, **said)
        if wait:
            if not as_json:
                show(f"accepted as {sent.id}", stderr=True)
            sent = client.notifications.wait(sent.id, timeout=timeout)
    result(sent, as_json, *of_one(sent))
    if wait and not has_arrived(sent):
        ended_badly()


def list_(
    context: typer.Context,
    recipient: options.Recipient = None,
    status: options.Status = None,
    caller: options.Caller = None,
    from_: options.From = None,
    to: options.To = None,
    limit: options.Limit = 20,
    cursor: options.Cursor = None,
    as_json: options.Json = False,
) -> None:
    """The newest notifications, a page at a time."""
    given: Any = {"recipient": recipient, "status": status, "caller": caller, "from_": from_, "to": to}
    _one_page(context, as_json, limit=limit, cursor=cursor, **given)


def search(
    context: typer.Context,
    channel: options.Channel = None,
    address: Annotated[Optional[str], typer.Option(help="Whom it went to, over --channel.")] = None,
    tag: Annotated[Optional[str], typer.Option(metavar="NAME:VALUE", help="By a tag.")] = None,
    template: Annotated[Optional[str], typer.Option(help="Made of this template.")] = None,
    version: Annotated[Optional[int], typer.Option(help="Of this version of --template.")] = None,
    message_id: Annotated[Optional[str], typer.Option(help="What the provider of --channel calls it.")] = None,
    caller: options.Caller = None,
    from_: options.From = None,
    to: options.To = None,
    limit: options.Limit = 20,
    cursor: options.Cursor = None,
    as_json: options.Json = False,
) -> None:
    """Find notifications by an address, a tag, a template or a provider's id."""
    if not (address or tag or template or message_id):
        raise typer.BadParameter("search by --address, --tag, --template or --message-id; `hark list` has the others")
    found_by: Any = {"channel": channel, "address": address, "tag": tag, "template": template, "version": version}
    when: Any = {"message_id": message_id, "caller": caller, "from_": from_, "to": to}
    _one_page(context, as_json, limit=limit, cursor=cursor, **found_by, **when)


def explain(context: typer.Context, notification_id: _Id, as_json: options.Json = False) -> None:
    """What happened to a notification, and what it waits for."""
    with session(context).connect() as client:
        explanation = client.notifications.explain(notification_id)
    result(explanation, as_json, f"{explanation.id} is {explanation.status}", *timeline(explanation))


def cancel(
    context: typer.Context, notification_id: _Id, yes: options.Yes = False, as_json: options.Json = False
) -> None:
    """Stop what has not gone. 4 if some of it had gone before."""
    agree(f"Cancel {notification_id}?", yes)
    with session(context).connect() as client:
        cancelled = client.notifications.cancel(notification_id)
    verdicts = [(verdict.channel, verdict.verdict) for verdict in cancelled.verdicts]
    result(cancelled, as_json, f"{cancelled.id} is {cancelled.status}", table(["channel", "verdict"], verdicts))
    if any(verdict not in {"cancelled", "already_cancelled"} for _, verdict in verdicts):
        ended_badly()


def has_arrived(notification: Notification) -> bool:
    return all(delivery.status in ARRIVED for delivery in notification.deliveries)


def of_one(notification: Notification) -> tuple[Any, ...]:
    """A notification and its deliveries, for people."""
    said = {"id": notification.id, "status": notification.status, "accepted": notification.created_at}
    more = {"recipient": notification.recipient, "send_at": notification.send_at, "tags": notification.tags}
    rows = [(d.channel, d.address, d.status, len(d.attempts), d.error or d.reason) for d in notification.deliveries]
    shown = table(["channel", "address", "status", "attempts", "why"], rows)
    return fields({**said, **{name: value for name, value in more.items() if value}}), shown


def timeline(explanation: Explanation) -> tuple[Any, ...]:
    """What happened, and what it waits for, if there is something."""
    waits = (happenings(explanation.next, "what it waits for"),) if explanation.next else ()
    return happenings(explanation.events), *waits


def happenings(events: Iterable[Happening], title: Optional[str] = None) -> Any:
    rows = [(event.at, event.channel, event.code, event.text) for event in events]
    return table(["at", "channel", "code", "what"], rows, title=title)


def _one_page(context: typer.Context, as_json: bool, **query: Any) -> None:
    with session(context).connect() as client:
        page: Page[Notification] = next(client.notifications.list(**query).pages())
    rows = [
        (
            n.id,
            n.created_at,
            n.status,
            n.recipient,
            {d.channel: d.status for d in n.deliveries},
            plain(n.subject or n.message),
        )
        for n in page.items
    ]
    one_page(page, as_json, table(["id", "accepted", "status", "recipient", "deliveries", "text"], rows))


def one_page(page: Page[Any], as_json: bool, shown: Any) -> None:
    """A page of a list, and where it goes on."""
    if as_json:
        print_json(page)
        return
    show(shown)
    if not page.items:
        show("nothing found", stderr=True)
    if page.next_cursor is not None:
        show(f"more: --cursor {page.next_cursor}", stderr=True)
