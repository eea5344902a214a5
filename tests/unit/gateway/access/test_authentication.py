"""Who a request's credentials are: keys, tokens and certificates, each as one record; and what is kept of them."""

import base64
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from starlette.datastructures import Headers

from functions.gateway.access import api_keys
from functions.gateway.access import authentication as module
from functions.gateway.access.authentication import CallerCache, Identity, identity_id
from functions.gateway.access.caller import Caller, CallerKind, Scope
from functions.gateway.web.problem_details import Problem
from shared.delivery.errors import InvalidToken, KeysUnavailable
from tests.fakes.callers import MemoryCallers
from tests.fakes.clock import START

ALL = frozenset(Scope)
SECRET = "s" * 16
ISSUER = "https://issuer.example.com"


def encoded(*names: str) -> str:
    return ",".join(base64.b64encode(name.encode()).decode() for name in names)


CERTIFICATE = {
    "X-Load-Balancer-Secret": SECRET,
    "X-Client-Cert-Present": "true",
    "X-Client-Cert-Chain-Verified": "true",
    "X-Client-Cert-Error": "",
    "X-Client-Cert-Sha256-Fingerprint": base64.b64encode(bytes(range(32))).decode(),
    "X-Client-Cert-Spiffe-Id": "spiffe://example.com/billing",
    "X-Client-Cert-Uri-Sans": encoded("https://billing.example.com/id"),
    "X-Client-Cert-Dnsname-Sans": encoded("billing.example.com", "b2"),
}
SPIFFE, HOST = "spiffe://example.com/billing", "billing.example.com"


class Ticks:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


class Verifier:
    """Knows two tokens: what they say is set; another is not good, and none is when the keys are away."""

    def __init__(self, **claims: Any) -> None:
        self.said: dict[str, Any] = {"iss": ISSUER, "sub": "42", **claims}
        self.away = False

    async def claims(self, token: str) -> Mapping[str, Any]:
        if self.away:
            raise KeysUnavailable("away")
        if token != "good.token":
            raise InvalidToken("it has expired")
        return self.said


@pytest.fixture
def store() -> MemoryCallers:
    return MemoryCallers()


@pytest.fixture
def cache(store: MemoryCallers) -> CallerCache:
    return CallerCache(store, Ticks())


@pytest.fixture
def fronted(cache: CallerCache) -> Identity:
    return Identity(cache, trusts_certificates=True, secret=SECRET)


async def known(store: MemoryCallers, kind: CallerKind, name: str, **others: Any) -> Caller:
    fixed = {"scopes": ALL, "identity": name, "created_at": START}
    caller = Caller(id=identity_id(kind, name), kind=kind, **{**fixed, **others})
    await store.create(caller)
    return store.records[caller.id]


def bearer(text: str) -> Headers:
    return Headers({"Authorization": f"Bearer {text}"})


async def refused(identity: Identity, headers: Headers, status: int = 401) -> Problem:
    with pytest.raises(Problem) as raised:
        await identity.caller(headers)
    assert raised.value.status == status
    return raised.value


def challenge(problem: Problem) -> str:
    return str(dict(problem.headers or {})["WWW-Authenticate"])


# Ids


def test_an_identity_has_sixteen_hexadecimal_digits_of_its_own() -> None:
    assert identity_id(CallerKind.TOKEN, f"{ISSUER} 42") == "3d7f120f13807912"
    assert identity_id(CallerKind.CERTIFICATE, f"{ISSUER} 42") != identity_id(CallerKind.TOKEN, f"{ISSUER} 42")
    assert api_keys.is_caller_id(identity_id(CallerKind.TOKEN, "a subject with a lone surrogate \ud800"))


@pytest.mark.parametrize("text", ["", "0" * 15, "0" * 17, "G" * 16, "A" * 16])
def test_nothing_else_is_a_callers_id(text: str) -> None:
    assert not api_keys.is_caller_id(text)
    assert api_keys.is_caller_id("0123456789abcdef")


# Without or with other credentials


async def test_without_credentials_it_is_told_what_is_needed(cache: CallerCache, fronted: Identity) -> None:
    plain = await refused(Identity(cache), Headers())
    assert plain.detail == "this needs an API key or an OIDC token as bearer"
    assert challenge(plain) == 'Bearer realm="hark"'
    nothing = await refused(fronted, Headers({"X-Load-Balancer-Secret": SECRET}))
    assert nothing.detail == "this needs an API key, an OIDC token or a client certificate"


@pytest.mark.parametrize("raw", [[b"Basic x"], [b"Bearer good.token", b"Bearer good.token"], [b"Bearer"]])
async def test_one_header_of_the_scheme_bearer_is_needed(
    store: MemoryCallers, cache: CallerCache, raw: list[bytes]
) -> None:
    await known(store, CallerKind.TOKEN, f"{ISSUER} 42")
    identity = Identity(cache, Verifier())
    headers = Headers(raw=[(b"authorization", value) for value in raw])
    problem = await refused(identity, headers)
    if raw != [b"Bearer"]:
        assert problem.detail == "there must be one Authorization header, of the scheme Bearer"
        assert challenge(problem) == 'Bearer realm="hark"'
    assert await identity.caller(Headers({"Authorization": "bEARER good.token"}))


@pytest.mark.parametrize("text", ["hark_live_0123456789abcdef_" + "x" * 43, "hark_", "not.a.key", ""])
async def test_a_bearer_that_is_not_good_is_said_to_be_invalid(cache: CallerCache, text: str) -> None:
    assert challenge(await refused(Identity(cache), bearer(text))) == 'Bearer realm="hark", error="invalid_token"'


# API keys


async def test_a_key_of_another_kind_does_not_open(store: MemoryCallers, cache: CallerCache) -> None:
    """Whose hash is on record all the same."""
    caller = Caller("0123456789abcdef", CallerKind.LIVE, ALL)
    text = api_keys.new_key(caller.id, CallerKind.TEST)
    await store.create(replace(caller, keys=(api_keys.kept(text, START),)))
    await refused(Identity(cache), bearer(text))
    assert not api_keys.opens(store.records[caller.id], text)
    assert api_keys.opens(store.records[caller.id], "hark_") is False
    assert len(api_keys.kept(text, START).id) == 8


async def test_a_manager_is_read_fresh_when_asked_for(store: MemoryCallers, cache: CallerCache) -> None:
    caller = Caller("0123456789abcdef", CallerKind.LIVE, ALL)
    text = api_keys.new_key(caller.id, CallerKind.LIVE)
    await store.create(replace(caller, keys=(api_keys.kept(text, START),)))
    identity = Identity(cache)
    assert await identity.caller(bearer(text))
    await store.replace(replace(store.records[caller.id], revoked_at=START))
    assert await identity.caller(bearer(text)), "for half a minute"
    with pytest.raises(Problem):
        await identity.caller(bearer(text), fresh=True)


# Tokens


async def test_a_token_is_known_by_its_subject(store: MemoryCallers, cache: CallerCache) -> None:
    caller = await known(store, CallerKind.TOKEN, f"{ISSUER} 42")
    assert await Identity(cache, Verifier()).caller(bearer("good.token")) == caller
    bad = await refused(Identity(cache, Verifier()), bearer("bad.token"))
    assert (bad.detail, "invalid_token" in challenge(bad)) == ("the token is not valid: it has expired", True)
    without = await refused(Identity(cache), bearer("good.token"))
    assert without.detail == "this is no API key, and OIDC tokens are not set up"


@pytest.mark.parametrize(
    ("claims", "good"),
    [
        ({"email": "a@example.com", "email_verified": True}, True),
        ({"email": "a@example.com", "email_verified": "true"}, False),
        ({"email": "a@example.com", "email_verified": False}, False),
        ({"email": "a@example.com"}, False),
        ({"email_verified": True}, False),
    ],
)
async def test_a_token_is_known_by_its_verified_address(
    store: MemoryCallers, cache: CallerCache, claims: Mapping[str, Any], good: bool
) -> None:
    caller = await known(store, CallerKind.TOKEN, f"{ISSUER} email:a@example.com")
    identity = Identity(cache, Verifier(**claims))
    if good:
        assert await identity.caller(bearer("good.token")) == caller
    else:
        problem = await refused(identity, bearer("good.token"))
        assert problem.detail == "the token is good, but it is no caller's"
        assert "invalid_token" in challenge(problem)


async def test_no_subject_is_taken_for_an_address(store: MemoryCallers, cache: CallerCache) -> None:
    await known(store, CallerKind.TOKEN, f"{ISSUER} email:a@example.com")
    await refused(Identity(cache, Verifier(sub="email:a@example.com")), bearer("good.token"))


async def test_what_cannot_be_told_now_is_to_be_asked_again(store: MemoryCallers, cache: CallerCache) -> None:
    verifier = Verifier()
    verifier.away = True
    away = await refused(Identity(cache, verifier), bearer("good.token"), 503)
    verifier.away, store.down = False, True
    down = await refused(Identity(cache, verifier), bearer("good.token"), 503)
    assert {"Retry-After" in dict(problem.headers or {}) for problem in (away, down)} == {True}


# Certificates


@pytest.mark.parametrize(
    "name", ["sha256:" + bytes(range(32)).hex(), SPIFFE, "https://billing.example.com/id", HOST, "b2"]
)
async def test_a_certificate_is_known_by_each_of_its_names(store: MemoryCallers, fronted: Identity, name: str) -> None:
    caller = await known(store, CallerKind.CERTIFICATE, name)
    assert await fronted.caller(Headers(CERTIFICATE)) == caller
    padded = {key: f" {value} " for key, value in CERTIFICATE.items() if key != "X-Load-Balancer-Secret"}
    assert await fronted.caller(Headers({**CERTIFICATE, **padded})) == caller


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        ({"X-Client-Cert-Present": "false"}, "this needs an API key, an OIDC token or a client certificate"),
        ({"X-Client-Cert-Chain-Verified": "false"}, "the client certificate is not valid"),
        ({"X-Client-Cert-Error": "client_cert_chain_exceeded_limit"}, "the client certificate is not valid"),
        ({"X-Client-Cert-Sha256-Fingerprint": "?"}, "the load balancer's headers cannot be read"),
        ({"X-Load-Balancer-Secret": "t" * 16}, "certificates count at the load balancer"),
    ],
)
async def test_a_certificate_that_is_not_good_is_refused(
    store: MemoryCallers, fronted: Identity, change: dict[str, str], detail: str
) -> None:
    await known(store, CallerKind.CERTIFICATE, HOST)
    assert detail in str((await refused(fronted, Headers({**CERTIFICATE, **change}))).detail)


async def test_headers_that_come_twice_are_refused(store: MemoryCallers, fronted: Identity) -> None:
    await known(store, CallerKind.CERTIFICATE, HOST)
    raw = [(name.lower().encode(), value.encode()) for name, value in CERTIFICATE.items()]
    for header in raw:
        problem = await refused(fronted, Headers(raw=[*raw, header]))
        assert ("twice" in str(problem.detail)) != (header[0] == b"x-load-balancer-secret")


async def test_a_header_that_is_missing_says_nothing(store: MemoryCallers, fronted: Identity) -> None:
    caller = await known(store, CallerKind.CERTIFICATE, HOST)
    needed = {"X-Load-Balancer-Secret", "X-Client-Cert-Present", "X-Client-Cert-Chain-Verified"}
    bare = {name: value for name, value in CERTIFICATE.items() if name in needed}
    assert await fronted.caller(Headers({**bare, "X-Client-Cert-Dnsname-Sans": encoded(HOST)})) == caller
    await refused(fronted, Headers(bare))


async def test_no_certificate_counts_without_a_load_balancer_and_its_secret(
    store: MemoryCallers, cache: CallerCache, fronted: Identity
) -> None:
    caller = await known(store, CallerKind.CERTIFICATE, HOST)
    await refused(Identity(cache), Headers(CERTIFICATE))
    without = Headers({name: value for name, value in CERTIFICATE.items() if name != "X-Load-Balancer-Secret"})
    await refused(fronted, without)
    assert await Identity(cache, trusts_certificates=True).caller(without) == caller


async def test_only_a_record_that_is_of_this_kind_and_name_and_is_not_revoked_lets_in(
    store: MemoryCallers, cache: CallerCache, fronted: Identity
) -> None:
    caller = await known(store, CallerKind.CERTIFICATE, HOST)
    for other in (
        replace(caller, kind=CallerKind.TOKEN),
        replace(caller, identity="another.example.com"),
        replace(caller, revoked_at=START),
    ):
        store.records[caller.id] = other
        cache.forget(caller.id)
        problem = await refused(fronted, Headers(CERTIFICATE))
        assert problem.detail == "the certificate is good, but it is no caller's"
        assert "invalid_token" in challenge(problem)
    store.records[caller.id] = caller
    cache.forget(caller.id)
    assert await fronted.caller(Headers(CERTIFICATE)) == caller


async def test_of_two_records_the_more_exact_decides_unless_its_maker_could_not_grant_the_other(
    store: MemoryCallers, cache: CallerCache, fronted: Identity, capsys: pytest.CaptureFixture[str]
) -> None:
    """And of a maker what is on record counts: fresh, where that is asked for."""
    few = frozenset({Scope.CALLERS_MANAGE})
    maker = Caller("a" * 16, CallerKind.LIVE, ALL)
    await store.create(maker)
    host = await known(store, CallerKind.CERTIFICATE, HOST)
    later = START + timedelta(hours=1)
    exact = await known(store, CallerKind.CERTIFICATE, SPIFFE, scopes=few, created_by=maker.id, created_at=later)
    assert await fronted.caller(Headers(CERTIFICATE)) == exact
    assert "the older of two" not in capsys.readouterr().out
    store.records[maker.id] = replace(store.records[maker.id], scopes=few)
    assert await fronted.caller(Headers(CERTIFICATE)) == exact, "for half a minute"
    assert await fronted.caller(Headers(CERTIFICATE), fresh=True) == host
    assert "the older of two" in capsys.readouterr().out


async def test_a_certificate_is_read_fresh_when_asked_for(store: MemoryCallers, fronted: Identity) -> None:
    caller = await known(store, CallerKind.CERTIFICATE, HOST)
    assert await fronted.caller(Headers(CERTIFICATE)) == caller
    store.records[caller.id] = replace(caller, revoked_at=START)
    with pytest.raises(Problem):
        await fronted.caller(Headers(CERTIFICATE), fresh=True)


async def test_one_record_alone_is_read_without_its_maker(store: MemoryCallers, fronted: Identity) -> None:
    caller = await known(store, CallerKind.CERTIFICATE, HOST, created_by="a" * 16)
    assert await fronted.caller(Headers(CERTIFICATE)) == caller
    assert store.reads == 1


# What is kept


async def test_what_is_read_now_is_kept_unless_a_change_has_overtaken_it(
    store: MemoryCallers, cache: CallerCache
) -> None:
    caller = await known(store, CallerKind.TOKEN, "x")
    assert list(await cache.read(["f" * 16, caller.id], fresh=True)) == [caller]
    assert list(await cache.read([caller.id, "f" * 16])) == [caller]
    assert store.reads == 1
    assert list(await cache.read([], fresh=True)) == []
    assert store.reads == 1

    class Overtaken(MemoryCallers):
        async def read(self, ids: Any) -> Any:
            found = await super().read(ids)
            if self.reads == 1:
                slow.forget(caller.id)
            return found

    late = Overtaken()
    late.records = store.records
    slow = CallerCache(late, Ticks())
    await slow.read([caller.id], fresh=True)
    await slow.read([caller.id])
    assert late.reads == 2


async def test_what_was_changed_here_is_seen_by_the_next_request(store: MemoryCallers, cache: CallerCache) -> None:
    nobody = identity_id(CallerKind.TOKEN, "x")
    assert list(await cache.read([nobody])) == []
    caller = await known(store, CallerKind.TOKEN, "x")
    cache.forget(nobody)
    assert list(await cache.read([nobody])) == [caller]
    store.records[nobody] = replace(caller, name="renamed")
    cache.forget(nobody)
    assert [found.name for found in await cache.read([nobody])] == ["renamed"]


async def test_in_an_outage_all_that_were_asked_for_must_be_known(store: MemoryCallers) -> None:
    ticks = Ticks()
    cache = CallerCache(store, ticks)
    caller = await known(store, CallerKind.TOKEN, "x")
    await cache.read([caller.id])
    ticks.seconds += module.FRESH_SECONDS
    store.down = True
    assert list(await cache.read([caller.id])) == [caller]
    with pytest.raises(Exception, match="down"):
        await cache.read([caller.id, "f" * 16])


async def test_so_many_are_kept_and_then_the_oldest_goes(
    store: MemoryCallers, cache: CallerCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert module.MOST_CACHED == 10_000
    monkeypatch.setattr(module, "MOST_CACHED", 2)
    callers = [await known(store, CallerKind.TOKEN, str(n)) for n in range(3)]
    nobodies = [f"{n}" * 16 for n in range(3)]
    for ids in ([caller.id for caller in callers], nobodies):
        for one in ids:
            await cache.read([one])
        store.reads = 0
        for one in ids[1:]:
            await cache.read([one])
        assert store.reads == 0
        await cache.read(ids[:1])
        assert store.reads == 1
    assert (len(cache._known), len(cache._unknown)) == (2, 2)


async def test_what_comes_into_being_is_no_longer_nobody_and_the_other_way_round(store: MemoryCallers) -> None:
    ticks = Ticks()
    cache = CallerCache(store, ticks)
    caller = await known(store, CallerKind.TOKEN, "x")
    for there in (True, False, True):
        store.records = {caller.id: caller} if there else {}
        ticks.seconds += module.FRESH_SECONDS
        assert list(await cache.read([caller.id])) == ([caller] if there else [])
        assert (len(cache._known), len(cache._unknown)) == ((1, 0) if there else (0, 1))
