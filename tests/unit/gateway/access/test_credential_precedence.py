"""Which of several records a credential is let in by: nobody takes the place of one that they could not have made."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from functions.gateway.access.caller import Caller, CallerKind, Scope, exceeds
from functions.gateway.access.credential_precedence import deciding
from tests.fakes.clock import START

ALL = frozenset(Scope)
FEW = frozenset({Scope.CALLERS_MANAGE, Scope.NOTIFICATIONS_SEND})
ADMIN = Caller("a" * 16, CallerKind.LIVE, ALL)
MANAGER = Caller("b" * 16, CallerKind.LIVE, FEW)
MAKERS = {maker.id: maker for maker in (ADMIN, MANAGER)}


def a_record(
    name: str, scopes: frozenset[Scope], by: Caller | str | None, age: int, revoked_at: datetime | None = None
) -> Caller:
    """age: in hours before the youngest there can be"""
    maker = by.id if isinstance(by, Caller) else by
    created_at = START - timedelta(hours=age)
    return Caller(name, CallerKind.CERTIFICATE, scopes, created_by=maker, created_at=created_at, revoked_at=revoked_at)


def held_by(*records: Caller, makers: Mapping[str, Caller] = MAKERS) -> str:
    """The most exact first."""
    return deciding(records, makers).id


HOST = a_record("host", ALL, ADMIN, age=9)


def test_a_manager_does_not_stand_before_an_administrator_that_was_there() -> None:
    assert held_by(a_record("exact", FEW, MANAGER, age=1), HOST) == "host"


def test_a_revoked_shadow_locks_nobody_out() -> None:
    assert held_by(a_record("exact", FEW, MANAGER, age=1, revoked_at=START), HOST) == "host"


def test_an_administrator_gives_one_workload_of_a_host_less() -> None:
    assert held_by(a_record("exact", FEW, ADMIN, age=1), HOST) == "exact"
    revoked = a_record("exact", FEW, ADMIN, age=1, revoked_at=START)
    assert held_by(revoked, HOST) == "exact", "a revoked certificate does not get in by its host's name"


def test_a_maker_grants_what_it_may_do_now() -> None:
    exact = a_record("exact", FEW, ADMIN, age=1)
    assert held_by(exact, HOST, makers={ADMIN.id: replace(ADMIN, scopes=FEW)}) == "host"
    assert held_by(exact, HOST, makers={ADMIN.id: replace(ADMIN, revoked_at=START)}) == "exact"


def test_a_maker_that_is_gone_granted_nothing() -> None:
    assert held_by(a_record("exact", ALL, "0" * 16, age=1), HOST) == "host"
    assert held_by(a_record("exact", FEW, "0" * 16, age=9), replace(HOST, created_at=START)) == "exact", "the older"


def test_what_the_command_made_and_what_was_there_before_makers_were_on_record_goes_by_exactness() -> None:
    assert held_by(a_record("exact", FEW, None, age=1), replace(HOST, created_by=None)) == "exact"
    assert held_by(a_record("exact", FEW, MANAGER, age=1), replace(HOST, created_by=None)) == "host"


def test_it_works_both_ways() -> None:
    """A manager's own record holds against one that it could not make; an administrator revokes it if that is wrong."""
    exact, managers = a_record("exact", ALL, ADMIN, age=1), a_record("host", FEW, MANAGER, age=9)
    assert held_by(exact, managers) == "host"
    assert held_by(exact, replace(managers, revoked_at=START)) == "exact"


def test_limits_count_like_scopes() -> None:
    slow = replace(ADMIN, requests_per_minute=10)
    assert held_by(a_record("exact", FEW, slow, age=1), HOST, makers={**MAKERS, slow.id: slow}) == "host"


def test_a_shadow_does_not_move_a_workload_up_to_its_host() -> None:
    """`workload` holds without the shadow, which is younger than both; with it, too."""
    workload = a_record("workload", frozenset({Scope.NOTIFICATIONS_SEND}), ADMIN, age=5)
    assert held_by(a_record("exact", FEW, MANAGER, age=1), workload, HOST) == "workload"


@st.composite
def fitting(draw: st.DrawFn) -> list[Caller]:
    scopes = st.sampled_from([ALL, FEW, frozenset({Scope.NOTIFICATIONS_SEND})])
    by = st.sampled_from([ADMIN, MANAGER, "0" * 16, None])
    ages = draw(st.lists(st.integers(0, 99), min_size=1, max_size=5, unique=True))
    revoked = st.sampled_from([None, None, START])
    return [a_record(str(n), draw(scopes), draw(by), age, draw(revoked)) for n, age in enumerate(ages)]


@given(fitting())
def test_no_record_changes_who_holds_against_one_that_its_maker_could_not_grant(records: list[Caller]) -> None:
    """Taking the youngest away leaves the holder as it was, unless it may stand before each live one there was."""
    youngest = max(records, key=lambda caller: caller.created_at or START)
    others = [caller for caller in records if caller is not youngest]
    if not others:
        return
    maker = MAKERS.get(youngest.created_by or "", Caller("", CallerKind.LIVE, frozenset()))
    before, after = deciding(others, MAKERS), deciding(records, MAKERS)
    assert after.id in {before.id, youngest.id}
    if after is youngest and before.revoked_at is None and youngest.created_by is not None:
        assert exceeds(before, maker) is None
