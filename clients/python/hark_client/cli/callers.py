"""callers: who may call, and their keys."""

import os
from pathlib import Path
from typing import Annotated, Any, Optional, get_args

import typer

from hark_client.cli import options
from hark_client.cli.asking import agree, shown_only
from hark_client.cli.notifications import one_page
from hark_client.cli.output import as_answered, fields, result, table
from hark_client.cli.session import session
from hark_client.models import Caller, WouldRevoke
from hark_client.models.words import CallerKind, Scope

commands = typer.Typer(no_args_is_help=True, help="Who may call: list, get, create, revoke, add-key, revoke-key.")

_Id = Annotated[str, typer.Argument(metavar="ID", help="The caller's id.")]
_KeyFile = Annotated[
    Optional[Path], typer.Option(help="Write the key to this new file, which only you can read, and print it nowhere.")
]


def _kinds() -> list[str]:
    return list(get_args(CallerKind))


def _scopes() -> list[str]:
    return list(get_args(Scope))


@commands.command("list")
def list_(
    context: typer.Context, limit: options.Limit = 20, cursor: options.Cursor = None, as_json: options.Json = False
) -> None:
    """All of them, a page at a time."""
    with session(context).connect() as client:
        page = next(client.callers.list(limit=limit, cursor=cursor).pages())
    rows = [(c.id, c.name, c.kind, c.created_at, c.last_used_at, c.revoked_at) for c in page.items]
    one_page(page, as_json, table(["id", "name", "kind", "made", "last used", "revoked"], rows))


@commands.command()
def get(context: typer.Context, caller_id: _Id, as_json: options.Json = False) -> None:
    """One of them, with its scopes, limits and keys."""
    with session(context).connect() as client:
        found = client.callers.get(caller_id)
    result(found, as_json, _of_caller(found))


@commands.command()
def create(
    context: typer.Context,
    name: Annotated[str, typer.Option(help="Whom it is for.")],
    scopes: Annotated[list[str], typer.Option("--scope", help="What it may do.", autocompletion=_scopes)],
    kind: Annotated[str, typer.Option(autocompletion=_kinds)] = "live",
    file: Annotated[Optional[Path], typer.Option(help="A JSON file with more fields, as limits. Options win.")] = None,
    key_file: _KeyFile = None,
    as_json: options.Json = False,
) -> None:
    """Make a caller. Its key is shown this once."""
    said: Any = {**(options.json_of(file) if file else {}), "name": name, "kind": kind, "scopes": scopes}
    _is_new(key_file)
    with session(context).connect() as client:
        made = client.callers.create(**said)
    _with_key(made, made.key, key_file, as_json, _of_caller(made))


@commands.command()
def revoke(
    context: typer.Context,
    caller_id: _Id,
    cascade: Annotated[bool, typer.Option("--cascade", help="What it made is revoked, too.")] = False,
    stop: Annotated[bool, typer.Option("--stop", help="What they have queued is cancelled.")] = False,
    yes: options.Yes = False,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
) -> None:
    """Revoke a caller, for good: whom and what that stops is shown, and a question asked."""
    with session(context).connect() as client:
        would = client.callers.plan_revocation(caller_id, cascade=cascade, stop=stop)
        if shown_only(would, _of_plan(would), dry_run=dry_run, as_json=as_json):
            return
        agree(f"Revoke {', '.join(would.callers) or caller_id}?", yes)
        while client.callers.revoke(caller_id, cascade=cascade, stop=stop) is not None:
            pass  # it did some of it, and is to be asked again
    result(None, as_json, f"{caller_id} is revoked")


@commands.command("add-key")
def add_key(context: typer.Context, caller_id: _Id, key_file: _KeyFile = None, as_json: options.Json = False) -> None:
    """A further key for a caller. It is shown this once."""
    _is_new(key_file)
    with session(context).connect() as client:
        made = client.callers.add_key(caller_id)
    _with_key(made, made.key, key_file, as_json, fields({"key's id": made.id, "made": made.created_at}))


@commands.command("revoke-key")
def revoke_key(
    context: typer.Context,
    caller_id: _Id,
    key_id: Annotated[str, typer.Argument(metavar="KEY-ID", help="The key's id, not the key.")],
    yes: options.Yes = False,
    as_json: options.Json = False,
) -> None:
    """Revoke one key of a caller, for good."""
    agree(f"Revoke the key {key_id} of {caller_id}?", yes)
    with session(context).connect() as client:
        client.callers.revoke_key(caller_id, key_id)
    result(None, as_json, f"{key_id} is revoked")


def _is_new(key_file: Optional[Path]) -> None:
    """Asked before there is a key that could be lost. Raises BadParameter."""
    if key_file is not None and (key_file.exists() or not key_file.parent.is_dir()):
        raise typer.BadParameter(f"{key_file} must be a new file in a folder that there is")


def _with_key(made: Any, key: Optional[str], key_file: Optional[Path], as_json: bool, shown: Any) -> None:
    if key_file is not None and key is not None:
        with os.fdopen(os.open(key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(key + "\n")
        answered = {name: value for name, value in as_answered(made).items() if name != "key"}
        result(answered, as_json, shown, f"the key is in {key_file}")
    else:
        result(made, as_json, shown, *([] if key is None else [f"key, shown this once: {key}"]))


def _of_caller(found: Caller) -> Any:
    about = {"id": found.id, "name": found.name, "kind": found.kind, "scopes": found.scopes}
    limits = {
        "channels": found.channels,
        "recipients": found.recipients,
        "requests a minute": found.requests_per_minute,
        "notifications a day": found.notifications_per_day,
        "segments a day": found.segments_per_day,
    }
    keys = [f"{key.id} (revoked)" if key.revoked_at else key.id for key in found.keys]
    return fields({**about, **limits, "keys": keys, "last used": found.last_used_at, "revoked": found.revoked_at})


def _of_plan(would: WouldRevoke) -> Any:
    said: dict[str, Any] = {"would be revoked": would.callers}
    if would.stopped is not None:
        more = "at least " if would.stopped.estimated else ""
        said["would be cancelled"] = f"{more}{would.stopped.cancelled}"
        said["of these may have arrived"] = would.stopped.may_have_arrived
        said["under way, and would go"] = would.stopped.under_way
    return fields(said)
