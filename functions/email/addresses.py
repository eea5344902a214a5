"""How an e-mail address is checked, and how it is written where only ASCII is sure to be understood."""

from email_validator import EmailNotValidError, ValidatedEmail, validate_email

from shared.channels.text_checks import one_line

_TEST = ".test"  # RFC 6761: goes to nobody in the world, and the lab has some


def checked(address: str, *, local_hosts: bool) -> ValidatedEmail:
    """The address, with its domain in lower case. Raises ValueError.

    local_hosts: whether its host may have no dot or end in .local (RFC 6762), which no mail server of the world finds
    """
    # Legal, but some mail systems decode such a word (RFC 2047) even here, and the mail goes to another address:
    # https://portswigger.net/research/splitting-the-email-atom
    if "=?" in address:
        raise ValueError("must be an e-mail address without an encoded word")
    try:
        return _validated(one_line(address))
    except EmailNotValidError:
        local = _local(address)
    if local is None:
        raise ValueError("must be an e-mail address")
    if not local_hosts:
        raise ValueError("must be an e-mail address with a host of the internet, unless EMAIL_LOCAL_HOSTS is true")
    return local


def in_ascii(address: str) -> str:
    """The address with its domain in A-labels (RFC 5890), which every mail server takes. Raises ValueError."""
    try:
        found: ValidatedEmail | None = _validated(address)
    except EmailNotValidError:
        found = _local(address)
    if found is None:
        raise ValueError("must be an e-mail address")
    return f"{address.rpartition('@')[0]}@{found.ascii_domain}"


def _validated(address: str) -> ValidatedEmail:
    # No DNS look-up: whether a domain takes mail is the provider's to say. Strict: a local part has at most 64 bytes
    # (RFC 5321, 4.5.3.1.1).
    return validate_email(address, check_deliverability=False, test_environment=True, strict=True)


def _local(address: str) -> ValidatedEmail | None:
    """The address when its host is one of a local network, else None."""
    try:
        found = _validated(address + _TEST)  # the same rules but that for the host's end
    except EmailNotValidError:
        return None
    found.domain = found.domain.removesuffix(_TEST)
    found.ascii_domain = found.ascii_domain.removesuffix(_TEST)
    found.normalized = found.normalized.removesuffix(_TEST)
    return found if "." not in found.ascii_domain or found.ascii_domain.endswith(".local") else None
