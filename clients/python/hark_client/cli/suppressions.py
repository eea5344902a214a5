"""suppressions: what stops a message to an address."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Optional, get_args

import typer

from hark_client.cli import options
from hark_client.cli.asking import agree, shown_only
from hark_client.cli.notifications import one_page
from hark_client.cli.output import result, table
from hark_client.cli.session import ended_badly, session
from hark_client.models import Suppression
from hark_client.models.words import SuppressionReason

commands = typer.Typer(
    no_args_is_help=True, help="What stops a message to an address: list, put, delete, import, export."
)

_Address = Annotated[str, typer.Argument(metavar="ADDRESS")]
_MOST_ROWS = 2_000  # of one request, as the API has it
_MOST_BYTES = 250_000


def _reasons() -> list[str]:
    return list(get_args(SuppressionReason))


@commands.command("list")
def list_(
    context: typer.Context,
    channel: options.Channel = None,
    address: Annotated[Optional[str], typer.Option(help="Of this address, over --channel.")] = None,
    limit: options.Limit = 20,
    cursor: options.Cursor = None,
    as_json: options.Json = False,
) -> None:
    """All of them, a page at a time; addresses are kept as hashes."""
    with session(context).connect() as client:
        found = client.suppressions.list(channel=channel, address=address, limit=limit, cursor=cursor)
        page = next(found.pages())
    one_page(page, as_json, _of_suppressions(page.items))


@commands.command()
def put(
    context: typer.Context,
    channel: options.ChannelArgument,
    address: _Address,
    reason: Annotated[Optional[str], typer.Option(help="By default manual.", autocompletion=_reasons)] = None,
    class_: Annotated[Optional[str], typer.Option("--class", metavar="all|marketing", help="What it stops.")] = None,
    evidence: Annotated[Optional[str], typer.Option(help="How that is known.")] = None,
    as_json: options.Json = False,
) -> None:
    """Stop messages to an address."""
    said: Any = {"reason": reason, "class_": class_, "evidence": evidence}
    with session(context).connect() as client:
        found = client.suppressions.put(channel, address, **said)
    result(found, as_json, _of_suppressions([found]))


@commands.command()
def delete(
    context: typer.Context,
    channel: options.ChannelArgument,
    address: _Address,
    yes: options.Yes = False,
    as_json: options.Json = False,
) -> None:
    """Let messages to an address go again, whatever has stopped them."""
    agree("Lift all that stops messages to this address?", yes)
    with session(context).connect() as client:
        client.suppressions.delete(channel, address)
    result(None, as_json, "nothing stops messages to it")


@commands.command("import")
def import_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV with channel, address, reason, …, or - for stdin.")],
    yes: options.Yes = False,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
) -> None:
    """Stop messages to all addresses of a CSV file. 4 if some rows were not taken."""
    rows = list(csv.reader(io.StringIO(options.text_of(file), newline="")))
    header, rows = (rows[0] if rows else []), [row for row in rows[1:] if row]
    if "channel" not in header:
        raise typer.BadParameter(f"{file} must have a header with channel, and address or address_hash")
    counts: dict[str, int] = {}
    for row in rows:
        name = dict(zip(header, row)).get("channel") or "-"
        counts[name] = counts.get(name, 0) + 1
    if shown_only(
        {"rows": len(rows), "channels": counts},
        table(["channel", "rows"], counts.items()),
        dry_run=dry_run,
        as_json=as_json,
    ):
        return
    agree(f"Import {len(rows)} rows?", yes)
    imported, before, problems = 0, 0, []
    with session(context).connect() as client:
        for text, count in _portions(header, rows):
            answer = client.suppressions.import_csv(text)
            imported += answer.imported
            problems += [p.model_copy(update={"row": before + p.row}) for p in answer.problems]
            before += count
    wrong = [table(["row", "field", "why"], [(p.row, p.field, p.detail) for p in problems])] if problems else []
    said = {"rows": len(rows), "imported": imported, "problems": problems}
    result(said, as_json, *wrong, f"{imported} of {len(rows)} imported")
    if problems:
        ended_badly()


@commands.command()
def export(
    context: typer.Context,
    channel: options.Channel = None,
) -> None:
    """All of them as CSV, on stdout; `import` takes it."""
    with session(context).connect() as client:
        for number, page in enumerate(client.suppressions.export(channel=channel)):
            typer.echo(page if number == 0 else page.partition("\n")[2], nl=False)


def _portions(header: list[str], rows: list[list[str]]) -> Iterator[tuple[str, int]]:
    """CSVs of as many rows as one request can have, and how many these are."""
    begin = _csv(header)
    text, count = begin, 0
    for row in rows:
        line = _csv(row)
        if count and (count == _MOST_ROWS or len((text + line).encode()) > _MOST_BYTES):
            yield text, count
            text, count = begin, 0
        text, count = text + line, count + 1
    if count:
        yield text, count


def _csv(row: list[str]) -> str:
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerow(row)
    return written.getvalue()


def _of_suppressions(found: Any) -> Any:
    each: list[Suppression] = list(found)
    rows = [(s.address_hash, s.channel, s.reason, s.class_, s.at, s.evidence) for s in each]
    return table(["address's hash", "channel", "reason", "stops", "at", "evidence"], rows)
