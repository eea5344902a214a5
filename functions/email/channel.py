"""What an e-mail address and an e-mail must be."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated

from pydantic import BeforeValidator

from functions.email.named_senders import named_senders
from functions.email.providers import PROVIDERS
from shared.channels.declaration import UTF_8_BYTES, Channel
from shared.runtime.settings import Settings, load


class EmailAddressSettings(Settings):
    """email_senders: by name, what stands for each sender"""

    email_local_hosts: bool = False
    email_senders: Annotated[Mapping[str, str], BeforeValidator(named_senders)] = {}


@dataclass(frozen=True, slots=True)
class ContentSettings:
    """What the parts of a mail are judged by."""

    senders: Mapping[str, str] = field(default_factory=dict)
    local_hosts: bool = False


def normalise(address: str, *, local_hosts: bool = False) -> str:
    """The address with its domain in lower case. Raises ValueError."""
    # 14 ms of the gateway's cold start, for email_validator's one pattern: only who mails pays for it.
    from functions.email.addresses import checked  # noqa: PLC0415

    return checked(address, local_hosts=local_hosts).normalized


def normaliser() -> Callable[[str], str]:
    """`normalise` as the deployment wants it. SystemExit when its setting is wrong."""
    return partial(normalise, local_hosts=load(EmailAddressSettings).email_local_hosts)


def content_settings() -> ContentSettings:
    """SystemExit when a setting is wrong."""
    settings = load(EmailAddressSettings)
    return ContentSettings(settings.email_senders, settings.email_local_hosts)


CHANNEL = Channel(
    name="email",
    address="e-mail address",
    content="functions.email.content",
    content_settings=content_settings,
    max_length=100_000,  # so that it fits a request's body in any script, each quote and line end escaped
    measure=UTF_8_BYTES,
    normalise=normalise,
    normaliser=normaliser,
    providers=PROVIDERS,
    receipts={"sendgrid": "functions.email.sendgrid_receipts"},
    unsubscribes=True,  # by its header
)
