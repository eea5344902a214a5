"""broadcast: one message to a list of recipients."""

from typing import Annotated, Any, Optional

import typer

from hark_client.cli import message_options, options
from hark_client.cli.asking import agree, shown_only
from hark_client.cli.operations import of_operation
from hark_client.cli.output import fields, result, table
from hark_client.cli.session import session
from hark_client.models import BroadcastPlan


def broadcast(
    context: typer.Context,
    list_name: Annotated[Optional[str], typer.Argument(metavar="[LIST]", help="The list's name.")] = None,
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
    file: message_options.File = None,
    per_second: Annotated[Optional[int], typer.Option(min=1, help="How many a second. By default 100.")] = None,
    plan_id: Annotated[Optional[str], typer.Option("--plan", help="Begin this plan, as it was shown.")] = None,
    yes: options.Yes = False,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
) -> None:
    """Send to all of a list: what would go to whom is shown, and a question asked."""
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
        category=category,
        send_at=send_at,
        deliver_by=deliver_by,
        per_second=per_second,
    )
    if (plan_id is None) == (list_name is None) or (plan_id and (said or dry_run)):
        raise typer.BadParameter("name a list and a message, or --plan alone")
    with session(context).connect() as client:
        if list_name is not None:
            planned = client.broadcasts.plan(list_name, **said)
            if shown_only(planned, *_of_plan(planned), dry_run=dry_run, as_json=as_json):
                return
            agree(f"Send to {planned.recipients}?", yes)
            plan_id = planned.plan
        assert plan_id is not None  # noqa: S101 - one of both is there
        begun = client.broadcasts.begin(plan_id)
    result(begun, as_json, of_operation(begun), f"hark operations watch {begun.id}")


def _of_plan(planned: BroadcastPlan) -> tuple[Any, ...]:
    counted = f"{planned.recipients} (counted {planned.counted})" if planned.estimated else planned.recipients
    said = {"plan": planned.plan, "good until": planned.good_until, "list": planned.list_, "recipients": counted}
    pace = f"{planned.per_second} a second, {planned.seconds} s"
    rows = [
        (name, c.deliveries, c.suppressed, c.held, c.segments, c.price, c.without_price)
        for name, c in planned.channels.items()
    ]
    columns = ["channel", "deliveries", "suppressed", "held", "segments", "price", "without a price"]
    samples = [(sample.recipient, sample.content) for sample in planned.sample[:3]]
    return (
        fields({**said, "cannot be sent to": planned.refused or 0, "pace": pace}),
        table(columns, rows),
        table(["for example", "gets"], samples),
    )
