"""The lab over SMTP: a real dialogue, whose faults strike where a real server would refuse."""

import asyncio
import base64
import logging
import random
import re
import secrets
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, cast
from weakref import WeakSet

from aiosmtpd.smtp import MISSING, SMTP, AuthResult, Envelope, Session

from emulator.lab.core import Lab
from emulator.lab.faults import Mode
from emulator.lab.fixed import Behaviour, behaviour_of
from emulator.lab.messages import File, Message, timestamp
from emulator.lab.transport import PROXY_PAGE, cut, drip, hold, reset

CHANNEL, PROVIDER = "email", "smtp"
HOSTNAME = "lab.test"
REPLIES = {
    Mode.UNAVAILABLE: "451 4.3.0 Temporary server error, try again later",
    Mode.THROTTLED: "450 4.7.1 Too many messages, try again later",
    Mode.REFUSED: "550 5.2.2 The mailbox is full",  # for good of this mail, and not of all that ever goes there
    Mode.UNAUTHORIZED: "530 5.7.0 Authentication required",
    Mode.HTML: PROXY_PAGE.decode(),
}
NO_SUCH_USER = "550 5.1.1 No such user here"
BAD_CREDENTIALS = "535 5.7.8 Authentication credentials invalid"
BEARER = re.compile(rb"user=[^\x01]+\x01auth=Bearer [!-~]+\x01\x01")
# https://developers.google.com/workspace/gmail/imap/xoauth2-protocol#error_response
BAD_TOKEN = '{"status":"400","schemes":"Bearer","scope":"https://mail.google.com/"}'
BEYOND_ASCII = "553 5.6.7 Addresses with letters beyond ASCII need SMTPUTF8"
# The server never hangs up on a client that a fault keeps waiting.
SESSION_SECONDS = 86_400.0

log = logging.getLogger(__name__)


class SmtpServer:
    """The listener and its open connections, so that closing leaves none."""

    def __init__(self, lab: Lab, slow_seconds: float) -> None:
        self._lab = lab
        self._slow_seconds = slow_seconds
        self._connections: WeakSet[SMTP] = WeakSet()
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Returns the port, which matters when 0 was asked for."""
        # aiosmtpd logs commands, addresses included, and a warning of its own deprecation at every AUTH.
        logging.getLogger("mail.log").setLevel(logging.CRITICAL)
        self._server = await asyncio.get_running_loop().create_server(self._connection, host, port)
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for connection in self._connections:
            if connection.transport is not None:
                cast(asyncio.Transport, connection.transport).abort()

    def _connection(self) -> SMTP:
        dialogue = Dialogue(self._lab, self._slow_seconds)
        connection = SMTP(
            dialogue,
            hostname=HOSTNAME,
            ident="Hark lab",
            enable_SMTPUTF8=True,
            auth_require_tls=False,
            authenticator=dialogue.authenticate,
            timeout=SESSION_SECONDS,
            loop=asyncio.get_running_loop(),
        )
        self._connections.add(connection)
        return connection


class Dialogue:
    """One connection. A message's random number is drawn before it, because AUTH and MAIL come first."""

    def __init__(self, lab: Lab, slow_seconds: float) -> None:
        self._lab = lab
        self._slow_seconds = slow_seconds
        self._number = random.random()

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, credentials: object
    ) -> AuthResult:
        if self._strikes(Mode.UNAUTHORIZED):
            # Not handled: the server has still to send this reply.
            return AuthResult(success=False, handled=False, message=BAD_CREDENTIALS)
        return AuthResult(success=True)

    async def auth_XOAUTH2(self, server: SMTP, args: list[str]) -> AuthResult:  # noqa: N802, as below
        """A refusal is told in a challenge first."""
        try:
            told = base64.b64decode(args[1], validate=True) if len(args) > 1 else b""
        except ValueError:
            told = b""
        if BEARER.fullmatch(told) and not self._strikes(Mode.UNAUTHORIZED):
            return AuthResult(success=True)
        if await server.challenge_auth(BAD_TOKEN) is MISSING:
            return AuthResult(success=False, handled=True)
        return AuthResult(success=False, handled=False, message=BAD_CREDENTIALS)

    async def handle_MAIL(  # noqa: N802, aiosmtpd finds its hooks by these names
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> object:
        if not (address.isascii() or envelope.smtp_utf8):
            return BEYOND_ASCII
        return REPLIES[Mode.UNAUTHORIZED] if self._strikes(Mode.UNAUTHORIZED) else MISSING

    async def handle_RCPT(  # noqa: N802, aiosmtpd finds its hooks by these names
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> object:
        if not (address.isascii() or envelope.smtp_utf8):
            return BEYOND_ASCII
        behaviour = behaviour_of(address)
        if behaviour is Behaviour.PERMANENT:
            return NO_SUCH_USER
        return REPLIES[Mode.REFUSED] if behaviour is None and self._strikes(Mode.REFUSED) else MISSING

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        message = read(self._lab, envelope)
        number, self._number = self._number, random.random()
        mode = await self._lab.handle(message, number)
        transport = cast(asyncio.Transport, server.transport)
        accepted = f"250 2.0.0 Ok: queued as {secrets.token_hex(5).upper()}"
        match mode:
            case Mode.TIMEOUT | Mode.ACCEPT_THEN_TIMEOUT:
                await hold()
            case Mode.RESET | Mode.ACCEPT_THEN_RESET:
                reset(transport)
                await hold()
            case Mode.TRUNCATED:
                cut(transport, b"25")
                await hold()
            case Mode.SLOW:
                # The server adds the line's end to what is returned.
                await drip(transport, accepted[:-1].encode(), self._slow_seconds)
                return accepted[-1]
        return REPLIES[mode] if mode else accepted

    async def handle_exception(self, error: Exception) -> str:
        log.error("lab: an SMTP command failed with %s", type(error).__name__)
        return "451 4.3.0 The lab failed on this command"

    def _strikes(self, mode: Mode) -> bool:
        if self._lab.faults.take(CHANNEL, PROVIDER, self._number, {mode}) is None:
            return False
        self._number = random.random()
        return True


def read(lab: Lab, envelope: Envelope) -> Message:
    mail = message_from_bytes(cast(bytes, envelope.content), policy=policy.default)
    notification_id = mail["X-Hark-Notification-Id"]
    return Message(
        at=timestamp(lab.now()),
        channel=CHANNEL,
        provider=PROVIDER,
        # The envelope decides who gets a mail, whatever its To says.
        to=", ".join(envelope.rcpt_tos),
        subject=None if mail["Subject"] is None else str(mail["Subject"]),
        text=text_of(mail),
        message_id=str(mail["Message-ID"] or f"<{secrets.token_urlsafe(16)}@{HOSTNAME}>").strip(),
        notification_id=None if notification_id is None else str(notification_id).strip(),
        headers={name: str(value) for name, value in mail.items()},
        html=html_of(mail),
        attachments=attachments_of(mail),
    )


def text_of(mail: EmailMessage) -> str:
    part = mail.get_body(("plain", "html"))
    return "" if part is None else text_in(part)


def html_of(mail: EmailMessage) -> str | None:
    part = mail.get_body(("html",))
    return None if part is None else text_in(part)


def attachments_of(mail: EmailMessage) -> list[File] | None:
    files = [part for part in mail.walk() if part.get_content_disposition() == "attachment"]
    return [File(part.get_filename() or "", part.get_content_type(), len(payload(part))) for part in files] or None


def text_in(part: Any) -> str:
    """As its author wrote it: a mail ends lines in CRLF, and always ends the last one."""
    try:
        content = str(part.get_content())
    except LookupError:
        # A charset or a content type that Python does not know.
        content = payload(part).decode(errors="replace")
    return content.replace("\r\n", "\n").removesuffix("\n")


def payload(part: Any) -> bytes:
    decoded = part.get_payload(decode=True)
    return decoded if isinstance(decoded, bytes) else b""  # that of a multipart is none
