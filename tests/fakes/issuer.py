"""An OpenID Connect issuer on this machine, that signs whatever a test wants signed and misbehaves on demand."""

import base64
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import cache
from types import SimpleNamespace
from typing import Any

import aiohttp
import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from shared.http import client, openid_connect

AUDIENCE = "https://function.example"
EMAIL = "pusher@project.iam.gserviceaccount.com"

DISCOVERY, KEYS = "/.well-known/openid-configuration", "/keys"

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]


@cache
def rsa_key(name: str, bits: int = 2048) -> rsa.RSAPrivateKey:
    """The same key for the same name, made once a process: it takes a tenth of a second."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


@cache
def ec_key(name: str, curve: type[ec.EllipticCurve] = ec.SECP256R1) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(curve())


def jwk(key: PrivateKey, kid: str | None = None, **members: Any) -> dict[str, Any]:
    """The public key as a member of a key set."""
    if isinstance(key, rsa.RSAPrivateKey):
        public = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    else:
        public = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return public | ({} if kid is None else {"kid": kid}) | members


def segment(value: Any) -> str:
    """A part of a token: a value as JSON, bytes as they are."""
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Issuer:
    """`keys`: its key set, at first one RS256 key "r1" and one ES256 key "e1". `asked` counts requests by path.

    `answers` replaces what a path answers; `discovery` what the discovery document says.
    """

    def __init__(self) -> None:
        self.url = ""
        self.keys: list[Any] = [jwk(rsa_key("r1"), "r1"), jwk(ec_key("e1"), "e1")]
        self.discovery: dict[str, Any] = {}
        self.answers: dict[str, Answering] = {}
        self.asked: Counter[str] = Counter()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked[request.path] += 1
        if request.path in self.answers:
            return await self.answers[request.path](request)
        if request.path == KEYS:
            return web.json_response({"keys": self.keys})
        return web.json_response({"issuer": self.url, "jwks_uri": self.url + KEYS} | self.discovery)

    def claims(self, **changes: Any) -> dict[str, Any]:
        """A push token's, good for an hour; a claim that is changed to `...` is left out."""
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": AUDIENCE,
            "azp": "113774264463038321964",
            "sub": "113774264463038321964",
            "email": EMAIL,
            "email_verified": True,
            "iat": now,
            "exp": now + 3600,
        } | changes
        return {name: value for name, value in claims.items() if value is not ...}

    def token(
        self,
        key: Any = None,
        algorithm: str = "RS256",
        *,
        header: dict[str, Any] | None = None,
        **changes: Any,
    ) -> str:
        """Signed with the issuer's RS256 key, unless another is given; `header` replaces its `kid`."""
        return sign(self.claims(**changes), rsa_key("r1") if key is None else key, algorithm, header)


def sign(claims: Any, key: Any, algorithm: str = "RS256", header: dict[str, Any] | None = None) -> str:
    """As PyJWT does, but it signs anything, also claims and headers that its `encode` would refuse."""
    head = {"typ": "JWT", "alg": algorithm} | ({"kid": "r1"} if header is None else header)
    signed = f"{segment(head)}.{segment(claims)}"
    signer = jwt.get_algorithm_by_name(algorithm)
    return f"{signed}.{segment(signer.sign(signed.encode(), key))}"


@asynccontextmanager
async def serving(issuer: Issuer) -> AsyncIterator[Issuer]:
    """The issuer on a free port of 127.0.0.1, which becomes its `url`."""
    app = web.Application()
    app.router.add_get("/{path:.*}", issuer.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        issuer.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield issuer
    finally:
        await runner.cleanup()


@asynccontextmanager
async def guarding(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Issuer]:
    """The issuer whose tokens the settings ask for: what reads them meanwhile is guarded, with EMAIL and AUDIENCE.

    Nothing closes a guard's connections but the end of its process, so this does.
    """
    sessions: list[aiohttp.ClientSession] = []

    def opened(name: str) -> aiohttp.ClientSession:
        sessions.append(client.session(name))
        return sessions[-1]

    monkeypatch.setattr(openid_connect, "client", SimpleNamespace(session=opened))
    async with serving(Issuer()) as issuer:
        monkeypatch.setenv("PUSH_AUDIENCE", AUDIENCE)
        monkeypatch.setenv("PUSH_SERVICE_ACCOUNT", EMAIL)
        monkeypatch.setenv("PUSH_ISSUER", issuer.url)
        yield issuer
        for session in sessions:
            await session.close()
