"""Before something is done: what it would be is shown, and a question asked."""

import sys
from typing import Any

import typer

from hark_client.cli.output import print_json, show
from hark_client.cli.session import ended_badly


def agree(question: str, yes: bool) -> None:
    """Goes on when it is to be done, and ends badly otherwise. Where nobody can be asked, --yes has to say so."""
    if yes:
        return
    if not _someone_is_there():
        raise typer.BadParameter("nobody can be asked here: add --yes to do it, or --dry-run to see what it would do")
    if not typer.confirm(question, err=True):
        ended_badly()


def shown_only(would: Any, *parts: object, dry_run: bool, as_json: bool) -> bool:
    """Whether that was all, as of a dry run. would: as JSON, for a dry run with --json; parts: for people"""
    if dry_run and as_json:
        print_json(would)
    else:
        show(*parts, stderr=as_json)
    return dry_run


def _someone_is_there() -> bool:
    return sys.stdin.isatty()
