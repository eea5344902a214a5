"""recipients: people by name."""

from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from hark_client.cli import options
from hark_client.cli.asking import agree
from hark_client.cli.notifications import one_page
from hark_client.cli.operations import of_operation
from hark_client.cli.output import fields, result, table
from hark_client.cli.session import session
from hark_client.models import Recipient

commands = typer.Typer(no_args_is_help=True, help="People by name: list, get, put, delete, erase.")

_Name = Annotated[str, typer.Argument(metavar="NAME", help="The recipient's name.")]


@commands.command("list")
def list_(
    context: typer.Context, limit: options.Limit = 20, cursor: options.Cursor = None, as_json: options.Json = False
) -> None:
    """All of them, a page at a time."""
    with session(context).connect() as client:
        page = next(client.recipients.list(limit=limit, cursor=cursor).pages())
    rows = [(r.name, r.addresses, r.locale, r.time_zone) for r in page.items]
    one_page(page, as_json, table(["name", "addresses", "locale", "time zone"], rows))


@commands.command()
def get(context: typer.Context, name: _Name, as_json: options.Json = False) -> None:
    """One of them, with what they want."""
    with session(context).connect() as client:
        found = client.recipients.get(name)
    result(found, as_json, _of_recipient(found))


@commands.command()
def put(
    context: typer.Context,
    name: _Name,
    addresses: Annotated[
        Optional[list[str]], typer.Option("--address", metavar="CHANNEL=ADDRESS", help="One for each channel.")
    ] = None,
    locale: Annotated[Optional[str], typer.Option(help="As de-AT.")] = None,
    time_zone: Annotated[Optional[str], typer.Option(help="As Europe/Vienna.")] = None,
    attributes: Annotated[
        Optional[list[str]], typer.Option("--attribute", metavar="NAME=VALUE", help="For templates.")
    ] = None,
    file: Annotated[
        Optional[Path], typer.Option(help="A JSON file with the fields, as quiet_hours. Options win.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Register a recipient, or replace it."""
    given = {
        "addresses": options.pairs("--address", addresses) if addresses else None,
        "locale": locale,
        "time_zone": time_zone,
        "attributes": options.pairs("--attribute", attributes) if attributes else None,
    }
    said: Any = options.json_of(file) if file else {}
    said.update({name: value for name, value in given.items() if value is not None})
    with session(context).connect() as client:
        found = client.recipients.put(name, **said)
    result(found, as_json, _of_recipient(found))


@commands.command()
def delete(context: typer.Context, name: _Name, yes: options.Yes = False, as_json: options.Json = False) -> None:
    """Delete the name and its addresses. Records of what was sent stay; `erase` is for those."""
    agree(f"Delete {name}?", yes)
    with session(context).connect() as client:
        client.recipients.delete(name)
    result(None, as_json, f"{name} is deleted")


@commands.command()
def erase(context: typer.Context, name: _Name, yes: options.Yes = False, as_json: options.Json = False) -> None:
    """Take this person's texts and addresses out of all records, for good. What has not gone does not go."""
    agree(f"Erase {name} from all records, for good?", yes)
    with session(context).connect() as client:
        begun = client.recipients.erase(name)
    result(begun, as_json, of_operation(begun), f"hark operations watch {begun.id}")


def _of_recipient(found: Recipient) -> Any:
    hours = [f"{','.join(h.days)} {h.from_}-{h.to}" for h in found.quiet_hours]
    about = {"name": found.name, "addresses": found.addresses, "locale": found.locale, "time zone": found.time_zone}
    return fields({**about, "attributes": found.attributes, "quiet hours": hours, "preferences": found.preferences})
