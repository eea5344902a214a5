"""dead-letters: what was given up on, and sending it again."""

from typing import Annotated, Any, Optional

import typer

from hark_client.cli import options
from hark_client.cli.asking import agree, shown_only
from hark_client.cli.notifications import of_one, one_page
from hark_client.cli.operations import of_operation
from hark_client.cli.output import fields, result, table
from hark_client.cli.session import session
from hark_client.models import ReplayPlan

commands = typer.Typer(no_args_is_help=True, help="What was given up on: list, plan, replay, discard.")

_Status = Annotated[Optional[list[str]], typer.Option(metavar="dead|failed", help="By default dead alone.")]
_Error = Annotated[Optional[str], typer.Option(help="Those with this error.")]
_Pace = Annotated[Optional[int], typer.Option(min=1, help="How many a second. By default 100.")]


@commands.command("list")
def list_(
    context: typer.Context,
    channel: options.Channel = None,
    limit: options.Limit = 20,
    cursor: options.Cursor = None,
    as_json: options.Json = False,
) -> None:
    """The dead ones, the latest first."""
    with session(context).connect() as client:
        page = next(client.dead_letters.list(channel=channel, limit=limit, cursor=cursor).pages())
    rows = [(d.notification_id, d.channel, d.dead_at, d.attempts, d.error) for d in page.items]
    one_page(page, as_json, table(["notification", "channel", "dead since", "attempts", "error"], rows))


@commands.command()
def plan(
    context: typer.Context,
    channel: options.Channel = None,
    status: _Status = None,
    error: _Error = None,
    from_: options.From = None,
    to: options.To = None,
    per_second: _Pace = None,
    as_json: options.Json = False,
) -> None:
    """What a replay would send, and what it would cost. `replay --plan` takes the plan."""
    with session(context).connect() as client:
        planned = client.dead_letters.plan_replay(_wanted(channel, status, error, from_, to), per_second=per_second)
    result(planned, as_json, *_of_plan(planned))


@commands.command()
def replay(
    context: typer.Context,
    one: Annotated[
        Optional[list[str]], typer.Argument(metavar="[ID CHANNEL]", help="This one alone; a failed one, too.")
    ] = None,
    channel: options.Channel = None,
    status: _Status = None,
    error: _Error = None,
    from_: options.From = None,
    to: options.To = None,
    per_second: _Pace = None,
    plan_id: Annotated[Optional[str], typer.Option("--plan", help="Begin this plan, as it was shown.")] = None,
    yes: options.Yes = False,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
) -> None:
    """Send dead letters again: the plan is shown, and a question asked."""
    wanted = _wanted(channel, status, error, from_, to)
    if one:
        if len(one) != 2 or wanted or plan_id or dry_run or per_second:
            raise typer.BadParameter("one is named by ID and CHANNEL, without filters, --plan and --dry-run")
        agree(f"Send {one[0]} again over {one[1]}?", yes)
        with session(context).connect() as client:
            replayed = client.dead_letters.replay(one[0], one[1])
        result(replayed, as_json, *of_one(replayed))
        return
    if plan_id and (wanted or per_second or dry_run):
        raise typer.BadParameter("--plan goes without filters, --per-second and --dry-run: it has its own")
    with session(context).connect() as client:
        if plan_id is None:
            planned = client.dead_letters.plan_replay(wanted, per_second=per_second)
            if shown_only(planned, *_of_plan(planned), dry_run=dry_run, as_json=as_json):
                return
            agree(f"Send {planned.count} again?", yes)
            plan_id = planned.plan
        begun = client.dead_letters.begin_replay(plan_id)
    result(begun, as_json, of_operation(begun), f"hark operations watch {begun.id}")


@commands.command()
def discard(
    context: typer.Context,
    notification_id: Annotated[str, typer.Argument(metavar="ID")],
    channel: options.ChannelArgument,
    yes: options.Yes = False,
    as_json: options.Json = False,
) -> None:
    """Give a dead one up. It can then be replayed no more."""
    agree(f"Give {notification_id} over {channel} up?", yes)
    with session(context).connect() as client:
        client.dead_letters.discard(notification_id, channel)
    result(None, as_json, f"{notification_id} over {channel} is discarded")


def _wanted(
    channel: Optional[str], status: Optional[list[str]], error: Optional[str], from_: Optional[str], to: Optional[str]
) -> Any:
    said = {"channel": channel, "status": status or None, "error": error, "from": from_, "to": to}
    return {name: value for name, value in said.items() if value is not None}


def _of_plan(planned: ReplayPlan) -> tuple[Any, ...]:
    about = f"at least {planned.count}" if planned.estimated else planned.count
    said = {"plan": planned.plan, "good until": planned.good_until, "would be sent again": about}
    pace = f"{planned.per_second} a second, {planned.seconds} s"
    counts = {
        "may have arrived already": planned.may_have_arrived,
        "cannot be replayed": planned.refused or 0,
        "pace": pace,
        "by reason": planned.by_reason,
        "by age": planned.by_age,
    }
    rows = [(name, c.deliveries, c.segments, c.price, c.without_price) for name, c in planned.channels.items()]
    costs = table(["channel", "deliveries", "segments", "price", "without a price"], rows)
    return (fields({**said, **counts}), costs) if rows else (fields({**said, **counts}),)
