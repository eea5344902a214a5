"""The JSON of /v1/audit."""

from collections.abc import Sequence
from typing import Annotated, cast

from pydantic import Field
from typing_extensions import TypedDict

from functions.gateway.audit_trail.entry import AuditEntry, AuditResult, told

InstantText = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
"""RFC 3339 in UTC with six digits of a second: as it is hashed."""


class HeadJson(TypedDict):
    """Where another chain ended when this one began."""

    chain: str
    number: int
    at: InstantText
    hash: str


class AuditEntryJson(TypedDict):
    """Who did what to which record, from where, and with what result.

    `actor`: the caller's id; `action`: the operation, as /openapi.json calls it, or `refusals`, which only counts some
    `record`: what it was done to; `made`: the caller or operation that came of it; `~…` is a keyed hash of a name, or
    of an address
    `network`: of the client; null where nobody can tell; `status`: of the answer
    `left_out`: refusals of the actor before it that have no entry; `lost`: entries before it that could not be written
    `chain`, `number`, `previous`, `hash`, `follows`: its place, and what ties it to the entries before it
    """

    chain: str
    number: int
    at: InstantText
    actor: str
    action: str
    record: str
    result: AuditResult
    status: int
    network: str | None
    made: str | None
    left_out: int
    lost: int
    follows: list[HeadJson]
    previous: str
    hash: str


class AuditEntriesJson(TypedDict):
    items: list[AuditEntryJson]
    next_cursor: str | None


def entries_json(entries: Sequence[AuditEntry]) -> list[AuditEntryJson]:
    return [cast(AuditEntryJson, told(entry)) for entry in entries]
