"""Any mail server, by SMTP: RFC 5321, with TLS where the server offers it."""

import re
from collections.abc import Callable
from email.header import Header
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8, Policy
from email.utils import formatdate
from urllib.parse import unquote, urlsplit

import aiosmtplib
from pydantic import EmailStr, SecretStr, field_validator

from functions.email.message import subject_of
from shared.errors import Permanent, Retryable, SendError, Throttled, Unknown
from shared.provider import Outgoing, Provider
from shared.settings import Settings, load

_PORTS = {"smtp": 587, "smtps": 465}
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}
_CREDENTIALS = {530, 534, 535, 538}  # RFC 4954, 6
_ADDRESS = re.compile(r"[^\s\x00-\x20\x7f()<>\[\]:;,@\\\"]+@[^\s\x00-\x20\x7f()<>\[\]:;,@\\\"]+")
_PLAIN = re.compile(r"[!-~]([ -~]{0,58}[!-~])?")  # a reader drops spaces at a header's ends
_ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}\b")
_PACE = re.compile(r"^4\.7\.")  # RFC 3463: a policy's "not now", as greylisting and rate limits answer


class SmtpSettings(Settings):
    smtp_url: SecretStr
    """A mail server as a URL, credentials included; smtps:// for TLS from the first byte."""
    email_from: EmailStr

    @field_validator("smtp_url")
    @classmethod
    def _is_smtp(cls, url: SecretStr) -> SecretStr:
        try:
            parts = urlsplit(url.get_secret_value())
            good = parts.scheme in _PORTS and parts.hostname and (parts.port or 1)
        except ValueError:
            good = False
        if not good:
            raise ValueError("must be smtp://[user:password@]host[:port], or smtps:// for TLS from the start")
        return url


class SmtpProvider:
    name = "smtp"

    def __init__(self, settings: SmtpSettings) -> None:
        self._from = settings.email_from
        self._url = urlsplit(settings.smtp_url.get_secret_value())

    async def send(self, outgoing: Outgoing) -> str | None:
        mail = self._mail(outgoing)
        url = self._url
        client = aiosmtplib.SMTP(
            hostname=url.hostname,
            port=url.port or _PORTS[url.scheme],
            use_tls=url.scheme == "smtps",
            # Where the server offers it; with a password, or not at all.
            start_tls=True if url.username and url.scheme == "smtp" and url.hostname not in _LOOPBACK else None,
            username=unquote(url.username) if url.username else None,
            password=unquote(url.password) if url.password else None,
            timeout=outgoing.timeout,
        )
        utf8 = not outgoing.address.isascii()
        try:
            await client.connect()
            if utf8 and not client.supports_extension("smtputf8"):
                raise Permanent("the mail server takes no addresses beyond ASCII")
            options = ["SMTPUTF8"] if utf8 else []
            encoding = "utf-8" if utf8 else "ascii"
            await client.mail(self._from, options=options, encoding=encoding)
            await client.rcpt(outgoing.address, encoding=encoding)
        except aiosmtplib.SMTPResponseException as refused:
            client.close()
            raise _of_envelope_reply(refused) from None
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            client.close()
            raise Retryable(f"the mail server could not be reached ({type(error).__name__})") from None
        except BaseException:
            client.close()
            raise
        try:
            await client.data(mail.as_bytes(policy=SMTPUTF8 if utf8 else SMTP))
        except aiosmtplib.SMTPResponseException as refused:
            raise _of_reply(refused) from None
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            raise Unknown(f"no readable answer from the mail server ({type(error).__name__})") from None
        finally:
            client.close()
        return str(mail["Message-ID"])

    def _mail(self, outgoing: Outgoing) -> EmailMessage:
        if not _ADDRESS.fullmatch(outgoing.address):
            raise Permanent("the address makes no mail header")
        # 7 bits, because not every server offers 8BITMIME (RFC 6152).
        mail = EmailMessage(policy=SMTP.clone(cte_type="7bit"))
        mail["From"] = self._from
        mail["To"] = _Line("To", outgoing.address)
        mail["Subject"] = _Line("Subject", _encoded(subject_of(outgoing)))
        mail["Date"] = formatdate()
        # The same id at each try: a mailbox that dedupes shows one, however often a lost answer made us send.
        mail["Message-ID"] = f"<{outgoing.notification_id}@{self._from.rpartition('@')[2]}>"
        mail["X-Hark-Notification-Id"] = outgoing.notification_id
        mail.set_content(outgoing.text)
        return mail

    async def aclose(self) -> None:
        """Each mail has its own connection."""


def provider() -> Callable[[], Provider]:
    settings = load(SmtpSettings)
    return lambda: SmtpProvider(settings)


class _Line(str):
    """A header's value that goes out as it is.

    The email package would parse it, decode each `=?…?=` in it and write what comes out, line breaks included: a
    subject or an address could add headers of its own (Python 3.11.7).
    """

    def __new__(cls, name: str, value: str) -> "_Line":
        line = super().__new__(cls, value)
        line.name = name
        return line

    name: str

    def fold(self, *, policy: Policy) -> str:
        return f"{self.name}: {self}{policy.linesep}"


def _encoded(subject: str) -> str:
    """The subject on one line, as encoded words (RFC 2047) unless it is short, plain and cannot be taken for one."""
    line = " ".join(subject.splitlines())
    if _PLAIN.fullmatch(line) and "=?" not in line:
        return line
    return Header(line, "utf-8", header_name="Subject").encode(linesep="\r\n")


def _code(refused: aiosmtplib.SMTPResponseException) -> str:
    """The reply's code with its enhanced one (RFC 3463), where there is one: "550 5.1.1"."""
    enhanced = _ENHANCED.match(refused.message)
    return f"{refused.code} {enhanced[0]}" if enhanced else str(refused.code)


def _of_envelope_reply(refused: aiosmtplib.SMTPResponseException) -> SendError:
    """The error of a reply before the mail: nothing has left, and a refusal but that of the recipient is about us."""
    about_recipient = isinstance(refused, aiosmtplib.SMTPRecipientRefused) and 500 <= refused.code < 600
    if about_recipient or 400 <= refused.code < 500:
        return _of_reply(refused)
    return Retryable(f"the mail server answered {_code(refused)} to the envelope", credentials=True)


def _of_reply(refused: aiosmtplib.SMTPResponseException) -> SendError:
    """The error that a reply code means (RFC 5321, 4.2). The reply's text may repeat the address: it stays out."""
    text = f"the mail server answered {_code(refused)}"
    if refused.code in _CREDENTIALS:
        return Retryable(text, credentials=True)
    if 400 <= refused.code < 500:
        return Throttled(text) if _PACE.match(refused.message) else Retryable(text)
    if 500 <= refused.code < 600:
        return Permanent(text)
    return Unknown(f"{text}, which is no reply to a mail")
