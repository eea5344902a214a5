"""Who sent a request, as an OpenID Connect issuer says it: the gateway's callers, and Pub/Sub's pushes.

Nothing in a token is believed before its signature is, but for `iss`, `kid` and `alg`, which only choose among the
issuers, keys and algorithms that are known here. The headers that bring or point to a key (jwk, jku, x5c, x5u) are
never read: RFC 8725, 3.10.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import aiohttp
import jwt

from shared.delivery.errors import InvalidToken
from shared.http import client
from shared.http.issuer_keys import IssuerKeys

ALGORITHMS = ("RS256", "ES256")
LEEWAY_SECONDS = 10.0  # what the issuer's clock and ours may differ by
TOKEN_LIMIT = 8 * 1024  # characters; Google's have about 1,000

_REQUIRED = ("iss", "aud", "exp", "iat", "sub")
_GOOGLE = "https://accounts.google.com"
_GOOGLE_OF_OLD = "accounts.google.com"  # https://developers.google.com/identity/openid-connect/openid-connect


class Verifier:
    """Verifies tokens for any of the audiences, signed by any of the issuers (URLs, spelt as in their `iss`).

    key_sets: by issuer, where its keys are, if it has no discovery document

    It may be made at import; its connections belong to the loop that first asks for `claims`.
    `now`: seconds since 1970.
    """

    def __init__(
        self,
        issuers: Sequence[str],
        audiences: Sequence[str],
        *,
        now: Callable[[], float] = time.time,
        key_sets: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._issuers = {issuer: IssuerKeys(issuer, self._opened, now, key_sets.get(issuer)) for issuer in issuers}
        if _GOOGLE in self._issuers:
            self._issuers[_GOOGLE_OF_OLD] = self._issuers[_GOOGLE]
        self._audiences = list(audiences)
        self._now = now
        self._session: aiohttp.ClientSession | None = None

    async def claims(self, token: str) -> Mapping[str, Any]:
        """What the token says of its bearer: OpenID Connect Core 1.0, 2 and 5.1.

        `iss` (spelt as the verifier was given it), `aud`, `exp`, `iat` and `sub` are there and right; any other is as
        the issuer wrote it, or missing.
        Takes at most REFRESH_SECONDS. Raises InvalidToken, whose text holds no part of the token; KeysUnavailable.
        """
        header, unverified = _parts(token)
        algorithm, kid, issuer = header.get("alg"), header.get("kid"), unverified.get("iss")
        if algorithm not in ALGORITHMS:
            raise InvalidToken("the token is signed with none of " + ", ".join(ALGORITHMS))
        if "crit" in header:
            raise InvalidToken("the token needs an extension of the standard")
        if not isinstance(issuer, str) or issuer not in self._issuers:
            raise InvalidToken("the token is of another issuer")
        key = await self._issuers[issuer].find(algorithm, kid)
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=[algorithm],  # one of ours, and the key is of its type
                audience=self._audiences,
                issuer=issuer,
                # The times are checked below: the library has a clock of its own, and takes texts for times.
                options={"require": list(_REQUIRED), "verify_exp": False, "verify_iat": False, "verify_nbf": False},
            )
        except jwt.PyJWTError as error:
            raise _invalid(error) from None
        self._check_audience(claims)
        self._check_times(claims)
        if not claims["sub"]:
            raise InvalidToken("the token's sub is empty")
        return {**claims, "iss": self._issuers[issuer].issuer}

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _check_audience(self, claims: Mapping[str, Any]) -> None:
        """OpenID Connect Core 1.0, 3.1.3.7: a token that is for others, too, might be one that one of them passes on.

        One of ours is among the audiences already. A token for us alone may have been issued to anybody (`azp`):
        Google writes the service account's id there.
        """
        audience = claims["aud"]
        others = set(audience if isinstance(audience, list) else [audience]) - set(self._audiences)
        if others and claims.get("azp") not in self._audiences:
            raise InvalidToken("the token is for others, too, and was not issued to us")

    def _check_times(self, claims: Mapping[str, Any]) -> None:
        now = self._now()
        if _seconds(claims, "exp") <= now - LEEWAY_SECONDS:
            raise InvalidToken("the token has expired")
        for begins in ("iat", "nbf"):
            if begins in claims and _seconds(claims, begins) > now + LEEWAY_SECONDS:
                raise InvalidToken(f"the token's {begins} is in the future")

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = client.session("the issuer")
        return self._session


def _parts(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The header and the claims, neither verified. Raises InvalidToken."""
    if len(token) > TOKEN_LIMIT:
        raise InvalidToken(f"the token has more than {TOKEN_LIMIT} characters")
    if not token.isascii() or token.count(".") != 2:
        raise InvalidToken("the token does not have the form of one")
    try:
        parts = jwt.decode_complete(token, options={"verify_signature": False})
    except jwt.PyJWTError as error:
        raise _invalid(error) from None
    return parts["header"], parts["payload"]


def _invalid(error: jwt.PyJWTError) -> InvalidToken:
    """By the kind of the library's error alone: its text may repeat parts of the token."""
    return InvalidToken(f"the token is not valid ({type(error).__name__})")


def _seconds(claims: Mapping[str, Any], name: str) -> float:
    """A NumericDate (RFC 7519, 2). Raises InvalidToken, also for a number that is no time, as NaN or 1e400."""
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**53:
        raise InvalidToken(f"the token's {name} is no time")
    return value
