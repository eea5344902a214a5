"""What `audit_chain.verify` finds, on the entries of the real gateway, in memory."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from hark_client import audit_chain
from hark_client.audit_chain import Finding, Verifier
from hark_client.client import Client
from hark_client.models import AuditEntry
from hark_client.testing.hark import Hark

HOURS = 3


@pytest.fixture(scope="module")
def entries() -> Sequence[AuditEntry]:
    """Three chains of three entries, the oldest first."""
    with Hark() as hark, Client(hark.url, hark.api_key, transport=hark.transport) as client:
        for _ in range(HOURS):
            for reason in ("one", "two"):
                client.channels.pause("sms", reason=reason)
            client.recipients.put("alice", addresses={"email": "a@example.com"})
            hark.advance(timedelta(hours=1))
        return list(client.audit.list(limit=2))[::-1]


def changed(entry: AuditEntry, **values: object) -> AuditEntry:
    return entry.model_copy(update=values)


def without(entries: Sequence[AuditEntry], *places: int) -> list[AuditEntry]:
    return [entry for place, entry in enumerate(entries) if place not in places]


def test_as_they_were_written_nothing_is_found(entries: Sequence[AuditEntry]) -> None:
    assert [entry.number for entry in entries] == [1, 2, 3] * HOURS
    assert audit_chain.verify(entries) == []
    assert audit_chain.verify(entries[::-1]) == []
    assert audit_chain.verify([]) == []


def test_each_field_that_is_changed_shows(entries: Sequence[AuditEntry]) -> None:
    entry = entries[4]
    values = {"actor": "x", "action": "x", "record": "x", "result": "x", "status": 1, "network": "x", "made": "x"}
    values |= {"left_out": 1, "lost": 1, "previous": "x", "at": entry.at + timedelta(microseconds=1), "new": 1}
    for name, value in values.items():
        found = audit_chain.verify([*without(entries, 4), changed(entry, **{name: value})])
        assert Finding("changed", entry.chain, 2) in found, name


def test_one_that_is_changed_and_hashed_anew_shows_by_the_one_after(entries: Sequence[AuditEntry]) -> None:
    forged = changed(entries[4], actor="x")
    forged = changed(forged, hash=audit_chain.digest(forged))
    assert audit_chain.verify([*without(entries, 4), forged]) == [Finding("broken", forged.chain, 3)]


def test_the_last_of_a_chain_changed_and_hashed_anew_shows_by_the_next_chain(entries: Sequence[AuditEntry]) -> None:
    forged = changed(entries[5], actor="x")
    forged = changed(forged, hash=audit_chain.digest(forged))
    assert audit_chain.verify([*without(entries, 5), forged]) == [Finding("cut_off", forged.chain, 3)]


def test_one_that_is_taken_out_shows(entries: Sequence[AuditEntry]) -> None:
    chain = entries[3].chain
    assert audit_chain.verify(without(entries, 3)) == [Finding("missing", chain, 1)]
    assert audit_chain.verify(without(entries, 4)) == [Finding("missing", chain, 2)]
    assert audit_chain.verify(without(entries, 5)) == [Finding("cut_off", chain, 3)]


def test_a_chain_that_is_taken_out_shows(entries: Sequence[AuditEntry]) -> None:
    assert Finding("cut_off", entries[3].chain, 3) in audit_chain.verify(without(entries, 3, 4, 5))


def test_one_that_is_put_in_shows(entries: Sequence[AuditEntry]) -> None:
    more = changed(entries[4], actor="x")
    more = changed(more, hash=audit_chain.digest(more))
    assert Finding("doubled", more.chain, 2) in audit_chain.verify([*entries, more])


def test_what_is_older_than_was_asked_for_is_not_missed(entries: Sequence[AuditEntry]) -> None:
    since = entries[4].at
    assert audit_chain.verify(entries[4:], since=since) == []
    assert audit_chain.verify(entries[4:]) != []


def test_several_that_are_missing_are_one_finding(entries: Sequence[AuditEntry]) -> None:
    chain = entries[3].chain
    assert audit_chain.verify(without(entries, 3, 4)) == [Finding("missing", chain, 1, 2)]


def test_of_a_chain_that_began_later_than_was_asked_for_the_first_is_missed(entries: Sequence[AuditEntry]) -> None:
    since = entries[3].at - timedelta(seconds=1)
    assert audit_chain.verify(entries[4:], since=since) == [Finding("missing", entries[3].chain, 1)]


def test_one_by_one_what_is_kept_is_of_the_last_hour(entries: Sequence[AuditEntry]) -> None:
    verifier, most = Verifier(), 0
    for entry in reversed(entries):
        verifier.see(entry)
        most = max(most, len(verifier._recent))
    assert (verifier.findings(), most) == ([], 6), "two hours' entries, as the clocks of gateways may differ by one"


def test_the_end_of_all_cut_off_does_not_show(entries: Sequence[AuditEntry]) -> None:
    """What it cannot tell; the gateway's log does."""
    assert audit_chain.verify(entries[:-1]) == []
