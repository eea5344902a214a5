"""What operators did."""

from datetime import datetime
from typing import Optional, Union

from hark_client.models.base import Answer
from hark_client.models.words import AuditResult


class AuditHead(Answer):
    """Where another chain ended when this one began."""

    chain: str
    number: int
    at: datetime
    hash: str


class AuditEntry(Answer):
    """Who did what to which record, from where, and with what result.

    actor: the caller's id; record, made: what it was done to and what came of it, where `~…` is a keyed hash of a name
    network: of the client; left_out: refusals of the actor before it that have no entry
    lost: entries before it that could not be written
    chain, number, previous, hash, follows: its place, which `hark_client.audit_chain` verifies
    """

    chain: str
    number: int
    at: datetime
    actor: str
    action: str
    record: str
    result: Union[AuditResult, str]
    status: int
    network: Optional[str]
    made: Optional[str]
    left_out: int
    lost: int
    follows: list[AuditHead]
    previous: str
    hash: str
