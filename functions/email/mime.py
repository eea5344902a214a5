"""The bytes of an e-mail. Nothing of a subject, an address, a text or a file's name becomes a header of its own."""

import hashlib
import re
from email.header import Header
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8, Policy
from email.utils import formatdate
from urllib.parse import quote

from functions.email.addresses import in_ascii
from functions.email.message import headers_of, subject_of
from functions.email.sender import Sender
from functions.email.unsubscribe_header import UnsubscribeLinks
from shared.delivery.model import Attachment
from shared.sending.provider import Outgoing

_SHORT = 60  # characters of a file's name on a line
_PLAIN = re.compile(r"[!-~]([ -~]{0,58}[!-~])?")  # a reader drops spaces at a header's ends


def mail_of(outgoing: Outgoing, sender: Sender, recipient: str, links: UnsubscribeLinks | None = None) -> EmailMessage:
    """recipient: its address with the domain in A-labels. Raises Refused."""
    # 7 bits, because not every server offers 8BITMIME (RFC 6152).
    mail = EmailMessage(policy=SMTP.clone(cte_type="7bit"))
    mail["From"] = _Line("From", sender.header)
    mail["To"] = _Line("To", recipient)
    if "reply_to" in outgoing.parts:
        mail["Reply-To"] = _Line("Reply-To", in_ascii(outgoing.parts["reply_to"]))
    mail["Subject"] = _Line("Subject", _encoded(subject_of(outgoing)))
    mail["Date"] = formatdate()
    for name, value in headers_of(outgoing, sender, links).items():
        mail[name] = _Line(name, value)  # a long URL would be cut up, or become encoded words
    mail["X-Hark-Notification-Id"] = outgoing.notification_id
    mail.set_content(outgoing.text)
    if "html" in outgoing.parts:
        mail.add_alternative(outgoing.parts["html"], subtype="html")
    if outgoing.attachments:
        mail.make_mixed()
    for file in outgoing.attachments:
        mail.attach(_part(file))
    _bound(mail, outgoing)
    return mail


def _part(file: Attachment) -> EmailMessage:
    part = EmailMessage(policy=SMTP)
    maintype, _, subtype = file.type.partition("/")
    part.set_content(file.data, maintype=maintype, subtype=subtype)
    part["Content-Disposition"] = _Line("Content-Disposition", f"attachment; {_named(file.name)}")
    del part["MIME-Version"]
    return part


def _named(name: str) -> str:
    """The parameter `filename`: quoted, or in UTF-8 by RFC 2231, on lines short enough."""
    # Some readers decode encoded words even here (RFC 2047, 5 forbids it).
    if name.isascii() and len(name) <= _SHORT and "=?" not in name:
        return 'filename="' + re.sub(r'(["\\])', r"\\\1", name) + '"'
    written = [quote(character, safe="") for character in name]
    pieces = [""]
    for character in written:
        if len(pieces[-1]) + len(character) > _SHORT:
            pieces.append("")
        pieces[-1] += character
    if len(pieces) == 1:
        return f"filename*=utf-8''{pieces[0]}"
    first, *others = pieces
    return f"filename*0*=utf-8''{first}" + "".join(f";\r\n filename*{n}*={p}" for n, p in enumerate(others, 1))


def _bound(mail: EmailMessage, outgoing: Outgoing) -> None:
    """The same boundaries at each try, which nothing in the mail can have: they are made of all of it."""
    whole = hashlib.sha256(outgoing.notification_id.encode())
    for part in (outgoing.text, outgoing.parts.get("html", "")):
        whole.update(part.encode("utf-8", "surrogatepass"))
    for file in outgoing.attachments:
        whole.update(file.data)
    for number, each in enumerate(part for part in mail.walk() if part.is_multipart()):
        each.set_boundary(f"={number}_{whole.hexdigest()[:40]}")


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
