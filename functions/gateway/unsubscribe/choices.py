"""What a person has chosen, and putting on record what they choose now.

What if the process dies: whoever pressed the button has no answer, and each of these done twice is done once. Of
choices, those to get less are on record before those to get more.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from functions.gateway.services import Gateway
from functions.gateway.unsubscribe.forms import Chosen, Pair
from shared.delivery.errors import Conflict, NotFound, StoreUnavailable
from shared.delivery.model import CategoryClass, Recipient, SuppressionReason
from shared.people.category import Category
from shared.people.people_store import PeopleStore
from shared.people.suppression import Entry, Suppression, SuppressionClass
from shared.people.unsubscribe_tokens import Unsubscribe
from shared.sending.suppressing import change, suppress

_MOST_CATEGORIES = 1000
_AT_ONCE = 100
_TRIES = 10  # that others are faster than
WRITTEN_BY = "unsubscribe page"


@dataclass(frozen=True, slots=True)
class Choice:
    """One category over one channel. locked: it is stopped by what nobody can lift here"""

    pair: Pair
    what: str
    wanted: bool
    locked: bool


@dataclass(frozen=True, slots=True)
class View:
    """What the page shows.

    what: the category's description, or its name
    stopped: what the person has unsubscribed from stops the category of this link
    alone: and no other one: it was unticked, or is a service mail's
    unsubscribed: there is something at this address that they have unsubscribed from
    locale: the recipient's own
    """

    what: str
    stopped: bool = False
    alone: bool = False
    unsubscribed: bool = False
    choices: Sequence[Choice] = ()
    locale: str | None = None


class NobodyChooses(Exception):
    """There is no such person on record any more."""


async def look(gateway: Gateway, about: Unsubscribe) -> View:
    """Raises StoreUnavailable, UnreadableRecord."""
    suppression, category, recipient = await asyncio.gather(
        gateway.people.suppression(about.channel, about.address),
        gateway.people.category(about.category),
        _recipient(gateway, about),
    )
    entry = None if suppression is None else suppression.entries.get(SuppressionReason.UNSUBSCRIBED)
    return View(
        _said(category) if category is not None else about.category,
        stopped=entry is not None and entry.stops(about.category_class, about.category),
        alone=entry is not None and entry.class_ is SuppressionClass.CATEGORY,
        unsubscribed=entry is not None,
        choices=() if recipient is None else await _choices(gateway, recipient),
        locale=None if recipient is None else recipient.locale,
    )


async def unsubscribe(gateway: Gateway, about: Unsubscribe) -> None:
    """Raises StoreUnavailable, UnreadableRecord."""
    marketing = about.category_class is CategoryClass.MARKETING
    entry = Entry(
        SuppressionReason.UNSUBSCRIBED,
        SuppressionClass.MARKETING if marketing else SuppressionClass.CATEGORY,
        gateway.now(),
        f"unsubscribe link of category {about.category}",
        (about.category,),
    )
    await suppress(gateway.people, about.channel, about.address, entry)


async def subscribe_again(gateway: Gateway, about: Unsubscribe) -> None:
    """Also where its category was unticked, which is a preference, too. Raises StoreUnavailable, UnreadableRecord."""
    await change(
        gateway.people, about.channel, about.address, lambda there: there.without(SuppressionReason.UNSUBSCRIBED)
    )
    recipient = await _recipient(gateway, about)
    if recipient is None or recipient.preferences.get(about.category, {}).get(about.channel, True):
        return
    wanted, now = frozenset({(about.channel, about.category)}), gateway.now()
    with contextlib.suppress(NobodyChooses):  # erased meanwhile: nothing is left to be wanted
        await _rewritten(gateway, recipient, lambda old: _with(old, wanted, frozenset(), now))


async def choose(gateway: Gateway, about: Unsubscribe, chosen: Chosen) -> None:
    """Raises NobodyChooses, StoreUnavailable, UnreadableRecord.

    What is no longer there, or cannot be chosen any more, is passed over: the page is made anew, and shows it so.
    """
    recipient = await _recipient(gateway, about)
    if recipient is None:
        raise NobodyChooses
    there = {choice.pair for choice in await _choices(gateway, recipient) if not choice.locked}
    more, less = (chosen.wanted - chosen.was) & there, (chosen.was - chosen.wanted) & there
    now = gateway.now()
    recipient = await _rewritten(gateway, recipient, lambda old: _with(old, more, less, now))
    # The suppression outlives the recipient's record, and whoever puts that as they had read it.
    for channel in sorted({channel for channel, _ in more | less}):
        address = recipient.addresses.get(channel)
        if address is not None:
            again = sorted(category for over, category in more if over == channel)
            no_more = tuple(sorted(category for over, category in less if over == channel))
            id_ = gateway.people.suppression_id(channel, address)
            await change(gateway.people, channel, id_, partial(_chosen, again, no_more, now))


def _chosen(again: Sequence[str], no_more: tuple[str, ...], now: datetime, suppression: Suppression) -> Suppression:
    for category in again:
        suppression = suppression.choosing(category)
    if not no_more:
        return suppression
    said = Entry(SuppressionReason.UNSUBSCRIBED, SuppressionClass.CATEGORY, now, "unticked on the page", no_more)
    return suppression.with_entry(said)


async def _recipient(gateway: Gateway, about: Unsubscribe) -> Recipient | None:
    """None also while they are being erased, and for whoever has the name, but no longer the address of the mail."""
    found = None if about.recipient is None else await gateway.store.recipient(about.recipient)
    if found is None or found.erased_at is not None:
        return None
    address = found.addresses.get(about.channel)
    known = address is not None and gateway.people.suppression_id(about.channel, address) == about.address
    return found if known else None


async def _choices(gateway: Gateway, recipient: Recipient) -> Sequence[Choice]:
    """By category and channel, of what a person may refuse and what may reach them."""
    people, addresses = gateway.people, recipient.addresses
    channels = [channel for channel in gateway.channels if channel in addresses]
    ids = [people.suppression_id(channel, addresses[channel]) for channel in channels]
    categories, found = await asyncio.gather(
        _categories(people), asyncio.gather(*map(people.suppression, channels, ids))
    )
    suppressions = dict(zip(channels, found, strict=True))
    return [
        _choice(category, channel, recipient.preferences, suppressions[channel])
        for category in categories
        if category.class_ is not CategoryClass.TRANSACTIONAL
        for channel in channels
        if category.class_ is not CategoryClass.MARKETING or gateway.channels[channel].unsubscribes
    ]


async def _categories(people: PeopleStore) -> Sequence[Category]:
    found: list[Category] = []
    after: str | None = None
    while len(found) < _MOST_CATEGORIES:
        page = await people.categories(limit=_AT_ONCE, after=after)
        found += page.items
        if page.next is None:
            break
        after = page.next
    return found


def _choice(
    category: Category,
    channel: str,
    preferences: Mapping[str, Mapping[str, bool]],
    suppression: Suppression | None,
) -> Choice:
    stopped = locked = False
    if suppression is not None:
        stopped = suppression.stopping(category.class_, category.name) is not None
        chosen = suppression.choosing(category.name)
        locked = chosen.stopping(category.class_, category.name) is not None
    wanted = not stopped and preferences.get(category.name, {}).get(channel, True)
    return Choice((channel, category.name), _said(category), wanted, locked)


async def _rewritten(gateway: Gateway, recipient: Recipient, wanted: Callable[[Recipient], Recipient]) -> Recipient:
    """As it is on record then. Raises NobodyChooses, StoreUnavailable, also when others are always faster."""
    for _ in range(_TRIES):
        changed = wanted(recipient)
        if changed == recipient:
            return recipient
        try:
            await gateway.store.replace_recipient(changed)
        except (Conflict, NotFound):
            read = await gateway.store.recipient(recipient.name)
            if read is None or read.erased_at is not None:
                raise NobodyChooses from None
            recipient = read
        else:
            return changed
    raise StoreUnavailable("others are always faster with this recipient")


def _with(old: Recipient, more: frozenset[Pair], less: frozenset[Pair], now: datetime) -> Recipient:
    preferences = {category: dict(by_channel) for category, by_channel in old.preferences.items()}
    for wanted, pairs in ((True, more), (False, less)):
        for channel, category in pairs:
            preferences.setdefault(category, {})[channel] = wanted
    if preferences == old.preferences:
        return old
    return replace(old, preferences=preferences, updated_at=now, updated_by=WRITTEN_BY)


def _said(category: Category) -> str:
    return category.description or category.name
