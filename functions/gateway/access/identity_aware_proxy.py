"""Who is signed in by Google's Identity-Aware Proxy: what it signs of each request that it lets through.

https://cloud.google.com/iap/docs/signed-headers-howto
"""

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.datastructures import Headers

from functions.gateway.settings import IDENTITY_AWARE_PROXY as ISSUER

KEYS = "https://www.gstatic.com/iap/verify/public_key-jwk"
HEADER = "x-goog-iap-jwt-assertion"
_GOOGLE_ACCOUNT = "accounts.google.com:"
"""Begins the subject of an account that Google signs in itself, and whose address it has verified. Others' sign-ins
(Identity Platform, a workforce pool) leave that to somebody else."""


def assertion(headers: Headers) -> str:
    """The token that goes with a request. Raises ValueError where it does not count.

    A browser that somebody is signed in with sends it along whoever makes it ask: a page of a stranger's, too. Which
    page does is in a header that no page can write (https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header). This
    is asked of each request, also of those that change nothing: they cost something, too.
    """
    given = headers.getlist(HEADER)
    if len(given) != 1:
        raise ValueError("the assertion of Identity-Aware Proxy came twice")
    if headers.getlist("sec-fetch-site") != ["same-origin"]:
        raise ValueError(
            "who is signed in by Identity-Aware Proxy counts in the requests of this host's own pages alone, which "
            "browsers mark by Sec-Fetch-Site: same-origin; this needs an API key or an OIDC token as bearer"
        )
    return given[0].strip(" \t")


def names_of(claims: Mapping[str, Any]) -> Sequence[str]:
    """The identities of callers that it may be, as `issuer subject`: the subject, and `email:` and its address."""
    subject, email = str(claims["sub"]), claims.get("email")
    if subject.startswith("email:"):  # no subject is taken for an address
        return []
    is_verified = subject.startswith(_GOOGLE_ACCOUNT) and isinstance(email, str)
    return [f"{ISSUER} {subject}", *([f"{ISSUER} email:{email}"] if is_verified else [])]
