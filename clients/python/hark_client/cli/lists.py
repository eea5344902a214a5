"""lists: of recipients, for broadcasts."""

from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from hark_client.cli import options
from hark_client.cli.asking import agree
from hark_client.cli.notifications import one_page
from hark_client.cli.output import fields, result, table
from hark_client.cli.session import ended_badly, session
from hark_client.models import FieldError

commands = typer.Typer(no_args_is_help=True, help="Lists of recipients: list, put, members, add, remove, delete.")

_Name = Annotated[str, typer.Argument(metavar="NAME", help="The list's name.")]
_Recipients = Annotated[Optional[list[str]], typer.Argument(metavar="RECIPIENT...")]
_AT_ONCE = 500  # of one request, as the API has it


@commands.command("list")
def list_(
    context: typer.Context, limit: options.Limit = 20, cursor: options.Cursor = None, as_json: options.Json = False
) -> None:
    """All lists, a page at a time."""
    with session(context).connect() as client:
        page = next(client.lists.list(limit=limit, cursor=cursor).pages())
    rows = [(found.name, found.description, found.updated_at) for found in page.items]
    one_page(page, as_json, table(["name", "description", "changed"], rows))


@commands.command()
def put(
    context: typer.Context,
    name: _Name,
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
    as_json: options.Json = False,
) -> None:
    """Make a list, or change its description."""
    with session(context).connect() as client:
        found = client.lists.put(name, description=description)
    result(found, as_json, fields({"name": found.name, "description": found.description}))


@commands.command()
def members(
    context: typer.Context,
    name: _Name,
    limit: options.Limit = 100,
    cursor: options.Cursor = None,
    as_json: options.Json = False,
) -> None:
    """Who is in it, a page at a time."""
    with session(context).connect() as client:
        page = next(client.lists.members(name, limit=limit, cursor=cursor).pages())
    one_page(page, as_json, table(["recipient", "added"], [(m.recipient, m.added_at) for m in page.items]))


@commands.command()
def add(
    context: typer.Context,
    name: _Name,
    recipients: _Recipients = None,
    file: Annotated[Optional[Path], typer.Option(help="A file with a name on each line, or - for stdin.")] = None,
    as_json: options.Json = False,
) -> None:
    """Add recipients. 4 if some were not added."""
    wanted = [*(recipients or []), *(options.text_of(file).split() if file else [])]
    if not wanted:
        raise typer.BadParameter("name recipients, or --file")
    added = 0
    problems: list[FieldError] = []
    with session(context).connect() as client:
        for begin in range(0, len(wanted), _AT_ONCE):
            answer = client.lists.add_members(name, wanted[begin : begin + _AT_ONCE])
            added += answer.added
            problems += [_counted_from(begin, problem) for problem in answer.problems]
    rows = [(wanted[_number(problem)], problem.message) for problem in problems]
    shown: list[Any] = [table(["not added", "why"], rows)] if rows else []
    result({"added": added, "problems": problems}, as_json, f"{added} added to {name}", *shown)
    if problems:
        ended_badly()


@commands.command()
def remove(
    context: typer.Context,
    name: _Name,
    recipient: Annotated[str, typer.Argument(metavar="RECIPIENT")],
    as_json: options.Json = False,
) -> None:
    """Take a recipient out of it."""
    with session(context).connect() as client:
        client.lists.remove_member(name, recipient)
    result(None, as_json, f"{recipient} is not in {name}")


@commands.command()
def delete(context: typer.Context, name: _Name, yes: options.Yes = False, as_json: options.Json = False) -> None:
    """Delete a list. Its recipients stay."""
    agree(f"Delete the list {name}?", yes)
    with session(context).connect() as client:
        client.lists.delete(name)
    result(None, as_json, f"{name} is deleted")


def _number(problem: FieldError) -> int:
    """Of the recipient that it is about, as `recipients.7` has it."""
    return int(problem.field.rpartition(".")[2])


def _counted_from(begin: int, problem: FieldError) -> FieldError:
    return problem.model_copy(update={"field": f"recipients.{begin + _number(problem)}"})
