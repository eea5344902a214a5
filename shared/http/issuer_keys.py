"""The keys that one issuer of tokens signs with: found by OpenID Connect's discovery, or where one knows them to be;
kept, and asked for again in time.
"""

import asyncio
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from jwt.exceptions import PyJWTError

from shared.delivery.errors import HarkError, InvalidToken, KeysUnavailable
from shared.http.client import UNREADABLE
from shared.runtime.logs import get_logger
from shared.runtime.settings import is_private

log = get_logger(__name__)

FRESH_SECONDS = 3600.0  # keys are used for so long without asking the issuer
USABLE_SECONDS = 24 * 3600.0  # and for so long while it cannot be asked
REFRESH_SECONDS = 5.0  # bound on the two requests of a refresh, together
PAUSE_SECONDS = 60.0  # between refreshes: tokens with made-up key ids must not make us flood the issuer
_FIRST_PAUSE_SECONDS = 5.0  # between refreshes while there are no keys to go on with

_SMALLEST_RSA = 2048  # bits: RFC 7518, 3.3
_ALGORITHM_OF = {"RSA": "RS256", "EC": "ES256"}  # the one that is accepted, by type of key

PublicKey = RSAPublicKey | EllipticCurvePublicKey


@dataclass(frozen=True, slots=True)
class _SigningKey:
    kid: str | None
    algorithm: str
    public: PublicKey


class IssuerKeys:
    """One issuer's keys. `issuer` is its URL; `now` gives seconds since 1970; `session` is asked for in the loop.

    key_set: the URL of its keys, where that is known; None: it has a discovery document
    """

    def __init__(
        self,
        issuer: str,
        session: Callable[[], aiohttp.ClientSession],
        now: Callable[[], float],
        key_set: str | None = None,
    ) -> None:
        self.issuer = issuer
        self._key_set = key_set
        self._session = session
        self._now = now
        self._keys: tuple[_SigningKey, ...] = ()
        self._fetched_at = -math.inf
        self._tried_at = -math.inf
        self._failed = False
        self._lock = asyncio.Lock()  # one refresh at a time; it belongs to the loop that first waits for it

    async def find(self, algorithm: str, kid: str | None) -> PublicKey:
        """The one key for this algorithm (RS256 or ES256) that has this id, or any id when the token names none.

        Raises InvalidToken when none fits, or more than one; KeysUnavailable when that cannot be known.
        """
        if self._age() >= FRESH_SECONDS or not self._fitting(algorithm, kid):
            await self._refresh()
        if self._age() >= USABLE_SECONDS:
            raise KeysUnavailable("the issuer's keys cannot be fetched")
        fitting = self._fitting(algorithm, kid)
        if not fitting and self._failed:
            raise KeysUnavailable("the issuer's newer keys, if there are any, cannot be fetched")
        if len(fitting) != 1:
            raise InvalidToken(f"{len(fitting)} of the issuer's keys fit the token, it takes exactly one")
        return fitting[0].public

    def _age(self) -> float:
        return self._now() - self._fetched_at

    def _fitting(self, algorithm: str, kid: str | None) -> list[_SigningKey]:
        return [key for key in self._keys if key.algorithm == algorithm and kid in {None, key.kid}]

    async def _refresh(self) -> None:
        """Ask for the keys, unless that was tried just now. After a failure the old ones stay."""
        async with self._lock:
            pause = PAUSE_SECONDS if self._age() < USABLE_SECONDS else _FIRST_PAUSE_SECONDS
            if self._now() - self._tried_at < pause:
                return
            self._failed = True  # also when this is cancelled half-way
            try:
                async with asyncio.timeout(REFRESH_SECONDS):
                    self._keys = await self._fetch()
            except (HarkError, aiohttp.ClientError, OSError, TimeoutError, *UNREADABLE) as error:
                text = str(error) if isinstance(error, HarkError) else type(error).__name__
                log.error("an issuer's keys cannot be fetched", issuer=self.issuer, error=text)
            else:
                self._fetched_at = self._now()
                self._failed = False
            finally:
                self._tried_at = self._now()

    async def _fetch(self) -> tuple[_SigningKey, ...]:
        keys = (await self._get(self._key_set or await self._discovered()))["keys"]
        if not isinstance(keys, list):
            raise KeysUnavailable("the issuer's key set is none")
        return tuple(key for key in map(_signing_key, keys) if key is not None)

    async def _discovered(self) -> str:
        """https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig."""
        found = await self._get(f"{self.issuer.rstrip('/')}/.well-known/openid-configuration")
        if found["issuer"] != self.issuer:
            raise KeysUnavailable("the discovery document is another issuer's")
        uri: str = found["jwks_uri"]
        # Over plain HTTP anybody on the way could put keys of their own in.
        if not is_private(uri) or (self.issuer.startswith("https://") and not uri.startswith("https://")):
            raise KeysUnavailable("the discovery document's jwks_uri is not https")
        return uri

    async def _get(self, url: str) -> Any:
        async with self._session().get(url) as answer:
            if answer.status != 200:
                raise KeysUnavailable(f"the issuer answered {answer.status}")
            return json.loads(await answer.read())


def _signing_key(jwk: Any) -> _SigningKey | None:
    """A member of a key set (RFC 7517), if it is a public key for signatures that are accepted."""
    try:
        algorithm = _ALGORITHM_OF[jwk["kty"]]
        if jwk.get("use", "sig") != "sig" or jwk.get("alg", algorithm) != algorithm:
            return None
        if "verify" not in jwk.get("key_ops", ["verify"]) or not isinstance(jwk.get("kid"), str | None):
            return None
        public = _rsa(jwk) if algorithm == "RS256" else _p256(jwk)
    except (PyJWTError, *UNREADABLE):
        return None
    return _SigningKey(jwk.get("kid"), algorithm, public) if public else None


# Both read the public members only: of a set that also holds private ones they still make public keys.
def _rsa(jwk: Mapping[str, Any]) -> RSAPublicKey | None:
    key = RSAAlgorithm.from_jwk({"kty": "RSA", "n": jwk["n"], "e": jwk["e"]})
    return key if isinstance(key, RSAPublicKey) and key.key_size >= _SMALLEST_RSA else None


def _p256(jwk: Mapping[str, Any]) -> EllipticCurvePublicKey | None:
    key = ECAlgorithm.from_jwk({"kty": "EC", "crv": jwk["crv"], "x": jwk["x"], "y": jwk["y"]})
    return key if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1) else None
