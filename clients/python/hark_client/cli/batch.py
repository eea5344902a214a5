"""batch: many notifications from a CSV file."""

from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from hark_client import errors
from hark_client.cli import batch_files, options
from hark_client.cli.asking import agree, shown_only
from hark_client.cli.batch_files import Row
from hark_client.cli.operations import progress
from hark_client.cli.output import result, show, table
from hark_client.cli.session import ended_badly, session
from hark_client.client import Client


def batch(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="CSV, or the result of an earlier run.")
    ],
    result_file: Annotated[
        Optional[Path], typer.Option("--result", help="By default FILE.result.csv beside it.")
    ] = None,
    at_once: Annotated[int, typer.Option(min=1, max=500, help="How many in one request.")] = 500,
    yes: options.Yes = False,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
) -> None:
    """Send each row of a CSV file. 4 if some were not accepted.

    Columns: to.email, to.sms, to.slack, recipient, channels, subject, message, template, version, locale, data (JSON),
    data.NAME, tag.NAME, category, send_at, deliver_by, collapse_key, ordering_key, key.

    What became of each row is in the result file. Run that one again, after whatever end, and what was accepted is
    not sent twice.
    """
    into = result_file or (file if batch_files.is_result(file) else file.with_name(f"{file.stem}.result.csv"))
    if into != file and into.exists():
        # Its keys are not this file's: the rows would be sent again.
        raise typer.BadParameter(f"{into} is there already: run `hark batch {into}`, or name another --result")
    rows = batch_files.read(file, into)
    left = [row for row in rows.rows if not row.is_done]
    done = len(rows.rows) - len(left)
    to = Counter(name for row in left for name in _whom(row))
    would = {"rows": len(rows.rows), "accepted_before": done, "to_send": len(left), "to": to}
    about = f"{len(rows.rows)} rows, {done} accepted before, {len(left)} to send"
    if shown_only(would, about, table(["to", "rows"], to.items()), dry_run=dry_run, as_json=as_json):
        return
    if left:
        agree(f"Send {len(left)}?", yes)
    rows.save()
    with session(context).connect() as client:
        items = _send(client, rows, left, at_once)
    problems = [(row.line, row.cells["result"], row.cells["problem"]) for row in left if not row.is_done]
    refused = [table(["line", "result", "problem"], problems[:20])] if problems else []
    said = f"{len(left) - len(problems)} accepted, {len(problems)} not; {into} has each"
    result({"items": items}, as_json, *refused, said)
    if problems:
        ended_badly()


def _whom(row: Row) -> list[str]:
    return [name for name, cell in row.cells.items() if cell and (name.startswith("to.") or name == "recipient")]


def _send(client: Client, rows: batch_files.BatchFile, left: list[Row], at_once: int) -> list[Any]:
    """The API's items, with the index of each among what was to send. Raises HarkError, with what is done on file."""
    items: list[Any] = []
    with progress() as bar:
        shown = bar.add_task(rows.result.name, total=len(left))
        for portion in batch_files.portions(left, at_once):
            try:
                answer = client.batches.send([item for _, item in portion])
            except errors.HarkError:
                show(f"`hark batch {rows.result}` sends what is left", stderr=True)
                raise
            for (row, _), item in zip(portion, answer.items):
                row.became(item)
            rows.save()
            before = len(items)
            items += [item.model_copy(update={"index": before + item.index}) for item in answer.items]
            bar.advance(shown, len(portion))
    return items
