"""Whether a request can be accepted, and what it comes to. Nothing is counted, and nothing is written."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from functions.gateway.access.address_quotas import AddressCount
from functions.gateway.access.caller import Caller, CallerKind
from functions.gateway.notifications.addressing import check_lengths, check_screens, resolve_addresses
from functions.gateway.notifications.contents import ChannelContent, own_contents, segments_of
from functions.gateway.notifications.earlier_messages import with_earlier
from functions.gateway.notifications.schemas import NotificationRequest
from functions.gateway.notifications.templated import templated
from functions.gateway.notifications.timing import Timing, timing_of
from functions.gateway.services import Gateway
from functions.gateway.web.problem_details import field_error, invalid
from shared.delivery.model import CategoryClass, Recipient, Segments, TemplateUsed
from shared.people.category import Category


@dataclass(frozen=True, slots=True)
class Judged:
    """addresses: by channel, of all that it goes over; own, segments: of those channels that have some

    address_counts: what it adds to the hour of each address that is counted
    """

    timing: Timing
    addresses: Mapping[str, str]
    own: Mapping[str, ChannelContent]
    segments: Mapping[str, Segments]
    address_counts: Sequence[AddressCount]
    template: TemplateUsed | None = None
    category: Category | None = None

    @property
    def segment_count(self) -> int:
        return sum(each.count for each in self.segments.values())


@dataclass(frozen=True, slots=True)
class Known:
    """What was read before, for many requests at once; what is not in it is read."""

    recipients: Mapping[str, Recipient] = field(default_factory=dict)
    categories: Mapping[str, Category] = field(default_factory=dict)


NOTHING_KNOWN = Known()


async def known_for(gateway: Gateway, requests: Iterable[NotificationRequest]) -> Known:
    """What these ask for, in one read of each kind. Raises StoreUnavailable."""
    asked = list(requests)
    names = sorted({request.recipient for request in asked if request.recipient is not None})
    recipients = await gateway.store.recipients_of(names) if names else {}
    categories = {}
    for name in sorted({request.category for request in asked if request.category is not None}):
        found = await gateway.people.category(name)
        if found is not None:
            categories[name] = found
    return Known(recipients, categories)


async def judged(
    gateway: Gateway,
    request: NotificationRequest,
    caller: Caller,
    known: Known = NOTHING_KNOWN,
    *,
    bulk: bool = False,
) -> Judged:
    """bulk: it is one of many, which were asked for some time ago. Problem 403, 422, 429."""
    timing = timing_of(request.send_at, request.deliver_by, gateway.now(), late_is_now=bulk)
    category = await _category(gateway, request, known)
    template = await templated(gateway, request)
    own = own_contents(gateway.channels, request) if template is None else {}
    addresses, recipient = await resolve_addresses(gateway, request, caller, own, template, known.recipients)
    _check_that_one_can_unsubscribe(gateway, category, addresses)
    rendered = None
    if template is not None:
        rendered = template.rendered(recipient, addresses)
        own = own_contents(gateway.channels, request, rendered.content, addresses)
        check_lengths(gateway.channels, addresses, request, own)
    own = await with_earlier(gateway, caller, own, addresses)
    check_screens(gateway.screens, request, addresses)
    simulated = caller.kind is CallerKind.TEST
    counts = gateway.quotas.addresses.check(gateway.screens, addresses, timing.start, simulated=simulated)
    segments = segments_of(gateway.channels, addresses, request, own)
    made_of = None
    if template is not None and rendered is not None:
        made_of = TemplateUsed(template.version.name, template.version.number, rendered.locale)
    return Judged(timing, addresses, own, segments, counts, made_of, category)


async def _category(gateway: Gateway, request: NotificationRequest, known: Known) -> Category | None:
    """Problem 422: there is none of this name."""
    if request.category is None:
        return None
    found = known.categories.get(request.category) or await gateway.people.category(request.category)
    if found is None:
        raise invalid(field_error("category", "no category has this name"))
    return found


def _check_that_one_can_unsubscribe(gateway: Gateway, category: Category | None, names: Iterable[str]) -> None:
    """Marketing goes only where a person can put an end to it. Problem 422."""
    if category is None or category.class_ is not CategoryClass.MARKETING:
        return
    barred = [name for name in names if not gateway.channels[name].unsubscribes]
    if barred:
        why = f"is of class marketing, and nobody can unsubscribe over {', '.join(barred)}"
        raise invalid(field_error("category", why))
