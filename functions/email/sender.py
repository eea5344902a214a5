"""Who an e-mail is from: EMAIL_FROM, an address with or without a name, or one of EMAIL_SENDERS."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.header import Header
from typing import Self

from pydantic import model_validator

from functions.email.addresses import checked, in_ascii
from functions.email.channel import EmailAddressSettings
from functions.email.named_senders import known
from shared.channels.text_checks import one_line
from shared.delivery.errors import Refused
from shared.sending.provider import Outgoing

_NAMED = re.compile(r'(?P<name>"(?:[^"\\]|\\.)*"|[^"<>]*)[ \t]*<(?P<address>[^<>]*)>')
_WORDS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")  # RFC 5322, 3.2.3
_LONGEST_NAME = 200  # characters; a header's line has at most 998 (RFC 5322, 2.1.1)


@dataclass(frozen=True, slots=True)
class Sender:
    """name: as people read it; address: its domain in A-labels"""

    name: str | None
    address: str

    @property
    def domain(self) -> str:
        return self.address.rpartition("@")[2]

    @property
    def header(self) -> str:
        """What stands in From: the name as words, as a quoted string, or as encoded words (RFC 2047)."""
        if self.name is None:
            return self.address
        if _WORDS.fullmatch(self.name):
            name = self.name
        elif self.name.isascii():
            name = '"' + re.sub(r'(["\\])', r"\\\1", self.name) + '"'
        else:
            name = Header(self.name, "utf-8", header_name="From").encode(linesep="\r\n")
        return f"{name} <{self.address}>"


def parsed(value: str, *, local_hosts: bool) -> Sender:
    """The sender that is written `hark@example.com` or `Hark Alerts <hark@example.com>`. Raises ValueError."""
    one_line(value)
    named = _NAMED.fullmatch(value)
    address = named["address"].strip() if named else value
    try:
        checked(address, local_hosts=local_hosts)
    except ValueError as wrong:
        raise ValueError(f"{wrong}, or a name and an address in angle brackets: Name <address>") from None
    name = named["name"].strip() if named else ""
    if name.startswith('"'):
        name = re.sub(r"\\(.)", r"\1", name[1:-1]).strip()
    if "=?" in name:
        raise ValueError("must have its name as people read it, without encoded words")
    if len(name) > _LONGEST_NAME:
        raise ValueError(f"must have a name of at most {_LONGEST_NAME} characters")
    return Sender(name or None, in_ascii(address))


@dataclass(frozen=True, slots=True)
class Senders:
    """default: whose mails say nothing of their sender"""

    default: Sender
    named: Mapping[str, Sender]

    def of(self, outgoing: Outgoing) -> Sender:
        """Raises Refused when the sender that it names has been taken out since."""
        name = outgoing.parts.get("from")
        if name is None:
            return self.default
        if name not in self.named:
            raise Refused(f"EMAIL_SENDERS has no {name} any more ({known(self.named)}): add it, then replay")
        return self.named[name]


class SenderSettings(EmailAddressSettings):
    """What both of the providers need."""

    email_from: str

    @model_validator(mode="after")
    def _is_a_sender(self) -> Self:
        try:
            self.sender()
        except ValueError as wrong:
            raise ValueError(f"EMAIL_FROM: {wrong}") from None
        self.senders()
        return self

    def sender(self) -> Sender:
        return parsed(self.email_from, local_hosts=self.email_local_hosts)

    def named(self) -> Mapping[str, Sender]:
        """EMAIL_SENDERS. Raises ValueError."""
        found: dict[str, Sender] = {}
        for name, value in self.email_senders.items():
            try:
                found[name] = parsed(value, local_hosts=self.email_local_hosts)
            except ValueError as wrong:
                raise ValueError(f"EMAIL_SENDERS: {name} {wrong}") from None
        return found

    def senders(self) -> Senders:
        return Senders(self.sender(), self.named())
