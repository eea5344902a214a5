"""channels: whether each sends, and holding one back."""

from typing import Annotated, Any

import typer

from hark_client.cli import options
from hark_client.cli.asking import agree, shown_only
from hark_client.cli.output import result, table
from hark_client.cli.session import session
from hark_client.models import Channel

commands = typer.Typer(no_args_is_help=True, help="Whether each channel sends: list, pause, resume.")


@commands.command("list")
def list_(context: typer.Context, as_json: options.Json = False) -> None:
    """Each channel, and its providers."""
    with session(context).connect() as client:
        page = next(client.channels.list().pages())
    result(page, as_json, of_channels(page.items))


@commands.command()
def pause(
    context: typer.Context,
    name: options.ChannelArgument,
    reason: Annotated[str, typer.Option(help="Why; it is shown to whoever asks.")],
    yes: options.Yes = False,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
) -> None:
    """Hold back what goes over a channel: what that is is shown, and a question asked."""
    with session(context).connect() as client:
        would = client.channels.pause(name, reason=reason, dry_run=True)
        held = []
        if would.would_hold is not None:
            about = "at least " if would.would_hold.estimated else ""
            held = [f"{about}{would.would_hold.waiting} that are pending over {name} would wait, and what comes after"]
        if shown_only(would, *held, dry_run=dry_run, as_json=as_json):
            return
        agree(f"Pause {name}?", yes)
        paused = client.channels.pause(name, reason=reason)
    result(paused, as_json, of_channels([paused]))


@commands.command()
def resume(context: typer.Context, name: options.ChannelArgument, as_json: options.Json = False) -> None:
    """Let what has waited go, the oldest first."""
    with session(context).connect() as client:
        resumed = client.channels.resume(name)
    result(resumed, as_json, of_channels([resumed]))


def of_channels(channels: Any) -> Any:
    rows = []
    found: Channel
    for found in channels:
        rows.append((found.name, found.state, found.since, found.by, found.reason))
        rows += [(f"  {p.name}", p.state, p.since, None, p.reason) for p in found.providers]
    return table(["channel", "state", "since", "by", "reason"], rows)
