"""What is shown: the API's own JSON, or tables for people. Errors and questions go to stderr."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Optional

import typer
from pydantic import BaseModel
from pydantic_core import to_jsonable_python
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hark_client import errors

_WIDE = 240  # columns where there is no terminal: a table in a file is not cut
# Of what strangers wrote, a terminal is to obey nothing.
_CONTROLS = dict.fromkeys({*range(32), *range(127, 160)} - {ord("\n")}, "�")
_COLOURS = {
    "green": {"sent", "delivered", "active", "done", "accepted", "ok", "cancelled"},
    "red": {"failed", "dead", "undelivered", "open", "permanent", "refused", "wrong"},
    "yellow": {
        "retrying",
        "deferred",
        "partial",
        "paused",
        "retryable",
        "throttled",
        "unknown",
        "doubtful",
        "expired",
        "suppressed",
    },
    "cyan": {"scheduled", "queued", "sending", "running"},
}
_STYLES = {word: colour for colour, words in _COLOURS.items() for word in words}


def console(*, stderr: bool = False) -> Console:
    """Made when it is needed: what stdout is may change, as in tests."""
    terminal = (sys.stderr if stderr else sys.stdout).isatty()
    return Console(stderr=stderr, width=None if terminal else _WIDE, highlight=False, markup=False, emoji=False)


def plain(value: object) -> str:
    """As it is shown to people: `-` for nothing, a time to the second."""
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return value.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, Mapping):
        return ", ".join(f"{plain(key)}={plain(item)}" for key, item in value.items()) or "-"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(plain, value)) or "-"
    return " ".join(shown_lines(str(value)).split("\n"))


def shown_lines(text: str) -> str:
    return text.expandtabs(4).replace("\r\n", "\n").translate(_CONTROLS)


def cell(value: object) -> Text:
    """Its lines stay: in its column it can be taken for no other."""
    text = shown_lines(value) if isinstance(value, str) else plain(value)
    return Text(text, style=_STYLES.get(text, ""), overflow="fold")


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: Optional[str] = None) -> Table:
    made = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for number, column in enumerate(columns):
        made.add_column(column, overflow="fold", no_wrap=number == 0)
    for row in rows:
        made.add_row(*map(cell, row))
    return made


def fields(said: Mapping[str, object]) -> Table:
    """One record, a line each."""
    made = Table(box=None, pad_edge=False, show_header=False)
    made.add_column(style="bold", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in said.items():
        made.add_row(name, cell(value))
    return made


def show(*parts: object, stderr: bool = False) -> None:
    shown = console(stderr=stderr)
    for part in parts:
        shown.print(Text(plain(part)) if isinstance(part, str) else part)


def complain(error: object) -> None:
    """A problem's fields have a line each."""
    shown = console(stderr=True)
    if isinstance(error, errors.Problem) and error.errors:
        said = f", {error.detail}" if error.detail else ""
        shown.print(Text(plain(f"hark: {error.operation}: {error.status} {error.title}{said}"), style="red"))
        for wrong in error.errors:
            shown.print(Text(plain(f"  {wrong.field}: {wrong.message}")))
    else:
        shown.print(Text(plain(f"hark: {error}"), style="red"))


def as_answered(answer: Any) -> Any:
    """What the API answered: its names, and no field that it left out."""
    if isinstance(answer, BaseModel):
        return answer.model_dump(mode="json", by_alias=True, exclude_unset=True)
    if isinstance(answer, (list, tuple)):
        return [as_answered(item) for item in answer]
    if isinstance(answer, Mapping):
        return {key: as_answered(item) for key, item in answer.items()}
    return to_jsonable_python(answer)


def print_json(answer: Any, *, line: bool = False) -> None:
    """line: on one line, for answers that follow each other"""
    # ASCII: it is the same JSON, and no terminal's encoding can be in its way.
    typer.echo(json.dumps(as_answered(answer), indent=None if line else 2))


def result(answer: Any, as_json: bool, *parts: object) -> None:
    """The answer as JSON, or the parts for people."""
    if as_json:
        print_json(answer)
    else:
        show(*parts)
