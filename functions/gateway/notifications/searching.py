"""What GET /v1/notifications is asked for: the filters, and which of them go together.

Each combination that is taken has its index (tests/integration/test_indexes.py asks all of them); another is a 422, and
does not read through what it does not find.
"""

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from functions.gateway.access.caller import Caller, Scope
from functions.gateway.access.scopes import forbidden
from functions.gateway.channels.addresses import address_of, check_channel
from functions.gateway.notifications.timing import Instant
from functions.gateway.services import Gateway
from functions.gateway.web.common_fields import LONGEST_ADDRESS, PLAIN_NAME, RecipientName
from functions.gateway.web.listing_pages import PageQuery
from functions.gateway.web.problem_details import field_error, invalid
from shared.channels.content import ONE_LINE, PRINTABLE, said
from shared.channels.text_checks import one_line, printable
from shared.delivery.model import DeliveryStatus
from shared.delivery.search_words import word_of_tag, word_of_template
from shared.delivery.store import Search
from shared.people.people_store import PeopleStore

GO_WITH: Mapping[str, frozenset[str]] = {
    "address": frozenset({"channel", "caller", "from", "to"}),
    "tag": frozenset({"caller", "from", "to"}),
    "template": frozenset({"version", "caller", "from", "to"}),
    "message_id": frozenset({"channel"}),
}
"""The filters of which one alone can be given, and what goes with each. All others go together."""

_PAGE = frozenset({"limit", "cursor"})
_HASHED = 32  # letters of the hash of an address: 128 bits tell all apart, and each is stored three times


def _tag(text: str) -> str:
    if ":" not in text[1:]:
        raise ValueError("must be a tag's name and its value, as team:infra")
    return printable(text)


class NotificationsQuery(PageQuery):
    """from, to: when it was accepted; `to` itself is not in it"""

    recipient: RecipientName | None = None
    status: DeliveryStatus | None = None
    caller: Annotated[str, StringConstraints(pattern="^[0-9a-f]{16}$")] | None = Field(
        default=None, description="A caller's id. Others' takes notifications:read:all."
    )
    channel: str | None = Field(default=None, json_schema_extra={"$ref": "#/components/schemas/ChannelName"})
    address: str | None = Field(
        default=None,
        min_length=1,
        max_length=LONGEST_ADDRESS,
        description="Of the channel, whatever its case. It takes recipients:read.",
    )
    tag: (
        Annotated[
            str,
            StringConstraints(min_length=2, max_length=321),
            AfterValidator(_tag),
            said(pattern=re.sub(r"\*\$$", "+:", PRINTABLE) + PRINTABLE[1:]),
        ]
        | None
    ) = Field(default=None, description="A tag's name, a colon and its value.")
    template: Annotated[str, StringConstraints(pattern=PLAIN_NAME)] | None = None
    version: Annotated[int, Field(ge=1, le=1_000_000_000)] | None = Field(default=None, description="Of the template.")
    message_id: (
        Annotated[
            str, StringConstraints(min_length=1, max_length=512), AfterValidator(one_line), said(pattern=ONE_LINE)
        ]
        | None
    ) = Field(default=None, description="The provider's id of a delivery.")
    from_: Instant | None = Field(default=None, alias="from")
    to: Instant | None = None


def address_hash(people: PeopleStore, channel: str, address: str) -> str:
    """By which a delivery's address is found: the beginning of the one that its suppression is known by."""
    return people.suppression_id(channel, address)[:_HASHED]


def search_of(gateway: Gateway, query: NotificationsQuery, caller: Caller) -> Search:
    """Problem 403, 422."""
    check_combination(query)
    if query.channel is not None:
        check_channel(gateway.channels, query.channel)
    channels = (query.channel,) if query.channel is not None else tuple(gateway.channels)
    if query.address is not None and query.channel is not None:
        _check_addresses(caller)
        address = address_of(gateway.channels, query.channel, query.address)
        return Search(query.from_, query.to, address=address_hash(gateway.people, query.channel, address))
    if query.message_id is not None:
        return Search(message_id=query.message_id, channels=channels)
    return Search(query.from_, query.to, word=_word(query))


def check_combination(query: NotificationsQuery) -> None:
    """Problem 422 that names what does not go with the others."""
    names = {name: field.alias or name for name, field in NotificationsQuery.model_fields.items()}
    given = [names[name] for name in names if name in query.model_fields_set and getattr(query, name) is not None]
    wrong: dict[str, str] = {}
    if "channel" in given and not {"address", "message_id"} & {*given}:
        wrong["channel"] = "goes with address or message_id"
    if "address" in given and "channel" not in given:
        wrong["channel"] = "must be there, since an address is one of a channel's"
    if "version" in given and "template" not in given:
        wrong["version"] = "goes with template"
    if query.from_ is not None and query.to is not None and query.from_ >= query.to:
        wrong["from"] = "must be before to"
    alone = next((name for name in GO_WITH if name in given), None)
    if alone is not None:
        others = [name for name in given if name not in GO_WITH[alone] | _PAGE | {alone}]
        wrong |= dict.fromkeys(others, f"does not go with {alone}")
    if wrong:
        raise invalid(*(field_error(name, why) for name, why in wrong.items()))


def _check_addresses(caller: Caller) -> None:
    """Whether the caller may know which of its notifications went to an address: it would learn whose that is."""
    if Scope.RECIPIENTS_READ not in caller.scopes:
        raise forbidden(f"to find by address needs the scope {Scope.RECIPIENTS_READ}", Scope.RECIPIENTS_READ)
    if caller.recipients is not None:
        raise forbidden("this caller may not read all recipients, so it finds none by address")


def _word(query: NotificationsQuery) -> str | None:
    if query.tag is not None:
        return word_of_tag(query.tag)
    return None if query.template is None else word_of_template(query.template, query.version)
