"""The deliveries of a new notification, as they go on record."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from functions.gateway.notifications.contents import ChannelContent
from shared.delivery.model import Delivery, Notification, Segments, replace
from shared.delivery.retries import Policy
from shared.delivery.state_machine import queued, step_of
from shared.delivery.store import Key


def new_deliveries(
    notification: Notification,
    addresses: Mapping[str, str],
    own: Mapping[str, ChannelContent],
    segments: Mapping[str, Segments],
    policy: Policy,
    traceparent: str | None,
) -> list[Delivery]:
    """One for each address, in their order."""
    made = {
        channel: _of_notification(
            notification, queued(notification, channel, address, policy, traceparent, segments.get(channel)), own
        )
        for channel, address in addresses.items()
    }
    steps = [step for step in notification.escalation if step.channel in made]
    for before, step in pairwise(steps):
        made[step.channel] = step_of(made[step.channel], made[before.channel], step, policy)
        made[before.channel] = replace(made[before.channel], escalates_to=step.channel)
    return list(made.values())


def _of_notification(n: Notification, d: Delivery, own: Mapping[str, ChannelContent]) -> Delivery:
    """With what not every delivery has."""
    if d.channel in own:
        said = own[d.channel]
        d = replace(d, content=said.content, attachments=len(said.files), earlier=said.earlier)
    if n.collapse_key is not None:
        d = replace(d, collapse=_key_id("collapse", n.collapse_key, d))
    if n.ordering_key is not None:
        d = replace(d, ordering=_key_id("ordering", n.ordering_key, d))
    return d


def _key_id(kind: str, key: str, delivery: Delivery) -> str:
    """Of a caller's key, for one address: what one caller sends says nothing about what another does."""
    parts = (kind, delivery.caller, key, delivery.channel, delivery.address)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def keys_of(deliveries: Iterable[Delivery]) -> Sequence[str]:
    return [key for d in deliveries for key in (d.collapse, d.ordering) if key is not None]


def in_order(deliveries: Sequence[Delivery], known: Mapping[str, Key]) -> list[Delivery]:
    """Each behind the last one with its ordering key."""
    return [
        replace(d, follows=known[d.ordering].latest) if d.ordering is not None and d.ordering in known else d
        for d in deliveries
    ]
