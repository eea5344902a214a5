"""One connection to a mail server, word by word, so that each refusal is judged by the phase that it belongs to.

Until the mail itself has begun nothing has left: whatever breaks before is retryable.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable

import aiosmtplib

from functions.email.smtp_replies import Phase, of_reply
from functions.email.smtp_server import Server, Tls
from shared.delivery.errors import Permanent, Refused, Retryable, Unknown

_CERTIFICATE: dict[int, str] = {
    # OpenSSL's X509_V_ERR_…
    10: "has expired",
    18: "is signed by itself",
    19: "is from an authority that is not trusted",
    20: "is from an authority that is not trusted",
    21: "is from an authority that is not trusted",
    62: "is made out to another host",
    64: "is made out to another host",
}

_OPTIONAL_TLS = 0.3
"""Share of the time for TLS where plain text will do: a handshake that hangs must leave enough for another try."""


class Dialogue:
    """`timeout`: seconds that each word may take."""

    def __init__(self, server: Server, context: ssl.SSLContext, greeting: str, timeout: float) -> None:
        self._server = server
        self._context = context
        self._timeout = timeout
        self._client = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            local_hostname=greeting,
            use_tls=server.implicit,
            start_tls=False,  # and no login: both are done below, each in its phase
            tls_context=context,
            timeout=timeout,
        )

    async def begin(self, *, upgrade: bool) -> bool:
        """Greet, and go over to TLS if `upgrade`. False when TLS failed and the mail may go without, on a new one."""
        await self._said(Phase.CONNECT, self._client.connect())
        await self._greet()
        if not upgrade:
            return True
        optional = self._server.tls is Tls.OPPORTUNISTIC
        if not self._client.supports_extension("starttls"):
            if optional:
                return True
            raise Retryable("the mail server offers no TLS, and SMTP_TLS or the login needs it")
        upgraded = self._client.starttls(server_hostname=self._server.host, tls_context=self._context)
        seconds = self._timeout * (_OPTIONAL_TLS if optional else 1)
        try:
            await self._said(Phase.STARTTLS, asyncio.wait_for(upgraded, seconds))
        except Retryable:
            if optional:
                return False
            raise
        await self._greet()
        return True

    async def _greet(self) -> None:
        async def greeted() -> None:
            try:
                await self._client.ehlo()
            except aiosmtplib.SMTPHeloError as refused:
                if refused.code not in {500, 502} or not self._client.is_connected:
                    raise
                await self._client.helo()  # a server that knows no EHLO (RFC 5321, 3.2)

        await self._said(Phase.EHLO, greeted())

    async def log_in(self, token: str | None) -> None:
        """token: for XOAUTH2, instead of the password"""
        user, password, client = self._server.user, self._server.password, self._client
        if user is None:
            return
        if token is not None:
            if "xoauth2" not in client.server_auth_methods:
                raise Refused("the mail server offers no XOAUTH2: check SMTP_URL")
            await self._said(Phase.LOGIN, client.auth_xoauth2(user, token))
        else:
            if not client.supported_auth_methods:
                raise Refused("the mail server offers no login with a password: check SMTP_URL")
            await self._said(Phase.LOGIN, client.login(user, password or ""))

    async def envelope(self, sender: str, recipient: str) -> bool:
        """Whether the addresses need SMTPUTF8 (RFC 6531): a local part beyond ASCII does, a domain is in A-labels."""
        utf8 = not (sender + recipient).isascii()
        if utf8 and not self._client.supports_extension("smtputf8"):
            if sender.isascii():
                raise Permanent("the mail server takes no addresses beyond ASCII")
            raise Refused(
                "the mail server takes no sender beyond ASCII: change EMAIL_FROM, or the one of EMAIL_SENDERS"
            )
        options, encoding = (["SMTPUTF8"], "utf-8") if utf8 else ([], "ascii")
        await self._said(Phase.SENDER, self._client.mail(sender, options=options, encoding=encoding))
        await self._said(Phase.RECIPIENT, self._client.rcpt(recipient, encoding=encoding))
        return utf8

    async def mail(self, content: bytes) -> None:
        await self._said(Phase.MAIL, self._client.data(content))

    def close(self) -> None:
        self._client.close()

    async def _said(self, phase: Phase, word: Awaitable[object]) -> None:
        try:
            await word
        except aiosmtplib.SMTPResponseException as refused:
            raise of_reply(phase, refused.code, refused.message) from None
        except (aiosmtplib.SMTPException, OSError) as error:
            broken = _broken(phase, error)
            raise (Unknown(broken) if phase is Phase.MAIL else Retryable(broken)) from None


def _broken(phase: Phase, error: BaseException) -> str:
    """What broke, in words. The library's own texts name the server, and say the cause only in a chain."""
    at = "" if phase is Phase.CONNECT else f" at {phase}"
    cause: BaseException | None = error
    while cause is not None:
        match cause:
            case ssl.SSLCertVerificationError():
                what = _CERTIFICATE.get(cause.verify_code, f"is not trusted (OpenSSL {cause.verify_code})")
                return f"the mail server's certificate {what}"
            case ssl.SSLError():
                return f"the TLS handshake with the mail server failed ({cause.reason or 'no reason given'})"
            case socket.gaierror():
                return "the mail server could not be reached: its name does not resolve"
            case ConnectionRefusedError():
                return "the mail server could not be reached: the connection was refused"
            case TimeoutError():
                return f"the mail server gave no answer in time{at}"
            case aiosmtplib.SMTPServerDisconnected() | ConnectionResetError() | BrokenPipeError() | EOFError():
                if cause.__cause__ is None:
                    return f"the mail server closed the connection{at}"
        cause = cause.__cause__
    return f"the connection to the mail server failed{at} ({type(error).__name__})"
