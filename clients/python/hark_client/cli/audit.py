"""audit: what operators did, and whether its record is as it was written."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta, timezone
from typing import Annotated, Any, Optional

import typer

from hark_client.audit_chain import Finding, FindingKind, Verifier
from hark_client.cli import options
from hark_client.cli.notifications import one_page
from hark_client.cli.operations import progress
from hark_client.cli.output import result, table
from hark_client.cli.session import ended_badly, session
from hark_client.models import AuditEntry

commands = typer.Typer(no_args_is_help=True, help="What operators did: list, verify.")

_KEPT = timedelta(days=364)  # AUDIT_DAYS is 365 by default; what is older may be deleted already, in no order
_SAID: Mapping[FindingKind, str] = {
    "changed": "it is not as it was written: its hash is of something else",
    "missing": "it is not there",
    "doubled": "there are several at its place",
    "broken": "the entry before it is not the one that it was written after",
    "cut_off": "a later chain names it, and it is not there, or is another",
}


@commands.command("list")
def list_(
    context: typer.Context,
    actor: Annotated[Optional[str], typer.Option(help="By a caller's id, or command-line.")] = None,
    action: Annotated[Optional[str], typer.Option(help="By what was done, as pause_channel.")] = None,
    from_: options.From = None,
    to: options.To = None,
    limit: options.Limit = 20,
    cursor: options.Cursor = None,
    as_json: options.Json = False,
) -> None:
    """Who did what to which record, from where, and with what result; refusals too. The latest first."""
    with session(context).connect() as client:
        found = client.audit.list(actor=actor, action=action, from_=from_, to=to, limit=limit, cursor=cursor)
        page = next(found.pages())
    columns = ["at", "actor", "action", "record", "result", "network", "made", "more"]
    one_page(page, as_json, table(columns, map(_row, page.items)))


@commands.command()
def verify(
    context: typer.Context,
    from_: Annotated[
        Optional[str],
        typer.Option("--from", metavar="TIME", help="At or after this time (RFC 3339). By default 364 days ago."),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Whether each entry is as it was written, and none was put in or taken out. 4 if not.

    Entries are kept for AUDIT_DAYS, 365 by default. Where that is less, name a younger --from.
    """
    now = session(context)
    since = _time(from_) if from_ else now.now() - _KEPT
    verifier, count = Verifier(since=since), 0
    with now.connect() as client, progress() as bar:
        shown = bar.add_task("entries", total=None)
        for entry in client.audit.list(from_=since, limit=100):
            verifier.see(entry)
            count += 1
            bar.update(shown, completed=count)
    findings = verifier.findings()
    said = {"from": since, "entries": count, "findings": [_present(finding) for finding in findings]}
    rows = [(f.chain, f.number if f.last is None else f"{f.number} to {f.last}", _SAID[f.kind]) for f in findings]
    wrong = [table(["chain", "entry", "what is wrong"], rows), _WHERE] if findings else []
    verdict = f"{len(findings)} places are wrong" if findings else "all are as they were written"
    result(said, as_json, *wrong, f"{count} entries since {since:%Y-%m-%d %H:%M} UTC: {verdict}")
    if findings:
        ended_badly()


_WHERE = "Cloud Logging has each entry as it was written: jsonPayload.audit.chain and jsonPayload.audit.number"


def _row(entry: AuditEntry) -> tuple[object, ...]:
    more = {"left out": entry.left_out, "lost": entry.lost}
    result = f"{entry.result} {entry.status}"
    record = (entry.at, entry.actor, entry.action, entry.record, result, entry.network, entry.made)
    return (*record, {name: count for name, count in more.items() if count})


def _present(finding: Finding) -> dict[str, Any]:
    return {name: value for name, value in asdict(finding).items() if value is not None}


def _time(said: str) -> datetime:
    """Raises BadParameter."""
    try:
        found = datetime.fromisoformat(said[:-1] + "+00:00" if said.endswith(("Z", "z")) else said)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise typer.BadParameter("--from must be a time as 2026-11-30T08:00:00+01:00")
    return found.astimezone(timezone.utc)
