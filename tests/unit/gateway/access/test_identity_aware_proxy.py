"""Who is signed in by Identity-Aware Proxy: what it signs, and whose pages' requests it counts in."""

import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest

from functions.gateway.access.authentication import CallerCache, Identity
from functions.gateway.access.caller import Scope
from functions.gateway.access.identity_aware_proxy import HEADER
from functions.gateway.opening import _proxy_verifier, _verifier
from functions.gateway.settings import IDENTITY_AWARE_PROXY, GatewaySettings
from shared.http.openid_connect import Verifier
from tests.fakes.api import Api
from tests.fakes.issuer import KEYS, Issuer, ec_key, rsa_key, serving
from tests.integration.gateway import client_of, problem

AUDIENCE = "/projects/123456789012/global/backendServices/42"  # pragma: allowlist secret
SUBJECT, EMAIL = "accounts.google.com:1137", "boss@example.com"
OURS = {"Sec-Fetch-Site": "same-origin"}
MESSAGE = {"to": {"email": "a@example.com"}, "message": "Build 42 is live"}
PATH = "/v1/notifications"


@dataclass
class SignedIn:
    """proxy: signs as Identity-Aware Proxy does; browser: of somebody; manager: makes callers"""

    api: Api
    proxy: Issuer
    browser: httpx.AsyncClient
    manager: httpx.AsyncClient

    def token(self, key: Any = None, algorithm: str = "ES256", kid: str = "e1", **claims: Any) -> str:
        """As it is signed for somebody, good for ten minutes."""
        now = int(time.time())
        said = {"iss": IDENTITY_AWARE_PROXY, "aud": AUDIENCE, "sub": SUBJECT, "email": EMAIL, "exp": now + 600}
        said |= {"azp": AUDIENCE, "email_verified": ..., **claims}
        return self.proxy.token(ec_key("e1") if key is None else key, algorithm, header={"kid": kid}, **said)

    async def asks(self, token: str | None = None, /, **headers: str) -> httpx.Response:
        """GET, from a page of the gateway's own."""
        given = {HEADER: self.token() if token is None else token}
        return await self.browser.get(PATH, headers=given | OURS | headers)

    async def is_caller(self, identity: str = f"email:{EMAIL}", **fields: Any) -> str:
        body = {"name": "boss", "kind": "token", "issuer": IDENTITY_AWARE_PROXY, "scopes": sorted(Scope)}
        made = await self.manager.post("/v1/callers", json=body | {"identity": identity} | fields)
        assert made.status_code == 201, made.text
        return str(made.json()["id"])


@pytest.fixture
async def signed_in(api: Api) -> AsyncIterator[SignedIn]:
    async with serving(Issuer()) as proxy:
        keys = {IDENTITY_AWARE_PROXY: proxy.url + KEYS}
        verifier = Verifier([IDENTITY_AWARE_PROXY], [AUDIENCE], key_sets=keys)
        identity = Identity(CallerCache(api.callers), proxy=verifier)
        gateway = replace(api.gateway, identity=identity, issuers=("https://a.example", IDENTITY_AWARE_PROXY))
        key = (await api.client()).headers["authorization"].partition(" ")[2]
        async with client_of(gateway, None) as browser, client_of(gateway, key) as manager:
            yield SignedIn(api, proxy, browser, manager)
        await verifier.aclose()


@pytest.mark.parametrize("identity", [SUBJECT, f"email:{EMAIL}"])
async def test_it_is_known_by_its_subject_or_its_address(signed_in: SignedIn, identity: str) -> None:
    problem(await signed_in.asks(), 401)
    caller_id = await signed_in.is_caller(identity)
    signed_in.browser.headers.update(OURS | {HEADER: signed_in.token()})
    shown = (await signed_in.browser.get("/v1/callers/self")).json()
    assert (shown["id"], shown["identity"], shown["issuer"]) == (caller_id, identity, IDENTITY_AWARE_PROXY)
    assert (await signed_in.browser.post(PATH, json=MESSAGE)).status_code == 202
    assert set(signed_in.proxy.asked) == {KEYS}, "there is no discovery document"


async def test_a_revoked_one_is_refused(signed_in: SignedIn) -> None:
    caller_id = await signed_in.is_caller()
    assert (await signed_in.asks()).status_code == 200
    assert (await signed_in.manager.delete(f"/v1/callers/{caller_id}")).status_code == 204
    problem(await signed_in.asks(), 401)


WRONG: Mapping[str, Callable[[SignedIn], str]] = {
    "another host's": lambda s: s.token(aud=AUDIENCE + "3"),
    "another project's": lambda s: s.token(aud="/projects/1/global/backendServices/42"),
    "no audience": lambda s: s.token(aud=...),
    "another issuer": lambda s: s.token(iss="https://accounts.google.com"),
    "the key set's host": lambda s: s.token(iss=s.proxy.url),
    "expired": lambda s: s.token(exp=int(time.time()) - 11),
    "not yet issued": lambda s: s.token(iat=int(time.time()) + 60),
    "no subject": lambda s: s.token(sub=...),
    "another's key": lambda s: s.token(ec_key("forger")),
    "another's RSA key": lambda s: s.token(rsa_key("forger"), "RS256"),
    "an unknown key id": lambda s: s.token(kid="e2"),
    "unsigned": lambda s: s.token().rpartition(".")[0] + ".",
    "signed with nothing": lambda s: s.token(b"", "HS256"),
    "another subject's": lambda s: s.token(sub="accounts.google.com:2", email=...),
    "another address": lambda s: s.token(email="other@example.com"),
    "the address as its subject": lambda s: s.token(sub=f"email:{EMAIL}", email=...),
    "an address that is none": lambda s: s.token(email=[EMAIL]),
    "an address that Google did not verify": lambda s: s.token(sub="securetoken.google.com/p/t:1"),
    "a pool's address": lambda s: s.token(sub="sts.google.com:1"),
    "no token": lambda _: "x",
    "empty": lambda _: "",
}


@pytest.mark.parametrize("case", WRONG)
async def test_what_is_not_signed_for_us_and_a_caller_is_refused(signed_in: SignedIn, case: str) -> None:
    await signed_in.is_caller()
    assert (await signed_in.asks()).status_code == 200
    refused = await signed_in.asks(WRONG[case](signed_in))
    problem(refused, 401)
    assert refused.headers["www-authenticate"] == 'Bearer realm="hark", error="invalid_token"'
    assert EMAIL not in refused.text


@pytest.mark.parametrize(
    "site",
    [[], ["cross-site"], ["same-site"], ["none"], [""], ["same-origin, cross-site"], ["same-origin", "cross-site"]],
)
@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_it_does_not_count_in_what_another_page_asks(signed_in: SignedIn, site: list[str], method: str) -> None:
    """Neither as a form, a script and an image would, nor as a link."""
    await signed_in.is_caller()
    headers = [(HEADER, signed_in.token()), ("Cookie", "GCP_IAP=x"), *(("Sec-Fetch-Site", value) for value in site)]
    refused = await signed_in.browser.request(method, PATH, json=MESSAGE, headers=headers)
    assert "same-origin" in problem(refused, 401)["detail"]
    assert not signed_in.api.store.all_notifications()
    assert not signed_in.proxy.asked, "its signature is not even looked at"


@pytest.mark.parametrize("site", ["cross-site", "same-origin"])
async def test_a_bearer_is_meant_whatever_the_proxy_says(signed_in: SignedIn, site: str) -> None:
    await signed_in.is_caller()
    headers = {HEADER: signed_in.token(), "Sec-Fetch-Site": site}
    assert (await signed_in.manager.get(PATH, headers={**headers, HEADER: "x"})).status_code == 200
    refused = await signed_in.browser.get(PATH, headers={**headers, "Authorization": "Bearer hark_live_x"})
    problem(refused, 401)


async def test_what_it_signs_is_no_bearer(signed_in: SignedIn) -> None:
    await signed_in.is_caller()
    problem(await signed_in.browser.get(PATH, headers=OURS | {"Authorization": f"Bearer {signed_in.token()}"}), 401)


async def test_two_of_them_are_none(signed_in: SignedIn) -> None:
    await signed_in.is_caller()
    headers = [(HEADER, signed_in.token()), (HEADER, signed_in.token()), *OURS.items()]
    problem(await signed_in.browser.get(PATH, headers=headers), 401)


@pytest.mark.parametrize("name", ["x-goog-authenticated-user-email", "x-goog-authenticated-user-id"])
async def test_what_is_not_signed_says_nothing(signed_in: SignedIn, name: str) -> None:
    await signed_in.is_caller()
    problem(await signed_in.browser.get(PATH, headers=OURS | {name: f"accounts.google.com:{EMAIL}"}), 401)


async def test_while_its_keys_cannot_be_had_nobody_can_tell(signed_in: SignedIn) -> None:
    signed_in.proxy.keys = [None]
    signed_in.proxy.answers[KEYS] = _fails
    await signed_in.is_caller()
    problem(await signed_in.asks(), 503)


async def _fails(_: Any) -> Any:
    raise RuntimeError


async def test_by_default_the_header_is_not_looked_at(api: Api) -> None:
    async with client_of(api.gateway, None) as browser:
        refused = await browser.get(PATH, headers=OURS | {HEADER: "x"})
    assert problem(refused, 401)["detail"] == "this needs an API key or an OIDC token as bearer"
    assert _proxy_verifier(GatewaySettings()) is None


def test_with_its_audience_it_is_believed_and_no_bearer_more() -> None:
    own = GatewaySettings(iap_audience=AUDIENCE)
    assert _proxy_verifier(own) is not None
    assert _verifier(own) is None
    assert own.token_issuers == (*own.oidc_issuers, IDENTITY_AWARE_PROXY)
    assert GatewaySettings().token_issuers == own.oidc_issuers
