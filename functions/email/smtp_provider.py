"""Any mail server, by SMTP: RFC 5321."""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, SecretStr, model_validator

from functions.email.addresses import in_ascii
from functions.email.mime import as_bytes, mail_of
from functions.email.sender import SenderSettings
from functions.email.smtp_dialogue import Dialogue
from functions.email.smtp_server import LOOPBACK, OAuth, Server, Tls, server
from functions.email.unsubscribe_header import UnsubscribeLinks, UnsubscribeLinkSettings
from shared.delivery.errors import Permanent, Retryable
from shared.runtime.settings import HttpUrl, load
from shared.sending.provider import Outgoing, Provider

if TYPE_CHECKING:
    from functions.email.access_token import AccessToken

_BEFORE_THE_MAIL = 0.8
"""Share of an attempt's time for all that comes before the mail: what ends there has not left."""


def _greeting(name: str) -> str:
    """A host's name in ASCII, or an address literal (RFC 5321, 4.1.3). Raises ValueError."""
    try:
        if name.startswith("[") and name.endswith("]"):
            ip_address(name[1:-1].removeprefix("IPv6:"))
            return name
        return in_ascii(f"x@{name}").removeprefix("x@")
    except ValueError:
        raise ValueError("must be a host's name, or an IP address in brackets") from None


def _token_url(url: str) -> str:
    if not url.startswith("https://") and urlsplit(url).hostname not in LOOPBACK:
        raise ValueError("must be an https:// URL: secrets go there")
    return url


class SmtpSettings(SenderSettings):
    smtp_url: SecretStr
    """A mail server as a URL, credentials included; smtps:// for TLS from the first byte."""
    smtp_tls: Tls | None = None
    smtp_helo: Annotated[str, AfterValidator(_greeting)] | None = None
    smtp_oauth_token_url: Annotated[HttpUrl, AfterValidator(_token_url)] | None = None
    smtp_oauth_client_id: str | None = None
    smtp_oauth_client_secret: SecretStr | None = None
    smtp_oauth_refresh_token: SecretStr | None = None
    smtp_oauth_scope: str | None = None

    @model_validator(mode="after")
    def _is_a_server(self) -> Self:
        self.server()
        return self

    def server(self) -> Server:
        """Raises ValueError."""
        return server(self.smtp_url.get_secret_value(), self.smtp_tls, oauth=self.oauth() is not None)

    def oauth(self) -> OAuth | None:
        """How to get an access token; None for a password, or for no login. Raises ValueError."""
        refresh, scope = self.smtp_oauth_refresh_token, self.smtp_oauth_scope
        needed = (self.smtp_oauth_token_url, self.smtp_oauth_client_id, self.smtp_oauth_client_secret)
        if not any((*needed, refresh, scope)):
            return None
        url, client_id, secret = needed
        if not (url and client_id and secret and (refresh or scope)):
            raise ValueError(
                "SMTP_OAUTH_TOKEN_URL, SMTP_OAUTH_CLIENT_ID and SMTP_OAUTH_CLIENT_SECRET go together, with "
                "SMTP_OAUTH_REFRESH_TOKEN or SMTP_OAUTH_SCOPE"
            )
        token = refresh.get_secret_value() if refresh else None
        return OAuth(url, client_id, secret.get_secret_value(), token, scope)


class SmtpProvider:
    name = "smtp"

    def __init__(self, settings: SmtpSettings, links: UnsubscribeLinks | None = None) -> None:
        self._links = links
        self._senders = settings.senders()
        self._server = settings.server()
        self._context = self._server.context()
        self._greeting = settings.smtp_helo or self._senders.default.domain
        self._access = _access(settings.oauth())

    async def send(self, outgoing: Outgoing) -> str | None:
        try:
            recipient = in_ascii(outgoing.address)
        except ValueError:
            raise Permanent("the address makes no mail header") from None
        sender = self._senders.of(outgoing)
        mail = mail_of(outgoing, sender, recipient, self._links)
        with ExitStack() as connections:
            try:
                async with asyncio.timeout(outgoing.timeout * _BEFORE_THE_MAIL):
                    token, new = await self._access.get(outgoing.timeout / 2) if self._access else (None, False)
                    dialogue = await self._begun(connections, outgoing.timeout)
                    await self._log_in(dialogue, token, new)
                    utf8 = await dialogue.envelope(sender.address, recipient)
            except TimeoutError:
                raise Retryable("the mail server took too long before it was given the mail") from None
            await dialogue.mail(as_bytes(mail, utf8=utf8))
        return str(mail["Message-ID"])

    async def _begun(self, connections: ExitStack, timeout: float) -> Dialogue:
        """A server that is ready for the login, or for the mail where there is none."""
        upgrade = not self._server.implicit
        while True:
            dialogue = Dialogue(self._server, self._context, self._greeting, timeout)
            connections.callback(dialogue.close)
            if await dialogue.begin(upgrade=upgrade):
                return dialogue
            dialogue.close()
            upgrade = False  # plain text is better than no mail (RFC 7435, 3)

    async def _log_in(self, dialogue: Dialogue, token: str | None, new: bool) -> None:
        try:
            await dialogue.log_in(token)
        except Retryable as refused:
            if self._access is None or token is None or not refused.credentials:
                raise
            self._access.drop(token)
            if new:
                raise
            raise Retryable(f"{refused}; the next attempt asks for a new access token") from None

    async def aclose(self) -> None:
        """Each mail has its own connection."""
        if self._access is not None:
            await self._access.aclose()


def _access(oauth: OAuth | None) -> "AccessToken | None":
    if oauth is None:
        return None
    from functions.email.access_token import AccessToken  # noqa: PLC0415 - only who uses it loads aiohttp

    return AccessToken(oauth)


def provider() -> Callable[[], Provider]:
    settings, links = load(SmtpSettings), load(UnsubscribeLinkSettings).links()
    return lambda: SmtpProvider(settings, links)
