"""One entry of the audit log, and the hash that ties it to the one before."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

COMMAND_LINE = "command-line"
"""The actor of what was done past the gateway, by whoever may write to the database."""


class AuditResult(StrEnum):
    DONE = "done"  # it was answered with a success
    REFUSED = "refused"  # this caller may not
    UNKNOWN = "unknown"  # it was answered with a fault, and may have been done all the same


@dataclass(frozen=True, slots=True)
class Head:
    """The last entry of another chain, as a new chain found it."""

    chain: str
    number: int
    at: datetime
    hash: str


@dataclass(frozen=True, slots=True)
class Act:
    """What is told of a request.

    actor: the caller's id; action: the operation, as /openapi.json calls it
    record: what it was done to, as a path; made: what came of it; names that may be a person's are keyed hashes in both
    network: of the client, never its whole address; status: of the answer
    left_out: refusals of this actor before it that have no entry
    """

    actor: str
    action: str
    record: str
    result: AuditResult
    status: int
    network: str | None = None
    made: str | None = None
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """An act at its place in a chain.

    chain, number: the place, counted from 1; previous: the hash of the one before, "" of the first
    follows: of a first one, where the other chains ended then
    lost: entries before it that could not be written, and are log lines alone
    """

    chain: str
    number: int
    at: datetime
    actor: str
    action: str
    record: str
    result: AuditResult
    status: int
    network: str | None = None
    made: str | None = None
    left_out: int = 0
    lost: int = 0
    follows: tuple[Head, ...] = ()
    previous: str = ""
    hash: str = ""

    @property
    def id(self) -> str:
        return f"{self.chain}-{self.number:08}"

    @property
    def head(self) -> Head:
        return Head(self.chain, self.number, self.at, self.hash)

    def sealed(self) -> "AuditEntry":
        return replace(self, hash=digest(self))


def digest(entry: AuditEntry) -> str:
    """The SHA-256, in hex, over its JSON as /v1/audit answers it: without the hash, and without what is null, so that a
    field that comes later changes no old hash; the names in order, without blanks, and escaped beyond ASCII.
    """
    content = {name: value for name, value in told(entry).items() if value is not None and name != "hash"}
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def told(entry: AuditEntry) -> Mapping[str, Any]:
    """As /v1/audit answers it."""
    values = {f.name: getattr(entry, f.name) for f in fields(entry)}
    follows = [{"chain": h.chain, "number": h.number, "at": instant(h.at), "hash": h.hash} for h in entry.follows]
    return values | {"at": instant(entry.at), "result": str(entry.result), "follows": follows}


def instant(at: datetime) -> str:
    """In one spelling: what is hashed must be said alike everywhere."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
