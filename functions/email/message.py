"""What both e-mail providers make of a notification."""

from collections.abc import Mapping

from functions.email.sender import Sender
from functions.email.unsubscribe_header import UnsubscribeLinks, unsubscribe_headers
from shared.sending.provider import Outgoing

_SUBJECT_LENGTH = 78  # characters: RFC 5322, 2.1.1


def subject_of(outgoing: Outgoing) -> str:
    """The subject, or the message's first line where none was given: SendGrid refuses an e-mail without one."""
    if outgoing.subject:
        return outgoing.subject
    lines = outgoing.text.split()
    return " ".join(lines)[:_SUBJECT_LENGTH] or "Notification"


def headers_of(outgoing: Outgoing, sender: Sender, links: UnsubscribeLinks | None) -> Mapping[str, str]:
    """The headers, all in ASCII, that an e-mail has whoever carries it. Raises Refused."""
    return {
        # The same id at each try: a mailbox that dedupes shows one, however often a lost answer made us send.
        "Message-ID": f"<{outgoing.notification_id}@{sender.domain}>",
        "Auto-Submitted": "auto-generated",  # RFC 3834: no mailbox is to answer that its owner is away
        **unsubscribe_headers(outgoing, links),
    }
