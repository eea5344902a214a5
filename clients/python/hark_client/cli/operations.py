"""operations: what takes longer than a request."""

from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from hark_client.cli import options
from hark_client.cli.asking import agree
from hark_client.cli.notifications import one_page
from hark_client.cli.output import console, fields, result, table
from hark_client.cli.session import ExitCode, session
from hark_client.models import Operation

commands = typer.Typer(no_args_is_help=True, help="What takes longer than a request: replays, broadcasts, recalls.")

_Id = Annotated[str, typer.Argument(metavar="ID", help="The operation's id.")]
_ENDS = frozenset({"done", "failed", "cancelled"})


@commands.command("list")
def list_(
    context: typer.Context, limit: options.Limit = 20, cursor: options.Cursor = None, as_json: options.Json = False
) -> None:
    """The newest first."""
    with session(context).connect() as client:
        page = next(client.operations.list(limit=limit, cursor=cursor).pages())
    rows = [(o.id, o.kind, o.state, o.created_at, o.total, o.counts, o.error) for o in page.items]
    one_page(page, as_json, table(["id", "kind", "state", "begun", "total", "counts", "error"], rows))


@commands.command()
def get(context: typer.Context, operation_id: _Id, as_json: options.Json = False) -> None:
    """One of them."""
    with session(context).connect() as client:
        found = client.operations.get(operation_id)
    result(found, as_json, of_operation(found))


@commands.command()
def watch(
    context: typer.Context,
    operation_id: _Id,
    timeout: options.Seconds = None,
    every: options.Every = 1.0,
    as_json: options.Json = False,
) -> None:
    """How far it is, until it ends. 4 unless it is done, 3 if --timeout comes first."""
    now = session(context)
    began = now.now()
    late = False
    with now.connect() as client, progress() as bar:
        shown = bar.add_task(operation_id)
        while True:
            found = client.operations.get(operation_id)
            bar.update(shown, total=found.total, completed=sum(found.counts.values()), description=found.state)
            late = timeout is not None and (now.now() - began).total_seconds() >= timeout
            if found.state in _ENDS or late:
                break
            now.sleep(every)
    result(found, as_json, of_operation(found))
    if found.state != "done":
        raise typer.Exit(ExitCode.ENDED_BADLY if found.state in _ENDS else ExitCode.NO_ANSWER)


@commands.command()
def pause(context: typer.Context, operation_id: _Id, as_json: options.Json = False) -> None:
    """Stop it for now."""
    with session(context).connect() as client:
        found = client.operations.pause(operation_id)
    result(found, as_json, of_operation(found))


@commands.command()
def resume(context: typer.Context, operation_id: _Id, as_json: options.Json = False) -> None:
    """Let it go on."""
    with session(context).connect() as client:
        found = client.operations.resume(operation_id)
    result(found, as_json, of_operation(found))


@commands.command()
def cancel(context: typer.Context, operation_id: _Id, yes: options.Yes = False, as_json: options.Json = False) -> None:
    """Do nothing more of it, for good."""
    agree(f"Cancel the operation {operation_id}?", yes)
    with session(context).connect() as client:
        found = client.operations.cancel(operation_id)
    result(found, as_json, of_operation(found))


def of_operation(found: Operation) -> Any:
    said = {"id": found.id, "kind": found.kind, "state": found.state, "about": found.about}
    return fields({**said, "total": found.total, "counts": found.counts, "error": found.error})


def progress() -> Progress:
    """A bar on stderr; nothing where that is no terminal."""
    shown = console(stderr=True)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=shown, disable=not shown.is_terminal)
