"""What a mail server's reply means: by the phase of the dialogue, its enhanced code and its basic one.

The codes are those of https://www.iana.org/assignments/smtp-enhanced-status-codes (RFC 3463, RFC 5248 and others);
the basic ones are in RFC 5321, 4.2.3. The text of a reply may repeat the address, so it is looked at and never shown.
"""

import re
from collections.abc import Mapping
from enum import StrEnum

from shared.delivery.errors import Permanent, Refused, Retryable, SendError, Throttled, Unknown
from shared.delivery.model import SuppressionReason


class Phase(StrEnum):
    """The word that the server replies to."""

    CONNECT = "the connection"
    EHLO = "EHLO"
    STARTTLS = "STARTTLS"
    LOGIN = "AUTH"
    SENDER = "MAIL"
    RECIPIENT = "RCPT"
    MAIL = "DATA"  # and the mail itself


_BEFORE_THE_MAIL = frozenset(Phase) - {Phase.MAIL}

# What an operator can do about a refusal.
_HELO = "check SMTP_HELO, the name by which we greet it"
_SENDER = "check EMAIL_FROM, the sender, or let the mail server take it"
_RELAY = "it does not relay for us: log in with SMTP_URL, or let the mail server relay for us"
_POLICY = "its policy refuses what we send: check its relay rules, our reputation and SPF, DKIM and DMARC of EMAIL_FROM"
_PROOF = "set up SPF, DKIM and DMARC for the domain of EMAIL_FROM"
_TLS = "it wants TLS: check SMTP_TLS"
_METHOD = "it takes no login in this way: check SMTP_URL"
_LIMIT = "it cannot pass mail on: check its sending limits and its routes"
_SYSTEM = "it cannot take mail: its operator has to act"
_PROTOCOL = "it does not understand us: check that SMTP_URL is a server for submission"
_UNKNOWN = "ask the mail server's operator why"

ENHANCED: Mapping[str, type[Permanent] | str] = {
    # By what follows the class 5 in a reply to RCPT or to the mail. Permanent: it is about this recipient or this
    # mail. Words: it is about us, the server or its policy, and they say what an operator can do.
    # X.0.0 says nothing; the basic code decides.
    # X.1: addresses
    "1.0": Permanent,
    "1.1": Permanent,  # no such mailbox
    "1.2": Permanent,  # no such system
    "1.3": Permanent,  # the recipient's syntax
    "1.4": Permanent,  # ambiguous
    "1.5": Permanent,  # the address is valid, which is for successes
    "1.6": Permanent,  # moved, and nobody knows where
    "1.7": _SENDER,  # the sender's syntax
    "1.8": _SENDER,  # the sender's domain
    "1.9": Permanent,  # passed on to a mailer that does not speak this protocol
    "1.10": Permanent,  # the recipient's domain takes no mail (RFC 7505)
    # X.2: the mailbox
    "2.0": Permanent,
    "2.1": Permanent,  # disabled
    "2.2": Permanent,  # full
    "2.3": Permanent,  # the mail is too long for it
    "2.4": Permanent,  # a mailing list that does not expand
    # X.3: the mail system
    "3.0": _SYSTEM,
    "3.1": _SYSTEM,  # full
    "3.2": _SYSTEM,  # takes no mail now
    "3.3": _SYSTEM,  # lacks a feature
    "3.4": Permanent,  # the mail is too big for it
    "3.5": _SYSTEM,  # wrongly set up
    "3.6": _SYSTEM,  # the priority was changed, which is for successes
    # X.4: network and routes
    "4.0": _LIMIT,
    "4.1": _LIMIT,  # no answer from the host
    "4.2": _LIMIT,  # bad connection
    "4.3": _LIMIT,  # a directory failed
    "4.4": _LIMIT,  # no route
    "4.5": _LIMIT,  # congestion; with Gmail, the day's limit of the sending account
    "4.6": _LIMIT,  # a loop
    "4.7": _LIMIT,  # too long under way
    # X.5: the protocol
    "5.0": _PROTOCOL,
    "5.1": _PROTOCOL,  # invalid command
    "5.2": _PROTOCOL,  # syntax
    "5.3": _PROTOCOL,  # too many recipients, and we have one
    "5.4": _PROTOCOL,  # invalid arguments
    "5.5": _PROTOCOL,  # another version
    "5.6": _METHOD,  # a line of the login is too long
    # X.6: what the mail holds
    "6.0": Permanent,
    "6.1": Permanent,  # a medium that is not taken
    "6.2": Permanent,  # needs a conversion that is prohibited
    "6.3": Permanent,  # needs a conversion that nobody can do
    "6.4": Permanent,  # a conversion would lose something
    "6.5": Permanent,  # a conversion failed
    "6.6": Permanent,  # the content cannot be had
    "6.7": Permanent,  # an address beyond ASCII is not taken
    "6.8": Permanent,  # the reply would need UTF-8
    "6.9": Permanent,  # a header in UTF-8 cannot be passed on
    "6.10": Permanent,  # the same as 6.8, out of use
    # X.7: security and policy
    "7.0": _POLICY,
    "7.1": _POLICY,  # not authorised: relaying, an address on a list, what looks like spam
    "7.2": _POLICY,  # a mailing list that we may not send to
    "7.3": _POLICY,
    "7.4": _POLICY,
    "7.5": _POLICY,
    "7.6": _POLICY,
    "7.7": _POLICY,  # the mail was altered on its way
    "7.8": _POLICY,  # wrong credentials, which the phase and the basic code say better
    "7.9": _METHOD,  # too weak a mechanism
    "7.10": _TLS,
    "7.11": _TLS,
    "7.12": _METHOD,  # the password has to be changed
    "7.13": _POLICY,  # our account is disabled
    "7.14": _POLICY,
    "7.15": _POLICY,
    "7.16": _POLICY,
    "7.17": Permanent,  # the mailbox has another owner now
    "7.18": Permanent,  # the domain has another owner now
    "7.19": _POLICY,
    "7.20": _PROOF,
    "7.21": _PROOF,
    "7.22": _PROOF,
    "7.23": _PROOF,
    "7.24": _PROOF,
    "7.25": _POLICY,  # our address has no name
    "7.26": _PROOF,
    "7.27": _SENDER,  # the sender's domain takes no mail
    "7.28": _POLICY,  # a flood
    "7.29": _PROOF,
    "7.30": _TLS,
}
_NO_SUCH_MAILBOX = frozenset({"1.1", "1.2", "1.6", "1.10"})
"""What RFC 3463 (3.2) and RFC 7505 say of the address alone, for good: no such mailbox, no such system, moved without a
new address, a domain that takes no mail. In a reply to RCPT they are hard bounces: what else is sent there fails, too.

Not here is what may be otherwise with another mail or later (disabled, full: X.2), what another server may read in its
own way (1.3, syntax; 1.0, which says nothing), policy (X.7), and a bare 550, which many say for policy.
"""
_SUBJECTS: Mapping[str, type[Permanent] | str] = {
    # For a code that is not in the registry, such as Exchange's 5.7.57.
    "1": Permanent,
    "2": Permanent,
    "3": _SYSTEM,
    "4": _LIMIT,
    "5": _PROTOCOL,
    "6": Permanent,
    "7": _POLICY,
}
BASIC: Mapping[int, type[Permanent] | str] = {
    # For a reply to RCPT or to the mail without an enhanced code: RFC 5321, 4.2.3; RFC 7504.
    500: _PROTOCOL,
    501: _PROTOCOL,
    502: _PROTOCOL,
    503: _PROTOCOL,
    504: _PROTOCOL,
    521: _SYSTEM,  # takes no mail at all
    550: Permanent,  # no such mailbox
    551: Permanent,  # it is elsewhere
    552: Permanent,  # no room for it
    553: Permanent,  # the name is not allowed
    554: _UNKNOWN,  # "transaction failed"
    555: _PROTOCOL,  # parameters that it does not know
    556: Permanent,  # the recipient's domain takes no mail
}
_LOGIN_REJECTED = frozenset({432, 525, 530, 534, 535})  # RFC 4954, 6; RFC 5248: whoever we say we are
_WANTS_TLS = frozenset({523, 538})  # RFC 5248

_CODE = re.compile(r"([245])\.(\d{1,3}\.\d{1,3})\b")
_QMAILS_CODE = re.compile(r"\(#([245])\.(\d{1,3}\.\d{1,3})\)")  # it writes "…allowed rcpthosts (#5.7.1)"
# "relay access denied", "relaying to <a@b> prohibited by administrator", "not permitted to relay"; but not "unknown in
# relay recipient table".
_RELAYING = re.compile(
    r"\brelay(ing)? +(is +)?(access +)?(denied|not|prohibited|refused|forbidden)"
    r"|\brelaying +(to|for) .{1,330}?\b(denied|prohibited|refused|forbidden|not +(allowed|permitted))"
    r"|\b(unable|not \w{1,20}) to relay|\bnot relay\b|rcpthosts",
    re.IGNORECASE,
)
# What some say, with a code of the recipient's, to whoever has not logged in.
_WANTS_LOGIN = re.compile(
    r"\b(authentication +(is +)?(required|needed)|requires? +authentication|must +(first +)?authenticate)\b",
    re.IGNORECASE,
)
_VAGUE = frozenset({None, "0.0", "7.0", "7.1"})  # enhanced codes that leave the text to say what is meant
_UNKNOWN_TO_EXCHANGE = re.compile(r"recipient address rejected", re.IGNORECASE)


def of_reply(phase: Phase, code: int, text: str) -> SendError:
    """The error that a reply means which is not the good one of its phase. code: -1 for what is no reply."""
    enhanced = _enhanced(code, text)
    said = f"the mail server answered {code}{f' {code // 100}.{enhanced}' if enhanced else ''} to {phase}"
    if not 400 <= code < 600:
        if phase in _BEFORE_THE_MAIL:
            return Retryable(f"{said}, which is no reply to it: check SMTP_URL")
        return Unknown(f"{said}, which is no reply to it")
    relaying = _RELAYING.search(text) is not None and enhanced in _VAGUE
    if code < 500:
        return _for_now(phase, code, enhanced, said, relaying)
    return _for_good(phase, code, enhanced, text, said, relaying)


def _enhanced(code: int, text: str) -> str | None:
    """Subject and detail of the reply's enhanced code, such as "7.1"; None without one of the reply's class."""
    found = _CODE.match(text) or _QMAILS_CODE.search(text)
    return found[2] if found and int(found[1]) == code // 100 else None


def _for_now(phase: Phase, code: int, enhanced: str | None, said: str, relaying: bool) -> SendError:
    if code in _LOGIN_REJECTED:
        return Retryable(said, credentials=True)
    if phase is Phase.EHLO:
        # Gmail's relay says 421 4.7.0 to a name that it does not like, for ever.
        return Retryable(f"{said}: {_HELO}")
    if relaying:
        return Retryable(f"{said}: {_RELAY}")
    # A policy's "not now", as greylisting and limits of pace answer; at the login it is about the login.
    paced = enhanced is not None and enhanced.startswith("7.") and phase not in {Phase.STARTTLS, Phase.LOGIN}
    return Throttled(said) if paced else Retryable(said)


def _for_good(phase: Phase, code: int, enhanced: str | None, text: str, said: str, relaying: bool) -> SendError:
    if code in _WANTS_TLS or enhanced in {"7.10", "7.11"} or (code == 530 and "STARTTLS" in text.upper()):
        return Refused(f"{said}: {_TLS}")
    if relaying and phase is Phase.RECIPIENT:
        # With a 530, too: it is about this recipient, whom any caller can name, and no alert about our login.
        return Refused(f"{said}: {_RELAY}")
    if code in _LOGIN_REJECTED or enhanced == "7.8":
        return Retryable(said, credentials=True)
    match phase:
        case Phase.CONNECT | Phase.STARTTLS:
            # Before it has heard of us or of a mail: another server of that name, or another address of ours, may do.
            return Retryable(said)
        case Phase.EHLO:
            return Refused(f"{said}: {_HELO}")
        case Phase.LOGIN if code in {500, 501, 502, 503, 504}:
            return Refused(f"{said}: {_METHOD}")
        case Phase.LOGIN:
            return Retryable(said, credentials=True)
    if relaying or (enhanced in _VAGUE and _WANTS_LOGIN.search(text)):
        return Refused(f"{said}: {_RELAY}")
    if enhanced is None or enhanced == "0.0":
        meant = BASIC.get(code, _UNKNOWN)
    elif enhanced == "4.1" and _UNKNOWN_TO_EXCHANGE.search(text):
        meant = Permanent  # Exchange Online says so of an address that its directory does not have
    else:
        meant = ENHANCED.get(enhanced) or _SUBJECTS.get(enhanced.partition(".")[0], _UNKNOWN)
    if phase is Phase.SENDER and (enhanced or "0.")[:2] in {"0.", "1.", "2."}:
        meant = _SENDER  # there is no other address yet
    return _permanent(phase, enhanced, said) if meant is Permanent else Refused(f"{said}: {meant}")


def _permanent(phase: Phase, enhanced: str | None, said: str) -> Permanent:
    bounces = phase is Phase.RECIPIENT and enhanced in _NO_SUCH_MAILBOX
    return Permanent(said, suppresses=SuppressionReason.HARD_BOUNCE if bounces else None)
