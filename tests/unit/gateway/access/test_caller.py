"""What callers may do, what their keys give away, and how soon a change is seen."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from functions.gateway.access import api_keys
from functions.gateway.access import caller as callers
from functions.gateway.access.authentication import FRESH_SECONDS, STALE_SECONDS, CallerCache, Identity
from functions.gateway.access.caller import Caller, CallerKind, Scope, exceeds
from functions.gateway.web.problem_details import Problem
from tests.fakes.callers import MemoryCallers
from tests.fakes.clock import START
from tests.fakes.records import a_notification

ALL = frozenset(Scope)


def a_caller(kind: CallerKind = CallerKind.LIVE, **limits: object) -> Caller:
    return Caller(**{"id": api_keys.new_caller_id(), "kind": kind, "scopes": ALL, **limits})  # type: ignore[arg-type]


def with_key(kind: CallerKind = CallerKind.LIVE) -> tuple[Caller, str]:
    caller = a_caller(kind)
    key = api_keys.new_key(caller.id, kind)
    return replace(caller, keys=(api_keys.kept(key, START),)), key


# Keys


@pytest.mark.parametrize("kind", [CallerKind.LIVE, CallerKind.TEST, CallerKind.TEAM])
def test_a_key_opens_its_own_caller_and_no_other(kind: CallerKind) -> None:
    caller, key = with_key(kind)
    assert re.fullmatch(rf"hark_{kind}_[0-9a-f]{{16}}_[\w-]{{43}}", key)
    assert api_keys.parse(key) == (kind, caller.id)
    assert api_keys.opens(caller, key)
    assert not api_keys.opens(with_key(kind)[0], key)
    assert not api_keys.opens(replace(caller, revoked_at=START), key)
    assert not api_keys.opens(replace(caller, keys=(replace(caller.keys[0], revoked_at=START),)), key)


def test_what_is_kept_of_a_key_does_not_open() -> None:
    caller, key = with_key()
    kept = repr(caller)
    assert key not in kept
    assert key[-43:] not in kept  # which may have an underscore itself
    for stolen in (caller.keys[0].hash, f"hark_live_{caller.id}_{caller.keys[0].hash[:43]}"):
        assert not api_keys.opens(caller, stolen)


@given(st.text() | st.from_regex(r"hark_(live|test|team)_[0-9a-f]{16}_[\w-]{43}"))
def test_no_other_text_opens(text: str) -> None:
    caller, key = with_key()
    assert not api_keys.opens(caller, text)
    for wrong in (key[:-1], key + "A", key.replace("live", "test"), key.swapcase(), f" {key}", f"{key}\n"):
        assert not api_keys.opens(caller, wrong)


# What a caller may do


def test_no_one_grants_more_than_they_have() -> None:
    sms = frozenset({"sms"})
    granter = a_caller(channels=sms, recipients=("team-a.",), scopes=ALL - {Scope.NOTIFICATIONS_READ_ALL})
    within = replace(granter, recipients=("team-a.x", "team-a."))
    assert exceeds(within, granter) is None
    assert exceeds(granter, granter) is None
    assert exceeds(replace(within, scopes=ALL), granter) == "the scope notifications:read:all"
    assert exceeds(replace(within, channels=None), granter) == "channels beyond your own"
    assert exceeds(replace(within, channels=sms | {"email"}), granter) == "channels beyond your own"
    assert exceeds(replace(within, recipients=None), granter) == "recipients beyond your own"
    assert exceeds(replace(within, recipients=("team-a.x", "team")), granter) == "recipients beyond your own"
    slow = replace(granter, requests_per_minute=10, notifications_per_day=10, segments_per_day=10)
    assert exceeds(slow, slow) is None
    for most in (None, 11):
        assert exceeds(replace(slow, requests_per_minute=most), slow) == "more requests a minute than your own"
        assert exceeds(replace(slow, notifications_per_day=most), slow) == "more notifications a day than your own"
        assert exceeds(replace(slow, segments_per_day=most), slow) == "more segments a day than your own"


@pytest.mark.parametrize("kind", CallerKind)
def test_test_and_team_keys_make_no_caller_that_reaches_further(kind: CallerKind) -> None:
    team = a_caller(CallerKind.TEAM, addresses={"sms": ("+1", "+2")})
    assert (exceeds(a_caller(kind), a_caller(CallerKind.TEST)) is None) == (kind is CallerKind.TEST)
    assert (exceeds(a_caller(kind), team) is None) == (kind in {CallerKind.TEST, CallerKind.TEAM})
    assert exceeds(a_caller(CallerKind.TEAM, addresses={"sms": ("+1",)}), team) is None
    assert exceeds(a_caller(CallerKind.TEAM, addresses={"sms": ("+3",)}), team) == "addresses beyond your own"
    assert exceeds(a_caller(kind), a_caller()) is None


def test_limits_to_channels_and_to_names_hold() -> None:
    free = a_caller()
    assert (free.may_use("sms"), free.may_name("alice"), free.may_reach("sms", "+1")) == (True, True, True)
    narrow = a_caller(channels=frozenset({"email"}), recipients=("al", "bo"))
    assert (narrow.may_use("email"), narrow.may_use("sms")) == (True, False)
    assert [narrow.may_name(name) for name in ("alice", "bob", "carol", "Alice", "")] == [
        True,
        True,
        False,
        False,
        False,
    ]
    nobody = a_caller(channels=frozenset(), recipients=())
    assert (nobody.may_use("email"), nobody.may_name("alice")) == (False, False)
    team = a_caller(CallerKind.TEAM, addresses={"email": ("a@example.com",)})
    assert [team.may_reach(*to) for to in (("email", "a@example.com"), ("email", "b@example.com"), ("sms", "+1"))] == [
        True,
        False,
        False,
    ]


def test_what_is_said_of_a_caller_goes_by_all_that_narrows_it() -> None:
    assert {CallerKind.LIVE, CallerKind.TEST, CallerKind.TEAM} == callers.KEY_KINDS
    for kind in CallerKind:
        caller = a_caller(kind)
        full = kind not in {CallerKind.TEST, CallerKind.TEAM}
        assert caller.reaches_all is (kind is not CallerKind.TEAM)
        assert (caller.sees_all, caller.is_administrator) == (full, full)
        assert not replace(caller, channels=frozenset({"email"})).reaches_all
        assert replace(caller, recipients=("al",)).reaches_all is caller.reaches_all
    for narrowed in (
        {"channels": frozenset({"email"})},
        {"recipients": ("al",)},
        {"scopes": ALL - {Scope.CALLERS_MANAGE}},
    ):
        assert not a_caller(**narrowed).is_administrator
    assert a_caller(scopes=ALL - {Scope.CALLERS_MANAGE}).sees_all


def test_addresses_that_came_from_a_recipient_need_the_scope_and_the_name() -> None:
    asked, named = a_notification(), a_notification(recipient="alice")
    without = a_caller(scopes=ALL - {Scope.RECIPIENTS_READ})
    assert (without.may_see_addresses(asked), without.may_see_addresses(named)) == (True, False)
    other = a_caller(recipients=("bo",))
    assert (other.may_see_addresses(asked), other.may_see_addresses(named)) == (True, False)
    assert a_caller(recipients=("al",)).may_see_addresses(named)


def test_only_a_team_key_keeps_to_its_addresses() -> None:
    team = a_caller(CallerKind.TEAM, addresses={"email": ("b@example.com",)})
    assert exceeds(team, a_caller(CallerKind.LIVE)) is None
    assert exceeds(team, a_caller(CallerKind.TEST)) == "a team caller, with a test key"
    assert exceeds(team, a_caller(CallerKind.TEAM)) == "addresses beyond your own"
    assert exceeds(team, replace(team, id="0" * 16)) is None
    assert exceeds(a_caller(segments_per_day=3), a_caller(segments_per_day=2)) == "more segments a day than your own"


def test_a_caller_sees_its_own_and_with_the_scope_for_all_and_no_limits_everybodys() -> None:
    own = a_caller(scopes=ALL - {Scope.NOTIFICATIONS_READ_ALL})
    assert own.may_see(a_notification(caller=own.id))
    assert not own.may_see(a_notification())
    assert a_caller().may_see(a_notification())
    for limited in (
        a_caller(channels=frozenset({"sms", "email"})),
        a_caller(recipients=("team-a.",)),
        a_caller(CallerKind.TEST),
        a_caller(CallerKind.TEAM),
    ):
        assert not limited.sees_all
        assert limited.may_see(a_notification(caller=limited.id))
        assert not limited.may_see(a_notification(channels=["sms"], recipient="team-a.alice", simulated=True))


# How long a change takes to be seen


class Ticks:
    """A monotonic clock, which as a rule does not begin at 0: `seconds` is what has passed on it."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return 1_000_000.0 + self.seconds


def bearer(key: str) -> Headers:
    return Headers({"Authorization": f"Bearer {key}"})


async def refused(identity: Identity, headers: Headers) -> Problem:
    with pytest.raises(Problem) as problem:
        await identity.caller(headers)
    return problem.value


async def test_a_lookup_is_kept_and_a_revoked_key_stops_within_a_minute() -> None:
    store, ticks = MemoryCallers(), Ticks()
    identity = Identity(CallerCache(store, ticks))
    caller, key = with_key()
    await store.create(caller)
    for _ in range(100):
        assert (await identity.caller(bearer(key))).id == caller.id
    assert store.reads == 1
    await store.replace(replace(store.records[caller.id], revoked_at=START))
    ticks.seconds = FRESH_SECONDS - 1
    assert await identity.caller(bearer(key)), "another gateway does not know yet"
    ticks.seconds = FRESH_SECONDS
    assert (await refused(identity, bearer(key))).status == 401
    assert FRESH_SECONDS < STALE_SECONDS < 60


async def test_an_outage_of_the_records_lets_known_callers_in_for_less_than_a_minute() -> None:
    store, ticks = MemoryCallers(), Ticks()
    identity = Identity(CallerCache(store, ticks))
    caller, key = with_key()
    await store.create(caller)
    await identity.caller(bearer(key))
    store.down = True
    ticks.seconds = STALE_SECONDS - 1
    assert await identity.caller(bearer(key))
    ticks.seconds = STALE_SECONDS
    assert (await refused(identity, bearer(key))).status == 503
    assert (await refused(identity, bearer(with_key()[1]))).status == 503, "nobody can tell"


async def test_guessing_costs_no_read_twice_and_forgets_no_caller() -> None:
    store, ticks = MemoryCallers(), Ticks()
    identity = Identity(CallerCache(store, ticks))
    caller, key = with_key()
    await store.create(caller)
    await identity.caller(bearer(key))
    _, guess = with_key()
    for _ in range(50):
        await refused(identity, bearer(guess))
    assert store.reads == 2
    for text in ("", "x", "hark_live_", f"hark_live_{caller.id}_short", "a.b.c"):
        assert (await refused(identity, bearer(text))).status == 401
    assert store.reads == 2, "what has no key's form is not looked for"


class SlowCallers(MemoryCallers):
    """Answers a read once it may, with what was on record when it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.may_answer = asyncio.Event()

    async def read(self, ids: Sequence[str]) -> Mapping[str, Caller]:
        found = await super().read(ids)
        await self.may_answer.wait()
        return found


async def test_many_who_ask_at_once_share_one_read() -> None:
    store = SlowCallers()
    identity = Identity(CallerCache(store, Ticks()))
    caller, key = with_key()
    await store.create(caller)
    asking = [asyncio.create_task(identity.caller(bearer(key))) for _ in range(100)]
    await asyncio.sleep(0)
    store.may_answer.set()
    assert {found.id for found in await asyncio.gather(*asking)} == {caller.id}
    assert store.reads == 1


async def test_a_read_that_a_revocation_has_overtaken_counts_for_nothing() -> None:
    store = SlowCallers()
    cache = CallerCache(store, Ticks())
    caller, key = with_key()
    await store.create(caller)
    asking = asyncio.create_task(Identity(cache).caller(bearer(key)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await store.replace(replace(store.records[caller.id], revoked_at=START))
    cache.forget(caller.id)
    store.may_answer.set()
    with pytest.raises(Problem) as problem:
        await asking
    assert problem.value.status == 401
