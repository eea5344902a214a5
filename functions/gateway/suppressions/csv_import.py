"""Suppressions from CSV, each row for itself: what another service has of them, or an export of our own.

What if the process dies: the rows that were written are on record, whoever has no answer sends the file again, and a
row that is on record changes nothing.
"""

import asyncio
import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError

from functions.gateway.access.caller import Caller
from functions.gateway.channels.addresses import address_of, unknown_channel
from functions.gateway.notifications.timing import Instant
from functions.gateway.services import Gateway
from functions.gateway.suppressions import changes
from functions.gateway.suppressions.csv_export import unguarded
from functions.gateway.suppressions.schemas import ImportedJson, RowProblemJson
from functions.gateway.web.common_fields import plain_name
from functions.gateway.web.problem_details import FieldError, Problem, field_error, field_errors, invalid
from functions.gateway.web.request_bodies import BODY_LIMIT
from shared.channels.text_checks import one_line
from shared.delivery.errors import StoreUnavailable, UnreadableRecord
from shared.delivery.model import SuppressionReason
from shared.people.suppression import CLASS_BY_REASON, Entry, Suppression, SuppressionClass
from shared.runtime.logs import get_logger

log = get_logger(__name__)

MOST_ROWS = 2_000
_AT_ONCE = 20  # addresses
_A_WHILE = 50  # rows that are judged in a row: a few milliseconds
CLOCKS_DIFFER = timedelta(minutes=1)
_MOST_CATEGORIES = 100
_COLUMNS = ("channel", "address", "address_hash", "reason", "class", "at", "evidence", "categories", "except_for")
_HASH = re.compile("[0-9a-f]{64}")
csv.field_size_limit(BODY_LIMIT)  # else a longer cell would be a fault of the whole file


def _categories(cell: str) -> tuple[str, ...]:
    """Raises ValueError."""
    names = tuple(sorted({plain_name(name) for name in cell.split()}))
    if len(names) > _MOST_CATEGORIES:
        raise ValueError(f"must be at most {_MOST_CATEGORIES}")
    return names


class _Cells(BaseModel):
    """A row's cells by column, those that are not empty."""

    model_config = ConfigDict(extra="forbid")

    channel: str
    address: str | None = None
    address_hash: Annotated[str, StringConstraints(pattern=f"^{_HASH.pattern}$")] | None = None
    reason: SuppressionReason = SuppressionReason.MANUAL
    class_: SuppressionClass | None = Field(default=None, alias="class")
    at: Instant | None = None
    # Longer than what a request may give, which has its caller before it in an export.
    evidence: (
        Annotated[str, BeforeValidator(unguarded), StringConstraints(max_length=600), AfterValidator(one_line)] | None
    ) = None
    categories: Annotated[tuple[str, ...], BeforeValidator(_categories)] = ()
    except_for: Annotated[tuple[str, ...], BeforeValidator(_categories)] = ()


@dataclass(frozen=True, slots=True)
class _Row:
    """of: whose entry it is; dated: whether it says when"""

    number: int
    of: Suppression
    entry: Entry
    dated: bool


async def import_csv(gateway: Gateway, caller: Caller, text: str) -> ImportedJson:
    """What became of the rows. Problem 422 for what is no such CSV; nothing of it is written then.

    Raises StoreUnavailable when some rows could not be written.
    """
    header, lines = _lines(text)
    now = gateway.now()
    problems: list[RowProblemJson] = []
    by_address: dict[tuple[str, str], list[_Row]] = {}
    for number, line in enumerate(lines, 1):
        if number % _A_WHILE == 0:
            await asyncio.sleep(0)  # for those who wait for the loop
        try:
            row = _row(gateway, caller, number, _cells(header, line), now)
        except Problem as wrong:
            problems += [_problem(number, error) for error in wrong.errors]
        else:
            # Those of one address are one write, in their order.
            by_address.setdefault((row.of.channel, row.of.id), []).append(row)
    problems += await _write(gateway, caller, list(by_address.values()))
    bad = len({problem["row"] for problem in problems})
    log.info("suppressions imported", by=caller.id, rows=len(lines), imported=len(lines) - bad)
    return ImportedJson(
        rows=len(lines), imported=len(lines) - bad, problems=sorted(problems, key=lambda problem: problem["row"])
    )


async def _write(gateway: Gateway, caller: Caller, addresses: Sequence[Sequence[_Row]]) -> list[RowProblemJson]:
    """The problems of those that cannot be. Raises StoreUnavailable."""
    some = asyncio.Semaphore(_AT_ONCE)
    problems: list[RowProblemJson] = []

    async def write(rows: Sequence[_Row]) -> None:
        error = None
        async with some:
            try:
                undated = [row.entry for row in rows if not row.dated]
                await changes.put(gateway.people, rows[0].of, [row.entry for row in rows], caller, undated)
            except UnreadableRecord as unreadable:
                log.error("a suppression cannot be read", error=str(unreadable))
                error = field_error("address", "its record cannot be read: a newer version wrote it, or it is damaged")
        if error is not None:
            problems.extend(_problem(row.number, error) for row in rows)

    try:
        async with asyncio.TaskGroup() as tasks:  # the first that fails ends the others: the caller sends all again
            for rows in addresses:
                tasks.create_task(write(rows))
    except* StoreUnavailable:
        raise StoreUnavailable("not all rows of an import could be written") from None
    return problems


def _lines(text: str) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    """The header, and the rows below it. Problem 422."""
    try:
        lines = [line for line in csv.reader(io.StringIO(text, newline=""), strict=True) if line]
    except csv.Error:
        raise invalid(field_error("body", "must be CSV with commas, as RFC 4180 says")) from None
    header = [name.strip().lower() for name in lines[0]] if lines else []
    wrong = [field_error(name, f"there is no such column; there are {', '.join(_COLUMNS)}") for name in header]
    wrong = [error for error, name in zip(wrong, header, strict=True) if name not in _COLUMNS]
    wrong += [field_error(name, "is there twice") for name in sorted({n for n in header if header.count(n) > 1})]
    if "channel" not in header:
        wrong.append(field_error("channel", "there must be a column of this name"))
    if not {"address", "address_hash"} & set(header):
        wrong.append(field_error("address", "there must be a column of this name, or address_hash"))
    if wrong:
        raise invalid(*wrong)
    if len(lines) > MOST_ROWS + 1:
        raise invalid(field_error("body", f"must have at most {MOST_ROWS} rows"))
    return header, lines[1:]


def _cells(header: Sequence[str], line: Sequence[str]) -> Mapping[str, str]:
    """Problem 422."""
    if len(line) != len(header):
        raise invalid(field_error("row", f"has {len(line)} cells, and the header {len(header)}"))
    return {name: cell for name, cell in zip(header, line, strict=True) if cell}


def _row(gateway: Gateway, caller: Caller, number: int, cells: Mapping[str, Any], now: datetime) -> _Row:
    """Problem 422 names the columns that are wrong."""
    try:
        row = _Cells.model_validate(cells)
    except ValidationError as error:
        raise invalid(*field_errors(error)) from None
    if row.channel not in gateway.channels:
        raise invalid(unknown_channel("channel", gateway.channels))
    if not caller.may_use(row.channel):
        raise invalid(field_error("channel", "this caller may not use it"))
    if (row.address is None) == (row.address_hash is None):
        raise invalid(field_error("address", "there must be either it or address_hash"))
    if row.at is not None and row.at > now + CLOCKS_DIFFER:
        raise invalid(field_error("at", "lies in the future"))
    class_ = row.class_ or CLASS_BY_REASON[row.reason]
    if class_ is SuppressionClass.CATEGORY and not row.categories:
        raise invalid(field_error("categories", "must name those that the class category stops"))
    suppression_id = row.address_hash or gateway.people.suppression_id(
        row.channel, address_of(gateway.channels, row.channel, row.address or "")
    )
    evidence = row.evidence or f"imported by caller {caller.id}"
    entry = Entry(row.reason, class_, row.at or now, evidence, row.categories, row.except_for)
    return _Row(number, Suppression(suppression_id, row.channel), entry, dated=row.at is not None)


def _problem(row: int, error: FieldError) -> RowProblemJson:
    return RowProblemJson(row=row, field=error["field"], detail=error["message"])
