"""To which address a notification goes over each channel, and whether its caller may send it there."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from functions.gateway.access.caller import Caller
from functions.gateway.access.scopes import forbidden
from functions.gateway.channels.addresses import normalised, unknown_channel
from functions.gateway.notifications.contents import ChannelContent, too_long_of
from functions.gateway.notifications.schemas import NotificationRequest
from functions.gateway.notifications.templated import Templated
from functions.gateway.services import Gateway
from functions.gateway.web.problem_details import field_error, invalid
from shared.channels.declaration import Channel, Screen
from shared.delivery.model import Recipient


async def resolve_addresses(
    gateway: Gateway,
    request: NotificationRequest,
    caller: Caller,
    own: Mapping[str, ChannelContent],
    template: Templated | None = None,
    recipients: Mapping[str, Recipient] = MappingProxyType({}),
) -> tuple[dict[str, str], Recipient | None]:
    """The address for each channel asked for, and the recipient if one is named. Problem 403, 422, 429.

    recipients: by name, those that were read before
    """
    recipient = None
    known = gateway.channels
    _judge(known, request, caller, own)
    if request.to is not None:
        addresses = normalised(known, request.to, "to")
    else:
        gateway.quotas.notification_left(caller)
        name = request.recipient or ""
        recipient = recipients.get(name) or await gateway.store.recipient(name)
        if recipient is None or recipient.erased_at is not None:
            raise invalid(field_error("recipient", "no recipient has this name"))
        # A channel that has been taken out since is no longer one to send over.
        addresses = {name: address for name, address in recipient.addresses.items() if name in known}
    # In the order of infra/channels.yaml: Firestore keeps none in a map.
    by_default = [name for name in known if name in addresses and (request.to is not None or caller.may_use(name))]
    if template is not None:
        offered = template.offers(recipient)
        by_default = [name for name in by_default if name in offered]
    wanted = [name for name, _ in request.asked_channels()] or by_default
    _check_use(wanted, caller)
    missing = [name for name in wanted if name not in addresses]
    if missing:
        places = dict(request.asked_channels())
        fields = {name: "channels" if places[name].startswith("channels.") else places[name] for name in missing}
        raise invalid(*(field_error(field, f"there is no address for {name}") for name, field in fields.items()))
    if not wanted:
        none = "the template has nothing for any of its addresses" if template else "there is no address for any"
        raise invalid(field_error("channels", none))
    if template is None:
        check_lengths(known, wanted, request, own)
    else:
        template.check_offers(wanted, recipient)
    unlisted = [name for name in wanted if not caller.may_reach(name, addresses[name])]
    if unlisted:
        raise forbidden(f"a team key sends only to its listed addresses, and this is none: {', '.join(unlisted)}")
    return {name: addresses[name] for name in wanted}, recipient


def check_lengths(
    channels: Mapping[str, Channel],
    names: Iterable[str],
    request: NotificationRequest,
    own: Mapping[str, ChannelContent],
) -> None:
    """Refuse a message that is too long for its channel. Problem 422."""
    too_long = too_long_of(channels, names, request, own)
    if too_long:
        raise invalid(*too_long)


def _judge(
    channels: Mapping[str, Channel], request: NotificationRequest, caller: Caller, own: Mapping[str, ChannelContent]
) -> None:
    """Refuse what can be refused without the recipient's record, so that these answers do not depend on which
    recipients there are. Problem 403, 422.
    """
    named = request.asked_channels()
    asked = [name for name, _ in named]
    unknown = [unknown_channel(field, channels) for name, field in named if name not in channels]
    if unknown:
        raise invalid(*unknown)
    if request.to is not None and caller.recipients is not None:
        raise forbidden("this caller sends only to registered recipients, not to addresses")
    if request.recipient is not None and not caller.may_name(request.recipient):
        raise forbidden("this caller may not send to recipients of this name")
    _check_use(asked, caller)
    if request.recipient is not None and request.template is None:
        # Without `channels` it goes over those that it has addresses for: one that takes the text may be among them.
        possible = asked or [name for name in channels if caller.may_use(name)]
        too_long = too_long_of(channels, possible, request, own)
        if too_long and (asked or len(too_long) == len(possible)):
            raise invalid(*too_long)


def _check_use(names: Iterable[str], caller: Caller) -> None:
    barred = [name for name in names if not caller.may_use(name)]
    if barred:
        raise forbidden(f"this caller may not send over {', '.join(barred)}")


def check_screens(screens: Mapping[str, Screen], request: NotificationRequest, addresses: Mapping[str, str]) -> None:
    """Refuse what the operator lets no message go to. Problem 422."""
    errors = []
    for name, address in addresses.items():
        refusal = screens[name].refusal(address) if name in screens else None
        if refusal is not None:
            errors.append(field_error(f"to.{name}" if request.to is not None else "recipient", f"{name}: {refusal}"))
    if errors:
        raise invalid(*errors)
