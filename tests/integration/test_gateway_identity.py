"""Callers that are known by a client certificate or an OIDC token."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from functions.gateway.access.authentication import CallerCache, Identity, identity_id
from functions.gateway.access.caller import Caller, CallerKind, Scope
from shared.http.openid_connect import Verifier
from tests.fakes.issuer import AUDIENCE, Issuer, serving
from tests.integration.gateway import Hark, client_of, new_caller_in, nothing_done, problem

CALLER = {"name": "billing", "scopes": ["notifications:send", "notifications:read"]}
CERTIFICATE = {
    "X-Client-Cert-Present": "true",
    "X-Client-Cert-Chain-Verified": "true",
    "X-Client-Cert-Error": "",
    "X-Client-Cert-Sha256-Fingerprint": base64.b64encode(bytes(range(32))).decode(),
    "X-Client-Cert-Spiffe-Id": "spiffe://example.com/billing",
    "X-Client-Cert-Uri-Sans": base64.b64encode(b"https://billing.example.com/id").decode(),
    "X-Client-Cert-Dnsname-Sans": ",".join(base64.b64encode(n).decode() for n in (b"billing.example.com", b"b2")),
}
BARE = {**CERTIFICATE, **dict.fromkeys(list(CERTIFICATE)[3:], "")}
NAMES = [
    "sha256:" + bytes(range(32)).hex(),
    "spiffe://example.com/billing",
    "https://billing.example.com/id",
    "billing.example.com",
    "b2",
]


@pytest.fixture
async def fronted(hark: Hark) -> AsyncIterator[httpx.AsyncClient]:
    async with fronted_gateway(hark) as client:
        yield client


@asynccontextmanager
async def fronted_gateway(hark: Hark) -> AsyncIterator[httpx.AsyncClient]:
    """A client without a key of a gateway that trusts a load balancer with a secret."""
    identity = Identity(CallerCache(hark.gateway.callers), trusts_certificates=True, secret="s" * 16)
    async with client_of(replace(hark.gateway, identity=identity), None) as client:
        client.headers["X-Load-Balancer-Secret"] = "s" * 16
        yield client


async def certified(hark: Hark, identity: str) -> None:
    answer = await hark.client.post("/v1/callers", json={**CALLER, "kind": "certificate", "identity": identity})
    assert answer.status_code == 201, answer.text
    assert answer.json()["key"] is None


@pytest.mark.parametrize("identity", NAMES)
async def test_a_certificate_is_known_by_any_of_its_names(
    hark: Hark, fronted: httpx.AsyncClient, identity: str
) -> None:
    await certified(hark, identity)
    assert (await fronted.get("/v1/notifications", headers=CERTIFICATE)).status_code == 200
    problem(await fronted.get("/v1/recipients", headers=CERTIFICATE), 403)


@pytest.mark.parametrize(
    "change",
    [
        {"X-Client-Cert-Present": "false"},
        {"X-Client-Cert-Present": ""},
        {"X-Client-Cert-Chain-Verified": "false"},
        {"X-Client-Cert-Error": "client_cert_chain_exceeded_limit"},
        {"X-Client-Cert-Spiffe-Id": "spiffe://example.com/other"},
        {"X-Client-Cert-Uri-Sans": "not base64!"},
        {"X-Load-Balancer-Secret": "wrong"},  # pragma: allowlist secret
        {"X-Load-Balancer-Secret": ""},
        {"Authorization": "Bearer hark_live_0123456789abcdef_" + "A" * 43},
    ],
)
async def test_a_certificate_that_is_not_good_is_refused(
    hark: Hark, fronted: httpx.AsyncClient, change: dict[str, str]
) -> None:
    await certified(hark, "spiffe://example.com/billing")
    async with nothing_done(hark):
        problem(await fronted.get("/v1/notifications", headers={**CERTIFICATE, **change}), 401)


def listed(*names: str) -> str:
    return ",".join(base64.b64encode(name.encode()).decode() for name in names)


@pytest.mark.parametrize(
    "change",
    [
        {"X-Client-Cert-Dnsname-Sans": listed("spiffe://example.com/admin", NAMES[0], "https://admin.example.com/id")},
        {"X-Client-Cert-Uri-Sans": listed("spiffe://example.com/admin", NAMES[0], "admin.example.com")},
        {"X-Client-Cert-Spiffe-Id": "https://admin.example.com/id"},
        {"X-Client-Cert-Spiffe-Id": "admin.example.com"},
    ],
)
async def test_a_name_counts_only_as_what_the_certificate_says_it_is(
    hark: Hark, fronted: httpx.AsyncClient, change: dict[str, str]
) -> None:
    """Else a host's name, which many may have signed, could be spelt like another's SPIFFE id."""
    for identity in ("spiffe://example.com/admin", NAMES[0], "https://admin.example.com/id", "admin.example.com"):
        await certified(hark, identity)
    problem(await fronted.get("/v1/notifications", headers={**BARE, **change}), 401)


async def test_headers_that_come_twice_are_refused(hark: Hark, fronted: httpx.AsyncClient) -> None:
    await certified(hark, "spiffe://example.com/billing")
    for name in (*CERTIFICATE, "X-Load-Balancer-Secret"):
        twice = [*CERTIFICATE.items(), (name, CERTIFICATE.get(name, "s" * 16))]
        secret = [("X-Load-Balancer-Secret", "s" * 16)] if name == "X-Load-Balancer-Secret" else []
        problem(await fronted.get("/v1/notifications", headers=[*twice, *secret]), 401)


async def test_without_a_load_balancer_the_headers_count_for_nothing(hark: Hark) -> None:
    await certified(hark, "spiffe://example.com/billing")
    async with client_of(hark.gateway, None) as client:
        problem(await client.get("/v1/notifications", headers=CERTIFICATE), 401)


async def test_a_revoked_certificate_does_not_get_in_by_a_name_that_is_less_exact(
    hark: Hark, fronted: httpx.AsyncClient
) -> None:
    for name in (NAMES[0], NAMES[3]):
        await certified(hark, name)
    fingerprint = identity_id(CallerKind.CERTIFICATE, NAMES[0])
    assert (await hark.client.delete(f"/v1/callers/{fingerprint}")).status_code == 204
    problem(await fronted.get("/v1/notifications", headers=CERTIFICATE), 401)
    problem(await hark.client.post("/v1/callers", json={**CALLER, "kind": "certificate", "identity": NAMES[3]}), 409)
    await certified(hark, NAMES[0])  # let in again


async def test_an_administrator_gives_one_workload_of_a_host_less_than_the_host(
    hark: Hark, fronted: httpx.AsyncClient
) -> None:
    for name, scopes in ((NAMES[3], list(Scope)), (NAMES[1], ["notifications:read"])):
        request = {**CALLER, "kind": "certificate", "identity": name, "scopes": scopes}
        assert (await hark.client.post("/v1/callers", json=request)).status_code == 201
    assert (await fronted.get("/v1/notifications", headers=CERTIFICATE)).status_code == 200
    problem(await fronted.get("/v1/callers", headers=CERTIFICATE), 403)


@pytest.mark.parametrize("revoked", [False, True])
@pytest.mark.parametrize("exact", NAMES[:3])
async def test_a_more_exact_name_does_not_lock_an_administrator_out(
    hark: Hark, fronted: httpx.AsyncClient, capsys: pytest.CaptureFixture[str], exact: str, revoked: bool
) -> None:
    admin = {**CALLER, "kind": "certificate", "identity": NAMES[3], "scopes": list(Scope)}
    admin_id = (await hark.client.post("/v1/callers", json=admin)).json()["id"]
    manager, _ = await hark.caller(scopes=frozenset({Scope.CALLERS_MANAGE, Scope.NOTIFICATIONS_READ}))
    shadow = Caller(
        identity_id(CallerKind.CERTIFICATE, exact),
        CallerKind.CERTIFICATE,
        frozenset({Scope.NOTIFICATIONS_READ}),
        identity=exact,
        requests_per_minute=1_000,
        notifications_per_day=1_000,
        segments_per_day=1_000,
        created_at=datetime.now(UTC),
        created_by=manager.id,
        revoked_at=datetime.now(UTC) if revoked else None,
    )
    await hark.gateway.callers.create(shadow)
    capsys.readouterr()
    assert (await fronted.get("/v1/callers", headers=CERTIFICATE)).status_code == 200
    [logged] = [line for line in capsys.readouterr().out.splitlines() if "the older of two callers holds" in line]
    assert admin_id in logged
    assert shadow.id in logged
    # and it is the administrator that revokes the other
    if not revoked:
        assert (await fronted.delete(f"/v1/callers/{shadow.id}", headers=CERTIFICATE)).status_code == 204
    assert (await fronted.get("/v1/callers", headers=CERTIFICATE)).status_code == 200


async def test_one_that_grants_less_afterwards_shadows_nobody_any_more(hark: Hark, fronted: httpx.AsyncClient) -> None:
    manager = (await hark.client.post("/v1/callers", json={**CALLER, "kind": "live", "scopes": list(Scope)})).json()
    await hark.gateway.callers.replace(
        replace(
            (await hark.gateway.callers.read([manager["id"]]))[manager["id"]],
            requests_per_minute=None,
            notifications_per_day=None,
        )
    )
    host = {**CALLER, "kind": "certificate", "identity": NAMES[3], "scopes": list(Scope)}
    assert (await hark.client.post("/v1/callers", json=host)).status_code == 201
    async with client_of(hark.gateway, manager["key"]) as client:
        request = {**CALLER, "kind": "certificate", "identity": NAMES[1]}
        assert (await client.post("/v1/callers", json=request)).status_code == 201
    problem(await fronted.get("/v1/callers", headers=CERTIFICATE), 403)
    narrowed = {"name": "x", "scopes": ["callers:manage"]}
    assert (await hark.client.put(f"/v1/callers/{manager['id']}", json=narrowed)).status_code == 200
    async with fronted_gateway(hark) as later:  # one that has not kept its maker's record from before
        assert (await later.get("/v1/callers", headers=CERTIFICATE)).status_code == 200


@pytest.mark.parametrize(
    "less",
    [
        {"scopes": frozenset({Scope.CALLERS_MANAGE, Scope.NOTIFICATIONS_SEND, Scope.NOTIFICATIONS_READ})},
        {"scopes": frozenset(Scope) - {Scope.RECIPIENTS_READ}},
        {"channels": frozenset({"email", "sms", "slack"})},
        {"recipients": ("team-",)},
    ],
)
async def test_only_an_administrator_makes_callers_with_certificates_or_tokens(
    hark: Hark, issuer: Issuer, less: dict[str, Any]
) -> None:
    """Whether they exist already or not, so that nobody learns it."""
    gateway = replace(hark.gateway, issuers=(issuer.url,))
    manager, _ = await hark.caller(**less)
    _, key = await new_caller_in(hark.gateway.callers, **less)
    await certified(hark, NAMES[3])
    scopes = sorted(manager.scopes)[:1]
    limits = {"channels": ["sms"]} if "channels" in less else {"recipients": ["team-"]} if "recipients" in less else {}
    async with client_of(gateway, key) as client, nothing_done(hark):
        for kind, identity in (
            *(("certificate", name) for name in NAMES),
            ("token", "subject-1"),
            ("token", "email:svc@example.com"),
        ):
            request = {"name": "x", "scopes": scopes, "kind": kind, "identity": identity, **limits}
            refused = problem(await client.post("/v1/callers", json=request), 403)
            assert "all scopes" in refused["detail"]
    async with client_of(gateway, hark.key) as client:
        for kind, identity in (("certificate", NAMES[1]), ("token", "subject-1")):
            request = {"name": "x", "scopes": scopes, "kind": kind, "identity": identity}
            assert (await client.post("/v1/callers", json=request)).status_code == 201


async def test_an_identity_that_is_taken_is_named_only_to_one_that_may_see_its_caller(hark: Hark) -> None:
    await certified(hark, NAMES[1])
    unlimited = {**CALLER, "kind": "certificate", "identity": NAMES[2]}
    no_limits = {"requests_per_minute": None, "notifications_per_day": None}
    assert (await hark.client.post("/v1/callers", json={**unlimited, **no_limits})).status_code == 201
    seen, hidden = (identity_id(CallerKind.CERTIFICATE, name) for name in NAMES[1:3])
    _, client = await hark.caller(requests_per_minute=3000, notifications_per_day=100_000)
    for identity, caller_id in ((NAMES[1], seen), (NAMES[2], hidden)):
        taken = await client.post("/v1/callers", json={**CALLER, "kind": "certificate", "identity": identity})
        assert (caller_id in problem(taken, 409)["detail"]) == (caller_id == seen)
    assert (await hark.client.delete(f"/v1/callers/{hidden}")).status_code == 204
    refused = await client.post("/v1/callers", json={**CALLER, "kind": "certificate", "identity": NAMES[2]})
    assert hidden not in problem(refused, 409)["detail"]


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with serving(Issuer()) as issuer:
        yield issuer


async def test_a_token_is_known_by_its_subject_or_its_verified_address(hark: Hark, issuer: Issuer) -> None:
    verifier = Verifier([issuer.url], [AUDIENCE])
    identity = Identity(CallerCache(hark.gateway.callers), verifier)
    gateway = replace(hark.gateway, identity=identity, issuers=(issuer.url,))
    async with client_of(gateway, hark.key) as manager, client_of(gateway, None) as client:
        for name in ("subject-1", "email:svc@example.com"):
            request = {**CALLER, "kind": "token", "identity": name}
            assert (await manager.post("/v1/callers", json=request)).status_code == 201
        for claims, status in (
            ({"sub": "subject-1"}, 200),
            ({"sub": "2", "email": "svc@example.com", "email_verified": True}, 200),
            ({"sub": "2", "email": "svc@example.com", "email_verified": False}, 401),
            ({"sub": "2", "email": "svc@example.com", "email_verified": "true"}, 401),
            ({"sub": "3"}, 401),
            ({"sub": "svc@example.com"}, 401),
            ({"sub": "email:svc@example.com"}, 401),
            ({"sub": "\ud800"}, 401),
            ({"sub": "subject-1", "aud": "another"}, 401),
            ({"sub": "subject-1", "exp": 1}, 401),
        ):
            headers = {"Authorization": f"Bearer {issuer.token(**claims)}"}
            answer = await client.get("/v1/notifications", headers=headers)
            assert answer.status_code == status, (claims, answer.text)
        admin = {**CALLER, "kind": "token", "identity": "email:boss@example.com", "scopes": list(Scope)}
        assert (await manager.post("/v1/callers", json=admin)).status_code == 201
        both: dict[str, Any] = {"sub": "boss-1", "email": "boss@example.com", "email_verified": True}
        headers = {"Authorization": f"Bearer {issuer.token(**both)}"}
        maker, _ = await hark.caller(scopes=frozenset({Scope.CALLERS_MANAGE, Scope.NOTIFICATIONS_READ}))
        name = f"{issuer.url} boss-1"
        shadow = Caller(
            identity_id(CallerKind.TOKEN, name),
            CallerKind.TOKEN,
            frozenset({Scope.NOTIFICATIONS_READ}),
            identity=name,
            created_at=datetime.now(UTC),
            created_by=maker.id,
        )
        await hark.gateway.callers.create(shadow)
        assert (await client.get("/v1/callers", headers=headers)).status_code == 200
    await verifier.aclose()
