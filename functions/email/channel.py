"""What an e-mail address and an e-mail must be."""

from email_validator import EmailNotValidError, validate_email

from shared.channels import UTF_8_BYTES, Channel
from shared.texts import one_line


def normalise(address: str) -> str:
    """The address with its domain in lower case. Raises ValueError."""
    # Legal, but some mail systems decode such a word (RFC 2047) even here, and the mail goes to another address:
    # https://portswigger.net/research/splitting-the-email-atom
    if "=?" in address:
        raise ValueError("must be an e-mail address without an encoded word")
    try:
        # No DNS look-up: whether a domain takes mail is the provider's to say. Names under .test (RFC 6761) go to
        # nobody in the world, and the lab has some. Strict: a local part has at most 64 bytes (RFC 5321, 4.5.3.1.1).
        checked = validate_email(one_line(address), check_deliverability=False, test_environment=True, strict=True)
    except EmailNotValidError:
        raise ValueError("must be an e-mail address") from None
    return checked.normalized


CHANNEL = Channel(
    name="email",
    address="e-mail address",
    max_length=100_000,  # so that it fits a request's body in any script, each quote and line end escaped
    measure=UTF_8_BYTES,
    normalise=normalise,
    receipts={"sendgrid": "functions.email.sendgrid_receipts"},
)
