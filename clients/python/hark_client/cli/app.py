"""All commands of `hark`."""

from typing import Annotated, Optional

import typer

from hark_client.cli import (
    audit,
    batch,
    broadcasts,
    callers,
    channels,
    dead_letters,
    doctor,
    duplicates,
    lists,
    notifications,
    operations,
    recipients,
    suppressions,
    templates,
    watching,
)
from hark_client.cli.session import Commands
from hark_client.version import __version__

# Without typer's own tracebacks: they may show what a variable has, as the API key.
app = typer.Typer(cls=Commands, no_args_is_help=True, pretty_exceptions_enable=False)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def hark(
    version: Annotated[
        Optional[bool], typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = None,
) -> None:
    """Send notifications with Hark, and see what became of them.

    HARK_URL names the gateway. The API key is HARK_API_KEY, or in the file that HARK_API_KEY_FILE names.

    Exit codes: 0 done; 1 refused by the API; 2 wrong usage; 3 no answer, or not in time; 4 it ended badly, or was not
    agreed to.
    """


app.command()(notifications.send)
app.command()(batch.batch)
app.command()(watching.watch)
app.command("list")(notifications.list_)
app.command()(notifications.search)
app.command()(notifications.explain)
app.command()(notifications.cancel)
app.command()(watching.tail)
app.command()(broadcasts.broadcast)
app.command()(duplicates.duplicates)
app.command()(doctor.doctor)
app.add_typer(dead_letters.commands, name="dead-letters")
app.add_typer(channels.commands, name="channels")
app.add_typer(operations.commands, name="operations")
app.add_typer(templates.commands, name="templates")
app.add_typer(lists.commands, name="lists")
app.add_typer(recipients.commands, name="recipients")
app.add_typer(callers.commands, name="callers")
app.add_typer(suppressions.commands, name="suppressions")
app.add_typer(audit.commands, name="audit")
