"""The bytes of an e-mail. Nothing of a subject, an address or a text becomes a header of its own."""

import re
from email.header import Header
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8, Policy
from email.utils import formatdate

from functions.email.message import headers_of, subject_of
from functions.email.sender import Sender
from shared.sending.provider import Outgoing

_PLAIN = re.compile(r"[!-~]([ -~]{0,58}[!-~])?")  # a reader drops spaces at a header's ends


def mail_of(outgoing: Outgoing, sender: Sender, recipient: str) -> EmailMessage:
    """recipient: its address with the domain in A-labels"""
    # 7 bits, because not every server offers 8BITMIME (RFC 6152).
    mail = EmailMessage(policy=SMTP.clone(cte_type="7bit"))
    mail["From"] = _Line("From", sender.header)
    mail["To"] = _Line("To", recipient)
    mail["Subject"] = _Line("Subject", _encoded(subject_of(outgoing)))
    mail["Date"] = formatdate()
    for name, value in headers_of(outgoing, sender).items():
        mail[name] = value
    mail["X-Hark-Notification-Id"] = outgoing.notification_id
    mail.set_content(outgoing.text)
    return mail


def as_bytes(mail: EmailMessage, *, utf8: bool) -> bytes:
    """utf8: whether its addresses may be beyond ASCII (RFC 6532)"""
    return mail.as_bytes(policy=SMTPUTF8 if utf8 else SMTP)


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
