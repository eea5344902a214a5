"""The headers by which a mail program unsubscribes with one click: RFC 8058.

Whoever signs the mail by DKIM must sign both of them (RFC 8058, 4); SendGrid does.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import Field

from shared.delivery.errors import Refused
from shared.delivery.model import CategoryClass
from shared.people.suppression import AddressHash
from shared.people.unsubscribe_tokens import Unsubscribe, UnsubscribeTokens
from shared.runtime.settings import BaseUrl, PeopleSettings, UnsubscribeSettings
from shared.sending.provider import Outgoing

_CHANNEL = "email"


@dataclass(frozen=True, slots=True)
class UnsubscribeLinks:
    """Makes the link of each mail. base: the gateway's URL"""

    base: str
    tokens: UnsubscribeTokens
    address_hash: AddressHash

    def link(self, outgoing: Outgoing, category: str, class_: CategoryClass) -> str:
        address = self.address_hash(_CHANNEL, outgoing.address)
        about = Unsubscribe(_CHANNEL, address, outgoing.recipient, category, class_, outgoing.locale)
        return f"{self.base.rstrip('/')}/u/{self.tokens.make(about)}"


class UnsubscribeLinkSettings(PeopleSettings, UnsubscribeSettings):
    public_url: BaseUrl | None = Field(default=None, max_length=300)  # a header's line has at most 998 characters

    def links(self) -> UnsubscribeLinks | None:
        """None where nothing is set of them."""
        tokens = self.unsubscribe_tokens()
        if self.public_url is None or tokens is None:
            return None
        return UnsubscribeLinks(self.public_url, tokens, self.address_hash())


def unsubscribe_headers(outgoing: Outgoing, links: UnsubscribeLinks | None) -> Mapping[str, str]:
    """Of a mail that its person can refuse. Raises Refused for marketing without a link."""
    category, class_ = outgoing.category, outgoing.category_class
    if category is None or class_ is None or class_ is CategoryClass.TRANSACTIONAL:
        return {}
    if links is None:
        if class_ is CategoryClass.MARKETING:
            raise Refused("marketing needs a link to unsubscribe: set PUBLIC_URL and UNSUBSCRIBE_KEYS, then replay")
        return {}
    return {
        "List-Unsubscribe": f"<{links.link(outgoing, category, class_)}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }
