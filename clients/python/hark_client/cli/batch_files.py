"""A batch as CSV: what a row sends, and what became of it.

The result file is the file itself with four columns more. Each row's key is in it before anything is sent, so running
it again, after whatever end, makes no notification twice.
"""

import csv
import io
import json
import os
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from hark_client.cli.options import text_of
from hark_client.models import BatchItem

ACCEPTED, REFUSED, UNKNOWN = "accepted", "refused", "unknown"
_RESULT = ("key", "result", "id", "problem")
_PLAIN = ("recipient", "subject", "message", "category", "send_at", "deliver_by", "collapse_key", "ordering_key")
_OTHERS = ("template", "version", "locale", "data", "channels")
_PREFIXES = ("to.", "data.", "tag.")
COLUMNS = frozenset({*_PLAIN, *_OTHERS, "key", *(f"{prefix}NAME" for prefix in _PREFIXES)})
_MOST_ITEMS = 500  # of one request, as the API has it
_MOST_BYTES = 1_500_000  # the API takes 2 MiB


@dataclass
class Row:
    """line: in the file; cells: by column, also those of the result"""

    line: int
    cells: dict[str, str]

    @property
    def is_done(self) -> bool:
        return self.cells["result"] == ACCEPTED

    def became(self, item: BatchItem) -> None:
        result = ACCEPTED if item.problem is None else UNKNOWN if item.status >= 500 else REFUSED
        errors = (item.problem.errors or ()) if item.problem else ()
        said = "; ".join(f"{error.field}: {error.message}" for error in errors)
        title = item.problem.detail or item.problem.title if item.problem else ""
        self.cells.update(result=result, id=item.id or "", problem=said or title)


class BatchFile:
    """Rows, and where what became of them is written."""

    def __init__(self, columns: Sequence[str], rows: Sequence[Row], result: Path) -> None:
        self._columns = columns
        self.rows = rows
        self.result = result

    def save(self) -> None:
        """All of it or nothing: whoever is killed here finds the file as it was before."""
        written = io.StringIO(newline="")
        writer = csv.DictWriter(written, self._columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(row.cells for row in self.rows)
        beside = self.result.with_name(f".{self.result.name}.{os.getpid()}")
        with beside.open("wb") as file:
            file.write(written.getvalue().encode())
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self.result)


def read(path: Path, result: Path) -> BatchFile:
    """Rows without a key get one. Raises BadParameter."""
    reader = csv.DictReader(io.StringIO(text_of(path), newline=""), strict=True)
    try:
        found = [(reader.line_num, cells) for cells in reader]
    except csv.Error as error:
        raise typer.BadParameter(f"{path}, line {reader.line_num}: {error}") from None
    columns = list(reader.fieldnames or ())
    _check(path, columns)
    rows, lines = [], dict[str, int]()
    for line, cells in found:
        if None in cells or None in cells.values():
            raise typer.BadParameter(f"{path}, line {line}: it has not as many cells as the header")
        row = Row(line, {**dict.fromkeys(_RESULT, ""), **cells})
        key = row.cells["key"] = row.cells["key"] or str(uuid.uuid4())
        if key in lines:
            raise typer.BadParameter(f"{path}: lines {lines[key]} and {line} have the same key")
        lines[key] = line
        item_of(row)
        rows.append(row)
    return BatchFile([*columns, *(name for name in _RESULT if name not in columns)], rows, result)


def is_result(path: Path) -> bool:
    """Whether it is one that was written here."""
    header = next(csv.reader(io.StringIO(text_of(path), newline="")), [])
    return set(_RESULT) <= set(header)


def item_of(row: Row) -> dict[str, Any]:
    """What the API takes. An empty cell is as if its column were not there. Raises BadParameter."""
    cells = {name: cell for name, cell in row.cells.items() if cell}
    item: dict[str, Any] = {name: cells[name] for name in ("key", *_PLAIN) if name in cells}
    for prefix, field in zip(_PREFIXES, ("to", "data", "tags")):
        said = {name[len(prefix) :]: cell for name, cell in cells.items() if name.startswith(prefix)}
        if said:
            item[field] = said
    if "data" in cells:
        item["data"] = {**_object(row.line, cells["data"]), **item.get("data", {})}
    if "channels" in cells:
        item["channels"] = cells["channels"].split()
    if "template" in cells:
        item["template"] = {"name": cells["template"], **{n: cells[n] for n in ("locale",) if n in cells}}
        if "version" in cells:
            item["template"]["version"] = _number(row.line, cells["version"])
    return item


def portions(rows: Sequence[Row], most: int = _MOST_ITEMS) -> Iterator[list[tuple[Row, Any]]]:
    """As many as one request can have."""
    portion: list[tuple[Row, Any]] = []
    size = 0
    for row in rows:
        item = item_of(row)
        bytes_ = len(json.dumps(item))
        if portion and (len(portion) == most or size + bytes_ > _MOST_BYTES):
            yield portion
            portion, size = [], 0
        portion.append((row, item))
        size += bytes_
    if portion:
        yield portion


def _check(path: Path, columns: Sequence[str]) -> None:
    known = {*_PLAIN, *_OTHERS, *_RESULT}
    strange = [c for c in columns if c not in known and not any(c.startswith(p) and c != p for p in _PREFIXES)]
    if strange or len(set(columns)) < len(columns):
        about = f"no column is called {strange[0]!r}" if strange else "a column is there twice"
        raise typer.BadParameter(f"{path}: {about}; there may be {', '.join(sorted(COLUMNS))}")


def _object(line: int, cell: str) -> dict[str, Any]:
    try:
        found = json.loads(cell)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise typer.BadParameter(f"line {line}: data must be a JSON object")
    return found


def _number(line: int, cell: str) -> int:
    if not (cell.isascii() and cell.isdigit()):
        raise typer.BadParameter(f"line {line}: version must be a number")
    return int(cell)
