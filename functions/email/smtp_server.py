"""Which mail server, and how: SMTP_URL, SMTP_TLS and SMTP_OAUTH_…, taken apart."""

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import unquote, urlsplit

_PORTS = {"smtp": 587, "smtps": 465}
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_FORM = "must be smtp://[user:password@]host[:port], or smtps:// for TLS from the start"
_ENCODED = (
    "; user and password are percent-encoded there: / is %2F, ? is %3F, # is %23, @ is %40, : is %3A, % is %25, "
    "[ is %5B, ] is %5D, a blank is %20"
)
_VISIBLE = re.compile(r"[^\x00-\x20\x7f]+")
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


class Tls(StrEnum):
    """How sure a connection must be; RFC 7435 and RFC 8314 say why there is more than one answer."""

    OPPORTUNISTIC = "opportunistic"  # where the server offers it, whoever it is; else in the clear
    REQUIRED = "required"  # whoever it is
    VERIFIED = "verified"  # with a certificate that is trusted and made out to the host


@dataclass(frozen=True, slots=True)
class OAuth:
    """How an access token is had: with a refresh token, or for a scope as the application itself."""

    token_url: str
    client_id: str
    client_secret: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    scope: str | None

    @property
    def form(self) -> Mapping[str, str]:
        form = {"client_id": self.client_id, "client_secret": self.client_secret}
        form["grant_type"] = "refresh_token" if self.refresh_token else "client_credentials"
        return form | ({"refresh_token": self.refresh_token} if self.refresh_token else {"scope": self.scope or ""})


@dataclass(frozen=True, slots=True)
class Server:
    """user: None for no login; password: None with OAuth; implicit: TLS from the first byte"""

    host: str
    port: int
    user: str | None
    password: str | None = field(repr=False)
    implicit: bool
    tls: Tls

    def context(self) -> ssl.SSLContext:
        if self.tls is Tls.VERIFIED:
            return ssl.create_default_context()  # SSL_CERT_FILE names authorities of one's own
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context


def server(url: str, tls: Tls | None, *, oauth: bool) -> Server:
    """The server of an URL. tls: None for the surest that it needs. Raises ValueError that names the setting."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(f"SMTP_URL: {_FORM}{_ENCODED}") from None
    stray = _STRAY_PERCENT.search(parts.netloc) or parts.path not in {"", "/"} or parts.query or parts.fragment
    if stray or not _VISIBLE.fullmatch(url) or "?" in url or "#" in url:
        raise ValueError(f"SMTP_URL: {_FORM}{_ENCODED}")
    if parts.scheme not in _PORTS or not parts.hostname or port == 0:
        raise ValueError(f"SMTP_URL: {_FORM}")
    try:
        user = unquote(parts.username, errors="strict") if parts.username else None
        password = unquote(parts.password, errors="strict") if parts.password is not None else None
    except UnicodeDecodeError:
        raise ValueError(f"SMTP_URL: {_FORM}{_ENCODED}") from None
    if oauth and (user is None or password is not None):
        raise ValueError("SMTP_URL: must have a user and no password with SMTP_OAUTH_TOKEN_URL")
    if not oauth and (user is None) != (password is None):
        raise ValueError("SMTP_URL: must have a user and a password, or neither")
    implicit, login = parts.scheme == "smtps", user is not None and parts.hostname not in LOOPBACK
    if tls is Tls.OPPORTUNISTIC and implicit:
        raise ValueError("SMTP_TLS: must be required or verified with smtps://")
    if login and tls not in {None, Tls.VERIFIED}:
        raise ValueError("SMTP_TLS: must be verified with a login: whoever stands in between would read it")
    surest = Tls.VERIFIED if login or implicit else Tls.OPPORTUNISTIC
    return Server(parts.hostname, port or _PORTS[parts.scheme], user, password, implicit, tls or surest)
