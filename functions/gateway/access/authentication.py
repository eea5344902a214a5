"""From a request to its caller: an API key or an OIDC token as bearer, else who is signed in by Identity-Aware Proxy,
else the load balancer's client certificate.

Each way ends in the ids of records that may be the caller's, and in the record. A bearer that is not good is refused,
whatever else comes with it: whoever sends both means the bearer.
"""

import asyncio
import hashlib
import hmac
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.datastructures import Headers

from functions.gateway.access import api_keys, identity_aware_proxy
from functions.gateway.access.caller import Caller, CallerKind
from functions.gateway.access.caller_store import CallerStore
from functions.gateway.access.certificate_names import certificate_names
from functions.gateway.access.credential_precedence import deciding
from functions.gateway.web.problem_details import RETRY_LATER, Problem
from shared.delivery.errors import InvalidToken, KeysUnavailable, StoreUnavailable
from shared.runtime.logs import get_logger

log = get_logger(__name__)

FRESH_SECONDS = 30.0
STALE_SECONDS = 50.0  # of the 60 within which a revoked key must stop, ten are left for the read
MOST_CACHED = 10_000

CERTIFICATE_HEADERS = tuple(
    f"x-client-cert-{name}"
    for name in ("present", "chain-verified", "error", "sha256-fingerprint", "spiffe-id", "uri-sans", "dnsname-sans")
)
EMAIL = "email:"
"""Begins the identity of a token that is known by its verified address."""
SECRET_HEADER = "x-load-balancer-secret"  # noqa: S105 - its name # pragma: allowlist secret


def identity_id(kind: CallerKind, identity: str) -> str:
    """The id of the record for a certificate's name, or for `issuer subject` of a token."""
    return hashlib.sha256(f"{kind}\n{identity}".encode(errors="surrogatepass")).hexdigest()[:16]


class CallerCache:
    """Callers as they were at most FRESH_SECONDS ago; should the records be out of reach, STALE_SECONDS.

    Ids that nobody has are kept too, apart from the callers, so that guessing pushes none of them out.
    """

    def __init__(self, store: CallerStore, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._known: dict[str, tuple[float, Caller]] = {}
        self._unknown: dict[str, float] = {}
        self._reading: dict[tuple[str, ...], asyncio.Task[Mapping[str, Caller]]] = {}
        self._forgotten = 0

    async def read(self, ids: Sequence[str], *, fresh: bool = False) -> Sequence[Caller]:
        """Those of the ids that are callers, in the order of the ids. Raises StoreUnavailable.

        fresh: as they are on record now
        """
        now = self._clock()
        if fresh and ids:
            return await self._read_now(ids, now)
        stale = [i for i in ids if not self._has(i, now, FRESH_SECONDS)]
        if stale:
            try:
                await self._refresh(tuple(stale), now)
            except StoreUnavailable:
                if not all(self._has(i, now, STALE_SECONDS) for i in stale):
                    raise
        return [self._known[i][1] for i in ids if i in self._known]

    def forget(self, caller_id: str) -> None:
        """It has been made or changed here: the next request sees it."""
        self._forgotten += 1
        self._known.pop(caller_id, None)
        self._unknown.pop(caller_id, None)

    async def _read_now(self, ids: Sequence[str], now: float) -> Sequence[Caller]:
        forgotten = self._forgotten
        found = await self._store.read(ids)
        if forgotten == self._forgotten:  # else a change has overtaken it, and the next request reads again
            self._keep(ids, found, now)
        return [found[i] for i in ids if i in found]

    async def _refresh(self, ids: tuple[str, ...], now: float) -> None:
        """One read for all who wait for the same ids. One that a change has overtaken is read again."""
        forgotten = -1
        while forgotten != self._forgotten:
            forgotten = self._forgotten
            if ids not in self._reading:
                self._reading[ids] = asyncio.ensure_future(self._store.read(ids))
                self._reading[ids].add_done_callback(lambda _: self._reading.pop(ids, None))
            found = await asyncio.shield(self._reading[ids])
        self._keep(ids, found, now)

    def _has(self, caller_id: str, now: float, seconds: float) -> bool:
        read_at = self._known[caller_id][0] if caller_id in self._known else self._unknown.get(caller_id)
        return read_at is not None and now - read_at < seconds

    def _keep(self, ids: Sequence[str], found: Mapping[str, Caller], now: float) -> None:
        for caller_id in ids:
            self._known.pop(caller_id, None)
            self._unknown.pop(caller_id, None)
            if caller_id in found:
                _make_room(self._known)
                self._known[caller_id] = (now, found[caller_id])
            else:
                _make_room(self._unknown)
                self._unknown[caller_id] = now


class TokenVerifier(Protocol):
    """`shared.http.openid_connect.Verifier`, which only a gateway that takes tokens loads."""

    async def claims(self, token: str) -> Mapping[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Identity:
    """`verifier`: None when no audience is set, and then no token is good; proxy: the same of what Identity-Aware Proxy
    signs, which then is not looked at.

    trusts_certificates: whether a load balancer stands in front; secret: what it must send with each request.
    """

    callers: CallerCache
    verifier: TokenVerifier | None = None
    trusts_certificates: bool = False
    secret: str | None = None
    proxy: TokenVerifier | None = None

    async def caller(self, headers: Headers, *, fresh: bool = False) -> Caller:
        """Problem 401, or 503 when nobody can tell.

        fresh: as it is on record now, and not up to half a minute ago
        """
        try:
            authorization = headers.getlist("authorization")
            if authorization:
                return await self._bearer(authorization, fresh)
            if self.proxy is not None and identity_aware_proxy.HEADER in headers:
                return await self._signed_in(self.proxy, headers, fresh)
            if self.trusts_certificates:
                return await self._certificate(headers, fresh)
        except StoreUnavailable as error:
            log.error("callers cannot be read", error=str(error))
            raise _cannot_tell() from None
        except KeysUnavailable as error:
            log.error("tokens cannot be verified", error=str(error))
            raise _cannot_tell() from None
        raise _refused("this needs an API key or an OIDC token as bearer")

    async def _bearer(self, authorization: Sequence[str], fresh: bool) -> Caller:
        # RFC 9110: a value ends before its blanks (5.5), and there may be several behind the scheme (11.4).
        scheme, _, rest = authorization[0].strip(" \t").partition(" ")
        if len(authorization) > 1 or scheme.lower() != "bearer":
            raise _refused("there must be one Authorization header, of the scheme Bearer")
        credentials = rest.lstrip(" ")
        if credentials.startswith("hark_"):
            return await self._api_key(credentials, fresh)
        if self.verifier is None:
            raise _refused("this is no API key, and OIDC tokens are not set up", invalid=True)
        try:
            claims = await self.verifier.claims(credentials)
        except InvalidToken as error:
            raise _refused(f"the token is not valid: {error}", invalid=True) from None
        issuer, subject = claims["iss"], str(claims["sub"])
        # A subject may be anything that the issuer lets its users choose: none is taken for an address.
        names = [f"{issuer} {subject}"] if not subject.startswith(EMAIL) else []
        if claims.get("email_verified") is True and "email" in claims:
            names.append(f"{issuer} {EMAIL}{claims['email']}")
        return await self._named(CallerKind.TOKEN, names, fresh)

    async def _signed_in(self, proxy: TokenVerifier, headers: Headers, fresh: bool) -> Caller:
        try:
            claims = await proxy.claims(identity_aware_proxy.assertion(headers))
        except ValueError as wrong:
            raise _refused(str(wrong)) from None
        except InvalidToken as error:
            raise _refused(f"what Identity-Aware Proxy signs is not valid: {error}", invalid=True) from None
        return await self._named(CallerKind.TOKEN, identity_aware_proxy.names_of(claims), fresh)

    async def _api_key(self, key: str, fresh: bool) -> Caller:
        parsed = api_keys.parse(key)
        found = await self.callers.read([parsed[1]], fresh=fresh) if parsed else ()
        if not found or not api_keys.opens(found[0], key):
            raise _refused("there is no such API key, or it is revoked", invalid=True)
        return found[0]

    async def _certificate(self, headers: Headers, fresh: bool) -> Caller:
        """https://cloud.google.com/load-balancing/docs/mtls#custom-header-variables"""
        if self.secret is not None and not _same(headers.getlist(SECRET_HEADER), self.secret):
            raise _refused("this needs an API key or an OIDC token as bearer; certificates count at the load balancer")
        values: dict[str, str] = {}
        for name in CERTIFICATE_HEADERS:
            given = headers.getlist(name)
            if len(given) > 1:
                raise _refused("the load balancer's headers came twice")
            values[name.removeprefix("x-client-cert-")] = given[0].strip() if given else ""
        if values["present"] != "true":
            raise _refused("this needs an API key, an OIDC token or a client certificate")
        if values["chain-verified"] != "true" or values["error"]:
            raise _refused("the client certificate is not valid")
        try:
            names = certificate_names(values)
        except ValueError as wrong:
            raise _refused(str(wrong)) from None
        return await self._named(CallerKind.CERTIFICATE, names, fresh)

    async def _named(self, kind: CallerKind, names: Sequence[str], fresh: bool) -> Caller:
        """One record decides (`credential_precedence.py`): a revoked certificate does not get in by its host's name."""
        ids = dict.fromkeys(identity_id(kind, name) for name in names)
        found = await self.callers.read(list(ids), fresh=fresh)
        fitting = [caller for caller in found if caller.identity in names and caller.kind is kind]
        caller = await self._deciding(fitting, fresh) if len(fitting) > 1 else next(iter(fitting), None)
        if caller is None or caller.revoked_at is not None:
            raise _refused(f"the {kind} is good, but it is no caller's", invalid=True)
        return caller

    async def _deciding(self, fitting: Sequence[Caller], fresh: bool) -> Caller:
        makers = sorted({caller.created_by for caller in fitting if caller.created_by is not None})
        on_record = {maker.id: maker for maker in await self.callers.read(makers, fresh=fresh)}
        caller = deciding(fitting, on_record)
        if caller is not fitting[0]:
            log.warning("the older of two callers holds", caller=caller.id, more_exact=fitting[0].id)
        return caller


def _same(given: Sequence[str], secret: str) -> bool:
    return len(given) == 1 and hmac.compare_digest(given[0].encode(), secret.encode())


def _make_room(kept: dict[str, Any]) -> None:
    if len(kept) >= MOST_CACHED:
        kept.pop(next(iter(kept)))


def _refused(detail: str, *, invalid: bool = False) -> Problem:
    error = ', error="invalid_token"' if invalid else ""
    return Problem(401, detail, headers={"WWW-Authenticate": f'Bearer realm="hark"{error}'})


def _cannot_tell() -> Problem:
    return Problem(503, "nobody can tell now who calls; try again", headers=RETRY_LATER)
