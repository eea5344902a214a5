"""Callers that are known by a client certificate or an OIDC token."""

import base64
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest

from functions.gateway.callers import CallerKind
from functions.gateway.identity import CallerCache, Identity, identity_id
from shared.oidc import Verifier
from tests.fakes.issuer import AUDIENCE, Issuer, serving
from tests.integration.gateway import Hark, client_of, nothing_done, problem

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
    await verifier.aclose()
