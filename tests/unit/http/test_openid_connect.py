"""Tokens are believed only with a known issuer's signature, and its keys are asked for no more often than needed."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from shared.delivery.errors import InvalidToken, KeysUnavailable
from shared.http import issuer_keys, openid_connect
from shared.http.openid_connect import Verifier
from tests.fakes.issuer import (
    AUDIENCE,
    DISCOVERY,
    KEYS,
    Answering,
    Issuer,
    ec_key,
    jwk,
    rsa_key,
    segment,
    serving,
    sign,
)

HOUR = 3600.0
MINUTE = 60.0


class Seconds:
    """A clock in seconds since 1970, beginning now, as the tokens do."""

    def __init__(self) -> None:
        self.time = float(int(time.time()))

    def now(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Seconds:
    return Seconds()


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with serving(Issuer()) as issuer:
        yield issuer


@pytest.fixture
async def verifier(issuer: Issuer, clock: Seconds) -> AsyncIterator[Verifier]:
    verifier = Verifier([issuer.url], [AUDIENCE, "other"], now=clock.now)
    yield verifier
    await verifier.aclose()


async def refused(verifier: Verifier, token: str) -> str:
    """Why; the reason repeats no part of the token."""
    with pytest.raises(InvalidToken) as error:
        await verifier.claims(token)
    assert error.value.__suppress_context__ or error.value.__context__ is None
    assert not any(part in str(error.value) for part in token.split(".") if part)
    return str(error.value)


# What is accepted


async def test_a_valid_token_gives_its_claims(verifier: Verifier, issuer: Issuer) -> None:
    assert await verifier.claims(issuer.token()) == issuer.claims()
    assert await verifier.claims(issuer.token(ec_key("e1"), "ES256", header={"kid": "e1"}, aud="other"))


@pytest.mark.parametrize(
    ("audience", "party", "accepted"),
    [
        (AUDIENCE, ..., True),
        (AUDIENCE, "another", True),  # Google writes the service account's id there
        ([AUDIENCE], ..., True),
        ([AUDIENCE], "another", True),
        ([AUDIENCE, AUDIENCE], ..., True),
        ([AUDIENCE, "other"], ..., True),  # both are ours
        (["x", AUDIENCE], AUDIENCE, True),
        ([AUDIENCE, "x", "y"], "other", True),
        (["x", AUDIENCE], ..., False),
        ([AUDIENCE, "x"], ..., False),
        ([AUDIENCE, "x"], "x", False),
        ([AUDIENCE, "x"], "another", False),
        ([AUDIENCE, "x"], [AUDIENCE], False),
        ([AUDIENCE, "x"], {AUDIENCE: 1}, False),
        ([AUDIENCE, "x"], None, False),
        ([AUDIENCE, ""], ..., False),
        (["x"], AUDIENCE, False),
        ("x", AUDIENCE, False),
        ([], AUDIENCE, False),
    ],
)
async def test_a_token_for_others_too_must_have_been_issued_to_us(
    verifier: Verifier, issuer: Issuer, audience: Any, party: Any, accepted: bool
) -> None:
    """OpenID Connect Core 1.0, 3.1.3.7."""
    token = issuer.token(aud=audience, azp=party)
    if accepted:
        assert (await verifier.claims(token))["aud"] == audience
    else:
        await refused(verifier, token)


async def test_googles_old_spelling_of_its_name_is_google(monkeypatch: pytest.MonkeyPatch, issuer: Issuer) -> None:
    monkeypatch.setattr(openid_connect, "_GOOGLE", issuer.url)
    verifier = Verifier([issuer.url], [AUDIENCE])
    assert (await verifier.claims(issuer.token(iss="accounts.google.com")))["iss"] == issuer.url
    await verifier.aclose()


async def test_an_issuer_that_is_not_google_has_no_old_spelling(verifier: Verifier, issuer: Issuer) -> None:
    assert await refused(verifier, issuer.token(iss="accounts.google.com")) == "the token is of another issuer"


async def test_each_of_several_issuers_signs_with_its_own_keys_only(issuer: Issuer) -> None:
    other = Issuer()
    other.keys = [jwk(rsa_key("other"), "r1")]
    async with serving(other):
        verifier = Verifier([issuer.url, other.url], [AUDIENCE])
        assert await verifier.claims(issuer.token())
        assert await verifier.claims(other.token(rsa_key("other")))
        assert "InvalidSignature" in await refused(verifier, other.token(rsa_key("r1")))
        await verifier.aclose()


# Times


@pytest.mark.parametrize(
    ("changes", "accepted"),
    [
        ({"exp": -9}, True),
        ({"exp": -10}, False),
        ({"exp": -9.5}, True),
        ({"iat": 10}, True),
        ({"iat": 11}, False),
        ({"nbf": 10}, True),
        ({"nbf": 11}, False),
        ({"nbf": -HOUR}, True),
    ],
    ids=str,
)
async def test_clocks_may_differ_by_ten_seconds(
    verifier: Verifier, issuer: Issuer, clock: Seconds, changes: dict[str, Any], accepted: bool
) -> None:
    token = issuer.token(**{name: clock.time + offset for name, offset in changes.items()})
    if accepted:
        await verifier.claims(token)
    else:
        await refused(verifier, token)


@pytest.mark.parametrize("name", ["exp", "iat", "nbf"])
@pytest.mark.parametrize(
    "value", ["2000000000", True, [2000000000], {}, float("nan"), float("inf"), -1, 2**53, 10**4000]
)
async def test_a_time_that_is_none_is_refused(verifier: Verifier, issuer: Issuer, name: str, value: Any) -> None:
    assert await refused(verifier, issuer.token(**{name: value})) == f"the token's {name} is no time"


@pytest.mark.parametrize("name", ["iss", "aud", "exp", "iat", "sub"])
@pytest.mark.parametrize("value", [..., None, "", [], {"a": 1}])
async def test_what_every_token_must_say_is_required(verifier: Verifier, issuer: Issuer, name: str, value: Any) -> None:
    await refused(verifier, issuer.token(**{name: value}))


# Forgeries; tests/integration/test_forged_pushes.py has many more


def public_pem() -> bytes:
    return rsa_key("r1").public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


async def test_a_public_key_is_no_secret_to_sign_with(verifier: Verifier, issuer: Issuer) -> None:
    token = issuer.token(public_pem(), "HS256")
    assert await refused(verifier, token) == "the token is signed with none of RS256, ES256"


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", "", None, 7, ["RS256"], {"RS256": 1}, "rs256"])
async def test_an_algorithm_that_is_none_of_ours_is_refused(verifier: Verifier, issuer: Issuer, algorithm: Any) -> None:
    for signature in ("", issuer.token().rpartition(".")[2]):
        await refused(verifier, f"{segment({'alg': algorithm, 'kid': 'r1'})}.{segment(issuer.claims())}.{signature}")


@pytest.mark.parametrize(("algorithm", "kid"), [("ES256", "r1"), ("RS256", "e1"), ("RS384", "r1"), ("PS256", "r1")])
async def test_a_key_is_used_for_its_own_algorithm_only(
    verifier: Verifier, issuer: Issuer, algorithm: str, kid: str
) -> None:
    key = ec_key("e1") if algorithm == "ES256" else rsa_key("r1")
    await refused(verifier, issuer.token(key, algorithm, header={"kid": kid}))


@pytest.mark.parametrize("signature", [b"", b"\0" * 64, b"\0" * 63, b"\xff" * 64, b"\0" * 8, b"\0" * 256])
async def test_an_empty_signature_is_refused(verifier: Verifier, issuer: Issuer, signature: bytes) -> None:
    for header in ({"alg": "ES256", "kid": "e1"}, {"alg": "RS256", "kid": "r1"}):
        reason = await refused(verifier, f"{segment(header)}.{segment(issuer.claims())}.{segment(signature)}")
        assert reason == "the token is not valid (InvalidSignatureError)"


@pytest.mark.parametrize("header", ["jwk", "jku", "x5u", "x5c"])
async def test_a_token_does_not_bring_its_own_key(verifier: Verifier, issuer: Issuer, header: str) -> None:
    forger = rsa_key("forger")
    brought = {"jwk": jwk(forger, "mine"), "jku": issuer.url + "/mine", "x5u": issuer.url + "/mine", "x5c": ["MIIB"]}
    for kid in ("r1", "mine"):
        await refused(verifier, issuer.token(forger, header={"kid": kid, header: brought[header]}))
    assert issuer.asked["/mine"] == 0


@pytest.mark.parametrize("crit", [["b64"], ["exp"], [], None, "exp"])
async def test_a_token_that_needs_an_extension_is_refused(verifier: Verifier, issuer: Issuer, crit: Any) -> None:
    await refused(verifier, issuer.token(header={"kid": "r1", "crit": crit, "b64": True, "exp": 1}))


async def test_a_token_whose_signature_cloud_run_removed_is_invalid(verifier: Verifier, issuer: Issuer) -> None:
    token = issuer.token().rpartition(".")[0] + ".SIGNATURE_REMOVED_BY_GOOGLE"
    assert "the token is not valid" in await refused(verifier, token)


async def test_a_large_token_is_refused_before_it_is_read(
    verifier: Verifier, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = issuer.token(more="x" * 10_000)
    monkeypatch.setattr("shared.http.openid_connect.jwt.decode_complete", None)
    assert await refused(verifier, token) == "the token has more than 8192 characters"
    assert not issuer.asked


@given(
    st.text()
    | st.lists(st.binary().map(segment) | st.text(), min_size=3, max_size=3).map(".".join)
    | st.tuples(st.dictionaries(st.sampled_from(["alg", "kid", "crit", "b64"]), st.text() | st.none() | st.booleans()))
    .map(lambda header: {"alg": "RS256"} | header[0])
    .map(lambda header: f"{segment(header)}.{segment({'iss': 'https://issuer.example'})}.{segment(b'x')}")
)
def test_whatever_comes_is_refused_without_a_stray_error(token: str) -> None:
    async def ask() -> None:
        with pytest.raises(InvalidToken):
            await Verifier(["https://other.example"], [AUDIENCE]).claims(token)

    asyncio.run(ask())


@pytest.mark.parametrize(
    "payload", [b"[" * 4000, b'{"iss":' * 900, b"1" * 5000, b"\xff", b"", b"[]", b'"x"', b"null", b'{"iss": 1e999}']
)
async def test_claims_that_cannot_be_read_are_refused(verifier: Verifier, payload: bytes) -> None:
    for header, claims in ((segment({"alg": "RS256", "kid": "r1"}), payload), (segment(payload), b"{}")):
        await refused(verifier, f"{header}.{segment(claims)}.{segment(b'x')}")


# Which keys are used


@pytest.mark.parametrize(
    "members",
    [
        {"use": "enc"},
        {"use": None},
        {"alg": "RS512"},
        {"alg": "ES256"},
        {"key_ops": ["encrypt"]},
        {"kty": "oct"},
        {"n": "AA"},
    ],
    ids=str,
)
async def test_a_key_that_is_for_something_else_is_not_used(
    verifier: Verifier, issuer: Issuer, members: dict[str, Any]
) -> None:
    issuer.keys[0] |= members
    assert "0 of the issuer's keys fit" in await refused(verifier, issuer.token())


@pytest.mark.parametrize("members", [{}, {"use": "sig"}, {"alg": "RS256"}, {"key_ops": ["verify"]}], ids=str)
async def test_a_key_for_signatures_is_used(verifier: Verifier, issuer: Issuer, members: dict[str, Any]) -> None:
    issuer.keys[0] |= members
    assert await verifier.claims(issuer.token())


async def test_a_weak_key_is_not_used(verifier: Verifier, issuer: Issuer) -> None:
    weak, other_curve = rsa_key("weak", 1024), ec_key("wide", ec.SECP384R1)
    issuer.keys = [jwk(weak, "weak"), jwk(other_curve, "wide")]
    assert "0 of the issuer's keys fit" in await refused(verifier, issuer.token(weak, header={"kid": "weak"}))
    # ES256 on P-384: the library itself would accept the key for nothing but ES384.
    assert "0 of" in await refused(verifier, issuer.token(other_curve, "ES256", header={"kid": "wide"}))


async def test_odd_members_of_a_key_set_do_not_spoil_the_others(verifier: Verifier, issuer: Issuer) -> None:
    odd: list[Any] = [None, 7, "x", [], {}, {"kty": []}, {"kty": "RSA"}, {"kty": "EC", "crv": "P-256", "x": 1, "y": {}}]
    spoilt = [
        jwk(rsa_key("r1"), "s") | {"kid": 7},
        jwk(rsa_key("r1"), "s") | {"n": "!"},
        jwk(rsa_key("r1")) | {"e": "AA"},
    ]
    issuer.keys = [*odd, *spoilt, *issuer.keys]
    assert await verifier.claims(issuer.token())
    assert await verifier.claims(issuer.token(header={}))


async def test_a_token_without_a_key_id_needs_an_issuer_with_one_key(verifier: Verifier, issuer: Issuer) -> None:
    assert await verifier.claims(issuer.token(header={}))
    assert await verifier.claims(issuer.token(ec_key("e1"), "ES256", header={}))


async def test_a_token_without_a_key_id_is_not_tried_with_several_keys(verifier: Verifier, issuer: Issuer) -> None:
    issuer.keys.append(jwk(rsa_key("r2"), "r2"))
    assert "2 of the issuer's keys fit" in await refused(verifier, issuer.token(header={}))


@pytest.mark.parametrize("kid", [7, None, ["r1"], {"r1": 1}, True])
async def test_a_key_id_that_is_no_text_is_refused(verifier: Verifier, issuer: Issuer, kid: Any) -> None:
    await refused(verifier, issuer.token(header={"kid": kid}))


# How often the issuer is asked


async def test_the_keys_are_asked_for_once_an_hour(verifier: Verifier, issuer: Issuer, clock: Seconds) -> None:
    for _ in range(59):
        await verifier.claims(issuer.token())
        clock.time += MINUTE
    assert issuer.asked == {DISCOVERY: 1, KEYS: 1}
    clock.time += MINUTE
    await verifier.claims(issuer.token())
    assert issuer.asked == {DISCOVERY: 2, KEYS: 2}


async def test_many_at_once_ask_once(verifier: Verifier, issuer: Issuer) -> None:
    token = issuer.token()
    await asyncio.gather(*(verifier.claims(token) for _ in range(50)))
    assert issuer.asked == {DISCOVERY: 1, KEYS: 1}


async def test_a_new_key_is_found_at_once(verifier: Verifier, issuer: Issuer, clock: Seconds) -> None:
    await verifier.claims(issuer.token())
    clock.time += MINUTE
    issuer.keys.append(jwk(rsa_key("r2"), "r2"))
    assert await verifier.claims(issuer.token(rsa_key("r2"), header={"kid": "r2"}))
    assert issuer.asked[KEYS] == 2


async def test_a_key_that_has_left_the_set_is_refused_after_the_next_refresh(
    verifier: Verifier, issuer: Issuer, clock: Seconds
) -> None:
    await verifier.claims(issuer.token())
    issuer.keys = [jwk(rsa_key("r2"), "r2")]
    await verifier.claims(issuer.token())
    clock.time += HOUR
    assert "0 of the issuer's keys fit" in await refused(verifier, issuer.token())
    issuer.keys = []
    clock.time += HOUR
    await refused(verifier, issuer.token(rsa_key("r2"), header={"kid": "r2"}))


async def test_a_flood_of_unknown_key_ids_asks_once_a_minute(
    verifier: Verifier, issuer: Issuer, clock: Seconds
) -> None:
    await verifier.claims(issuer.token())
    for second in range(300):
        token = issuer.token(rsa_key("forger"), header={"kid": f"forged-{second}"})
        reasons = await asyncio.gather(*(refused(verifier, token) for _ in range(3)))
        assert all("0 of the issuer's keys fit" in reason for reason in reasons)
        clock.time += 1
    assert issuer.asked[KEYS] == issuer.asked[DISCOVERY] == 5


# When the issuer does not answer as it should


async def down(_: web.Request) -> web.StreamResponse:
    return web.Response(status=500)


async def test_an_outage_leaves_the_keys_in_use_for_a_day(verifier: Verifier, issuer: Issuer, clock: Seconds) -> None:
    await verifier.claims(issuer.token())
    issuer.answers[KEYS] = down
    for minutes in range(60, 24 * 60, 5):
        clock.time += 5 * MINUTE if minutes > 60 else HOUR
        await verifier.claims(issuer.token(exp=clock.time + 1))
    assert issuer.asked[KEYS] == 1 + 23 * 12
    clock.time += 5 * MINUTE
    with pytest.raises(KeysUnavailable):
        await verifier.claims(issuer.token(exp=clock.time + 1))
    del issuer.answers[KEYS]
    clock.time += 5
    await verifier.claims(issuer.token(exp=clock.time + 1))


async def test_an_outage_is_asked_about_once_a_minute(verifier: Verifier, issuer: Issuer, clock: Seconds) -> None:
    await verifier.claims(issuer.token())
    issuer.answers[DISCOVERY] = down
    clock.time += HOUR
    for _ in range(100):
        await verifier.claims(issuer.token(exp=clock.time + 1))
        clock.time += 1
    assert issuer.asked == {DISCOVERY: 3, KEYS: 1}


async def test_in_an_outage_nobody_can_tell_whether_a_new_key_is_the_issuers(
    verifier: Verifier, issuer: Issuer, clock: Seconds
) -> None:
    await verifier.claims(issuer.token())
    issuer.answers[KEYS] = down
    clock.time += MINUTE
    with pytest.raises(KeysUnavailable):
        await verifier.claims(issuer.token(rsa_key("r2"), header={"kid": "r2"}))
    assert "InvalidSignature" in await refused(verifier, issuer.token(rsa_key("r2")))


async def test_without_any_keys_the_issuer_is_asked_again_soon(
    verifier: Verifier, issuer: Issuer, clock: Seconds
) -> None:
    issuer.answers[DISCOVERY] = down
    for _ in range(10):
        with pytest.raises(KeysUnavailable):
            await verifier.claims(issuer.token())
        clock.time += 1
    assert issuer.asked == {DISCOVERY: 2}
    issuer.answers.clear()
    await verifier.claims(issuer.token())


async def test_an_issuer_that_cannot_be_reached_is_no_reason_to_believe(issuer: Issuer) -> None:
    verifier = Verifier(["http://127.0.0.1:1"], [AUDIENCE])
    with pytest.raises(KeysUnavailable):
        await verifier.claims(issuer.token(iss="http://127.0.0.1:1"))
    await verifier.aclose()


@pytest.mark.parametrize(
    "discovery",
    [
        {"issuer": "https://other.example"},
        {"issuer": None},
        {"jwks_uri": None},
        {"jwks_uri": ["x"]},
        {"jwks_uri": ""},
        {"jwks_uri": "/keys"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": "http://"},
        {"jwks_uri": "http://[::1"},
        {"jwks_uri": "http://keys.example/keys"},
    ],
    ids=str,
)
async def test_a_wrong_discovery_document_leads_to_no_keys(
    verifier: Verifier, issuer: Issuer, discovery: dict[str, Any]
) -> None:
    issuer.discovery = discovery
    with pytest.raises(KeysUnavailable):
        await verifier.claims(issuer.token())
    assert issuer.asked == {DISCOVERY: 1}


class Scripted:
    """Stands for a session over https, which a test has no certificate for."""

    def __init__(self, documents: dict[str, Any]) -> None:
        self.documents = documents
        self.asked: list[str] = []

    def get(self, url: str) -> "Scripted":
        self.asked.append(url)
        return self

    async def __aenter__(self) -> "Scripted":
        self.status = 200
        return self

    async def __aexit__(self, *_: object) -> None: ...

    async def read(self) -> bytes:
        return json.dumps(self.documents[self.asked[-1]]).encode()


@pytest.mark.parametrize(("uri", "found"), [("https://keys.example/k", True), ("http://keys.example/k", False)])
async def test_an_https_issuers_keys_are_fetched_over_https_alone(clock: Seconds, uri: str, found: bool) -> None:
    url = "https://issuer.example/a/"
    discovery = "https://issuer.example/a/.well-known/openid-configuration"
    session = Scripted({discovery: {"issuer": url, "jwks_uri": uri}, uri: {"keys": [jwk(rsa_key("r1"), "r1")]}})
    keys = issuer_keys.IssuerKeys(url, lambda: session, clock.now)  # type: ignore[arg-type,return-value]
    if found:
        assert await keys.find("RS256", "r1") == rsa_key("r1").public_key()
    else:
        with pytest.raises(KeysUnavailable):
            await keys.find("RS256", "r1")
    assert session.asked == [discovery, uri][: 1 + found]


def answers(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Answering:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(body=body, status=status, headers=headers)

    return answer


async def endless(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse()
    await answer.prepare(request)
    while True:
        await answer.write(b" " * 65536)


async def dripping(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse()
    await answer.prepare(request)
    while True:
        await answer.write(b" ")
        await asyncio.sleep(0.02)


async def silent(_: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError


BAD_ANSWERS = {
    "not found": answers(b"", 404),
    "no content": answers(b"", 204),
    "no JSON": answers(b"<html>"),
    "not UTF-8": answers(b'{"keys": "\xff"}'),
    "a list": answers(b"[]"),
    "null": answers(b"null"),
    "a number": answers(b"1" * 5000),
    "nothing in it": answers(b"{}"),
    "keys are none": answers(b'{"keys": {}, "issuer": 1}'),
    "deeply nested": answers(b"[" * 100_000),
    "huge": answers(b'{"keys": [' + b" " * 300_000 + b"]}"),
    "huge when unpacked": answers(b"\x1f\x8b", headers={"Content-Encoding": "gzip"}),
    "endless": endless,
    "dripping": dripping,
    "silent": silent,
    "redirected": answers(b"", 302, {"Location": "/elsewhere"}),
    "redirected for good": answers(b"", 308, {"Location": "/elsewhere"}),
}


@pytest.mark.parametrize("path", [DISCOVERY, KEYS])
@pytest.mark.parametrize("case", BAD_ANSWERS)
async def test_a_bad_answer_leads_to_no_keys_in_bounded_time(
    verifier: Verifier, issuer: Issuer, monkeypatch: pytest.MonkeyPatch, path: str, case: str
) -> None:
    monkeypatch.setattr(issuer_keys, "REFRESH_SECONDS", 0.3)
    issuer.answers[path] = BAD_ANSWERS[case]
    began = time.monotonic()
    with pytest.raises(KeysUnavailable):
        await verifier.claims(issuer.token())
    assert time.monotonic() - began < 2
    assert issuer.asked["/elsewhere"] == 0


async def test_who_gives_up_waiting_leaves_the_lock_to_others(
    verifier: Verifier, issuer: Issuer, clock: Seconds
) -> None:
    issuer.answers[KEYS] = silent
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(verifier.claims(issuer.token()), 0.1)
    with pytest.raises(KeysUnavailable):
        await verifier.claims(issuer.token())
    issuer.answers.clear()
    clock.time += 5
    assert await verifier.claims(issuer.token())


async def test_a_claim_that_is_there_twice_is_the_same_whoever_reads_it(verifier: Verifier, issuer: Issuer) -> None:
    """Else one issuer's key could verify what is then taken for another's."""
    once = json.dumps(issuer.claims())
    theirs = '"iss": "https://other.example"'
    claims = await verifier.claims(sign(once.replace("{", f"{{{theirs}, ").encode(), rsa_key("r1")))
    assert claims["iss"] == issuer.url
    twice = once.replace("}", f", {theirs}}}").encode()
    assert await refused(verifier, sign(twice, rsa_key("r1"))) == "the token is of another issuer"
