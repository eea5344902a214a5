"""What both e-mail providers make of a notification."""

from shared.provider import Outgoing

_SUBJECT_LENGTH = 78  # characters: RFC 5322, 2.1.1


def subject_of(outgoing: Outgoing) -> str:
    """The subject, or the message's first line where none was given: SendGrid refuses an e-mail without one."""
    if outgoing.subject:
        return outgoing.subject
    lines = outgoing.text.split()
    return " ".join(lines)[:_SUBJECT_LENGTH] or "Notification"
