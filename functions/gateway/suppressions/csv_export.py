"""All suppressions as CSV, page by page: a row an entry, an address's entries on one page."""

import csv
import io
from collections.abc import Callable
from datetime import datetime, timedelta

from shared.delivery.instants import rfc3339
from shared.people.people_store import PeopleStore
from shared.people.suppression import Entry, Suppression

COLUMNS = ("channel", "address_hash", "reason", "class", "at", "evidence", "categories", "except_for")

MOST_ROWS = 10_000
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")
_MOST_CHARACTERS = 1024 * 1024
_LONGEST = timedelta(seconds=2)  # others wait for their listings meanwhile
_AT_ONCE = 500  # addresses of one read


async def export_page(
    people: PeopleStore, channel: str | None, after: str | None, now: Callable[[], datetime]
) -> tuple[str, str | None]:
    """A page, by their keys, with the header's row; and the key that the next begins after, None: there is none.

    It ends at MOST_ROWS, at about 1 MiB, or when it has taken too long.
    """
    page = io.StringIO(newline="")
    writer = csv.writer(page)
    writer.writerow(COLUMNS)
    began, rows, last = now(), 0, after
    while True:
        found = await people.suppressions(channel=channel, limit=_AT_ONCE, after=last)
        for suppression in found.items:
            if rows and (rows + len(suppression.entries) > MOST_ROWS or page.tell() > _MOST_CHARACTERS):
                return page.getvalue(), last
            writer.writerows(_row(suppression, entry) for entry in suppression.by_weight)
            rows, last = rows + len(suppression.entries), suppression.key
        if found.next is None:
            return page.getvalue(), None
        last = found.next
        if now() - began > _LONGEST:
            return page.getvalue(), last


def _guarded(cell: str) -> str:
    """A spreadsheet would take it for a formula: https://owasp.org/www-community/attacks/CSV_Injection"""
    return f"'{cell}" if cell.startswith(_FORMULAS) else cell


def unguarded(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULAS) else cell


def _row(suppression: Suppression, entry: Entry) -> tuple[str, ...]:
    return (
        suppression.channel,
        suppression.id,
        entry.reason,
        entry.class_,
        rfc3339(entry.at),
        _guarded(entry.evidence),
        " ".join(entry.categories),
        " ".join(entry.except_for),
    )
