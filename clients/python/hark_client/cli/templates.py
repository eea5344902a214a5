"""templates: texts as files, and as they would go."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from rich.text import Text

from hark_client import errors
from hark_client.cli import options, template_files
from hark_client.cli.asking import agree, shown_only
from hark_client.cli.notifications import one_page
from hark_client.cli.output import fields, plain, result, table
from hark_client.cli.session import ended_badly, session
from hark_client.client import Client

commands = typer.Typer(no_args_is_help=True, help="Templates as files: list, pull, push, preview.")

_Names = Annotated[Optional[list[str]], typer.Argument(metavar="[NAME]...", help="By default all.")]
_Directory = Annotated[Path, typer.Option("--dir", file_okay=False, help="A folder for each template is in it.")]


@commands.command("list")
def list_(
    context: typer.Context, limit: options.Limit = 20, cursor: options.Cursor = None, as_json: options.Json = False
) -> None:
    """Names, and their latest versions."""
    with session(context).connect() as client:
        page = next(client.templates.list(limit=limit, cursor=cursor).pages())
    rows = [(t.name, t.version, t.updated_at, t.archived_at) for t in page.items]
    one_page(page, as_json, table(["name", "version", "changed", "archived"], rows))


@commands.command()
def pull(
    context: typer.Context,
    names: _Names = None,
    directory: _Directory = Path("templates"),
    as_json: options.Json = False,
) -> None:
    """Write the latest versions to files; look at the change with your own git."""
    changed = []
    with session(context).connect() as client:
        wanted = names or [t.name for t in client.templates.list() if t.archived_at is None]
        found = [client.templates.get(name) for name in wanted]
    for template in found:
        folder = template_files.safe_folder(directory, template.name)
        changed += template_files.write(folder, template_files.files_of(template))
    result({"items": found}, as_json, *(changed or ["all files are as they were"]))


@commands.command()
def push(
    context: typer.Context,
    names: _Names = None,
    directory: _Directory = Path("templates"),
    yes: options.Yes = False,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
) -> None:
    """Publish what differs from the latest version: the difference is shown, and a question asked."""
    wanted = names or sorted(path.parent.name for path in directory.glob("*/template.json"))
    if not wanted:
        raise typer.BadParameter(f"{directory} has no template")
    bodies = {name: template_files.body_of(template_files.safe_folder(directory, name)) for name in wanted}
    with session(context).connect() as client:
        changes = {name: _change(client, name, template_files.read(directory / name)) for name in wanted}
        different = {name: change for name, change in changes.items() if change}
        lines = [_coloured(line) for change in different.values() for line in change]
        said = f"{len(different)} of {len(wanted)} templates differ"
        would = {"would_publish": sorted(different)}
        if shown_only(would, *lines, said, dry_run=dry_run, as_json=as_json):
            return
        if different:
            agree(f"Publish {', '.join(different)}?", yes)
        published = [client.templates.publish(name, **bodies[name]) for name in different]
    rows = [(p.name, p.version, len(p.scheduled.misfits)) for p in published]
    result({"items": published}, as_json, table(["name", "version", "scheduled with data that it refuses"], rows))


@commands.command()
def preview(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME")],
    data: Annotated[Optional[Path], typer.Option(help="A JSON file with the data, or - for stdin.")] = None,
    locale: Annotated[Optional[str], typer.Option(help="By default the recipient's, or the template's.")] = None,
    version: Annotated[Optional[int], typer.Option(help="By default the latest.")] = None,
    recipient: Annotated[Optional[str], typer.Option(help="As it would go to them.")] = None,
    as_json: options.Json = False,
) -> None:
    """What a published template makes. 4 if the data has not all that it asks for."""
    said: Any = {"locale": locale, "version": version, "recipient": recipient}
    with session(context).connect() as client:
        made = client.templates.preview(name, data=None if data is None else options.json_of(data), **said)
    shown: list[Any] = [f"{made.name} {made.version}, {made.locale}"]
    for channel, parts in made.content.items():
        shown += ["", channel, fields(parts)]
    missing = [f"missing: {', '.join(made.missing)}"] if made.missing else []
    result(made, as_json, *shown, *missing)
    if made.missing:
        ended_badly()


def _change(client: Client, name: str, files: Mapping[str, str]) -> list[str]:
    """As `diff -u` says it, from what is published to the files."""
    try:
        latest = client.templates.get(name)
        published = template_files.files_of(latest)
    except errors.NotFound:
        latest, published = None, {}
    lines: list[str] = []
    for path in sorted({*published, *files}):
        before, after = published.get(path, ""), files.get(path, "")
        if before != after:
            sides = (f"published/{name}/{path}", f"files/{name}/{path}")
            lines += difflib.unified_diff(before.splitlines(), after.splitlines(), *sides, lineterm="")
            lines += [] if before.splitlines() != after.splitlines() else [f"{name}/{path}: the ends of its lines"]
    if latest is not None and latest.archived_at is not None:
        lines.append(f"{name} is archived; publishing brings it back")
    return lines


def _coloured(line: str) -> Text:
    styles = {"+": "green", "-": "red", "@": "cyan"}
    return Text(plain(line), style=styles.get(line[:1], ""))
