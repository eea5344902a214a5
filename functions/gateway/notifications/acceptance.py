"""Accepting a notification: resolve, one commit, publish, and only then 202.

What if the process dies
- before the commit: nothing is written, the client has no answer and asks again;
- between commit and publish: the deliveries are due, the relay publishes them;
- between publish and answer: the client asks again, and with the same Idempotency-Key gets the same notification.
"""

import asyncio
import hashlib
import json
import random
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from functions.gateway.access.authentication import Identity
from functions.gateway.access.caller import Caller, CallerKind
from functions.gateway.access.caller_quotas import Limits
from functions.gateway.access.caller_store import CallerStore
from functions.gateway.access.list_turns import Lists
from functions.gateway.access.scopes import forbidden
from functions.gateway.notifications.schemas import NotificationRequest
from functions.gateway.web.problem_details import RETRY_LATER, FieldError, Problem, field_error, invalid
from shared.channels.declaration import Channel, Screen
from shared.channels.text_checks import bare
from shared.delivery.errors import AlreadyExists, PublishFailed, StoreUnavailable
from shared.delivery.model import Delivery, DeliveryStatus, Notification, Segments
from shared.delivery.state_machine import Policy, queued
from shared.delivery.store import SHARDS, Store
from shared.runtime import failpoints, telemetry, trace_context
from shared.runtime.failpoints import Failpoint
from shared.runtime.logs import get_logger
from shared.sending.messages import Message, Publisher, content_of, hint
from shared.sending.receipts import ReceiptReader, ReceiptStore

log = get_logger(__name__)

KEYS = uuid.UUID("6ba95bd8-6a68-49cb-a4fb-9d8f2ac7c1b4")
"""Namespace of the ids that idempotency keys make. Changing it would forget every key in use."""

_CREATE_SECONDS = 8.0  # for a commit whose answers are lost
_CREATE_PAUSE = 0.2


@dataclass(frozen=True, slots=True)
class Gateway:
    """What the routes work with."""

    store: Store
    publisher: Publisher
    channels: Mapping[str, Channel]
    policy: Policy
    retention: timedelta
    identity: Identity
    limits: Limits
    callers: CallerStore
    receipts: ReceiptStore
    lists: Lists = field(default_factory=Lists)
    readers: Mapping[str, ReceiptReader] = field(default_factory=dict)
    screens: Mapping[str, Screen] = field(default_factory=dict)
    issuers: Sequence[str] = ()
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))


@dataclass(frozen=True, slots=True)
class Accepted:
    notification: Notification
    deliveries: Sequence[Delivery]
    replayed: bool


async def accept(gateway: Gateway, request: NotificationRequest, caller: Caller, key: str | None) -> Accepted:
    """The notification on record and published. Raises Problem: 403, 422, 429; 503 when it is not sure to be both."""
    notification_id = str(uuid.uuid5(KEYS, f"{caller.id}\n{key}") if key is not None else uuid.uuid4())
    simulated = caller.kind is CallerKind.TEST
    try:
        addresses = await _resolve(gateway, request, caller)
        _screen(gateway.screens, request, addresses)
        counts = gateway.limits.addresses.check(gateway.screens, addresses, simulated=simulated)
        segments = _segments(gateway.channels, addresses, request.message)
        counted = gateway.limits.notification(caller, sum(each.count for each in segments.values()))
    except Problem:
        # With a key, the answer of the first time holds, even if the recipient has gone since, or a limit is reached.
        existing = await gateway.store.notification(notification_id) if key is not None else None
        if existing is None:
            raise
        return await _again(gateway, existing, request, replayed=True)
    gateway.limits.addresses.add(counts)
    now = gateway.now()
    notification = Notification(
        id=notification_id,
        channels=tuple(addresses),
        caller=caller.id,
        simulated=simulated,
        recipient=request.recipient,
        subject=request.subject,
        message=request.message,
        tags=request.tags,
        created_at=now,
        expire_at=now + gateway.retention,
        fingerprint=_fingerprint(request),
        shard=random.randrange(SHARDS),  # noqa: S311 - spreads load, guards nothing
    )
    failpoints.reached(Failpoint.VALIDATED)
    deliveries = [
        queued(notification, channel, address, gateway.policy, trace_context.current(), segments.get(channel))
        for channel, address in addresses.items()
    ]
    try:
        version = await _create(gateway.store, notification, deliveries)
    except StoreUnavailable:
        if key is not None:
            # Asked again it is the same one: whoever does so through an outage is not to find the day used up by it.
            counted.uncount()
            gateway.limits.addresses.uncount(counts)
        raise
    except AlreadyExists:
        existing = await gateway.store.notification(notification_id)
        # Ours, when the commit had landed and only its answer was lost.
        ours = existing is not None and existing.created_at == now
        if not ours:
            counted.uncount()
            gateway.limits.addresses.uncount(counts)
        if existing is None:
            raise Problem(503, "try again", headers=RETRY_LATER) from None
        return await _again(gateway, existing, request, replayed=not ours)
    failpoints.reached(Failpoint.COMMITTED)
    for channel in addresses:
        telemetry.count(telemetry.ACCEPTED, {"channel": channel})
    deliveries = [replace(delivery, version=version) for delivery in deliveries]
    await _publish(
        gateway,
        notification.id,
        [
            Message(notification_id=notification.id, channel=d.channel, content=content_of(notification, d))
            for d in deliveries
        ],
    )
    failpoints.reached(Failpoint.PUBLISHED)
    log.info("accepted", notification_id=notification.id, channels=list(addresses), caller=caller.id)
    return Accepted(notification, deliveries, replayed=False)


def normalised(channels: Mapping[str, Channel], addresses: Mapping[str, str], field_name: str) -> dict[str, str]:
    """Each address in its channel's one spelling. Problem 422 names those that are none."""
    good: dict[str, str] = {}
    errors: list[FieldError] = []
    for name, address in addresses.items():
        if name not in channels:
            errors.append(unknown_channel(f"{field_name}.{name}", channels))
            continue
        try:
            good[name] = channels[name].normalise(bare(address))
        except ValueError as wrong:
            errors.append(field_error(f"{field_name}.{name}", str(wrong)))
    if errors:
        raise invalid(*errors)
    return good


async def _resolve(gateway: Gateway, request: NotificationRequest, caller: Caller) -> dict[str, str]:
    """The address for each channel asked for. Problem 403, 422, 429."""
    known = gateway.channels
    _judge(known, request, caller)
    if request.to is not None:
        addresses = normalised(known, request.to, "to")
    else:
        gateway.limits.notification_left(caller)
        recipient = await gateway.store.recipient(request.recipient or "")
        if recipient is None:
            raise invalid(field_error("recipient", "no recipient has this name"))
        # A channel that has been taken out since is no longer one to send over.
        addresses = {name: address for name, address in recipient.addresses.items() if name in known}
    # In the order of infra/channels.yaml: Firestore keeps none in a map.
    by_default = [name for name in known if name in addresses and (request.to is not None or caller.may_use(name))]
    wanted = request.channels or by_default
    _check_use(wanted, caller)
    missing = [name for name in wanted if name not in addresses]
    if missing or not wanted:
        raise invalid(*(field_error("channels", f"there is no address for {name}") for name in missing or ["any"]))
    too_long = _too_long(known, wanted, request.message)
    if too_long:
        raise invalid(*too_long)
    unlisted = [name for name in wanted if not caller.may_reach(name, addresses[name])]
    if unlisted:
        raise forbidden(f"a team key sends only to its listed addresses, and this is none: {', '.join(unlisted)}")
    return {name: addresses[name] for name in wanted}


def _judge(channels: Mapping[str, Channel], request: NotificationRequest, caller: Caller) -> None:
    """Refuse what can be refused without the recipient's record, so that these answers do not depend on which
    recipients there are. Problem 403, 422.
    """
    asked = request.channels or ()
    unknown = [unknown_channel(f"channels.{i}", channels) for i, name in enumerate(asked) if name not in channels]
    if unknown:
        raise invalid(*unknown)
    if request.to is not None and caller.recipients is not None:
        raise forbidden("this caller sends only to registered recipients, not to addresses")
    if request.recipient is not None and not caller.may_name(request.recipient):
        raise forbidden("this caller may not send to recipients of this name")
    _check_use(asked, caller)
    if request.recipient is not None:
        # Without `channels` it goes over those that it has addresses for: one that takes the text may be among them.
        possible = asked or [name for name in channels if caller.may_use(name)]
        too_long = _too_long(channels, possible, request.message)
        if too_long and (asked or len(too_long) == len(possible)):
            raise invalid(*too_long)


def _check_use(names: Iterable[str], caller: Caller) -> None:
    barred = [name for name in names if not caller.may_use(name)]
    if barred:
        raise forbidden(f"this caller may not send over {', '.join(barred)}")


def _too_long(channels: Mapping[str, Channel], names: Iterable[str], message: str) -> list[FieldError]:
    return [
        field_error("message", f"{name} takes up to {channels[name].max_length} {channels[name].measure.name}")
        for name in names
        if channels[name].measure.of(message) > channels[name].max_length
    ]


def _screen(screens: Mapping[str, Screen], request: NotificationRequest, addresses: Mapping[str, str]) -> None:
    """Refuse what the operator lets no message go to. Problem 422."""
    errors = []
    for name, address in addresses.items():
        refusal = screens[name].refusal(address) if name in screens else None
        if refusal is not None:
            errors.append(field_error(f"to.{name}" if request.to is not None else "recipient", f"{name}: {refusal}"))
    if errors:
        raise invalid(*errors)


def _segments(channels: Mapping[str, Channel], names: Iterable[str], message: str) -> dict[str, Segments]:
    """What the message is cut into, by channel, for those that are paid by the piece."""
    return {name: counted(message) for name in names if (counted := channels[name].segments) is not None}


async def _create(store: Store, notification: Notification, deliveries: Sequence[Delivery]) -> int:
    """The commit, again while its answer is lost: the id is the same, so it cannot be made twice."""
    give_up_at = time.monotonic() + _CREATE_SECONDS
    while True:
        try:
            return await store.create(notification, deliveries)
        except StoreUnavailable:
            if time.monotonic() >= give_up_at:
                raise
            await asyncio.sleep(_CREATE_PAUSE)


async def _again(gateway: Gateway, existing: Notification, request: NotificationRequest, *, replayed: bool) -> Accepted:
    """The same request once more: goes on where the first stopped. Problem 422 when it is another."""
    if existing.fingerprint != _fingerprint(request):
        raise invalid(field_error("Idempotency-Key", "was used for another request"))
    deliveries = (await gateway.store.deliveries([existing]))[existing.id]
    # Hints without content: one of these may be queued again by a replay, with attempts that no message knows of.
    await _publish(
        gateway,
        existing.id,
        [hint(delivery) for delivery in deliveries if delivery.status is DeliveryStatus.QUEUED],
    )
    return Accepted(existing, deliveries, replayed)


async def _publish(gateway: Gateway, notification_id: str, messages: Sequence[Message]) -> None:
    try:
        await gateway.publisher.publish(messages)
    except PublishFailed as error:
        # The record stays: it is due, and the relay will publish it. The client learns that it is not out yet.
        log.error("not published", notification_id=notification_id, error=str(error))
        raise Problem(
            503,
            f"notification {notification_id} is on record but could not be published yet; it will be. "
            "The same request with the same Idempotency-Key continues it.",
            headers=RETRY_LATER,
        ) from None


def _fingerprint(request: NotificationRequest) -> str:
    """The same for two requests that ask for the same, however their JSON is spelt."""
    return hashlib.sha256(json.dumps(request.model_dump(), sort_keys=True).encode()).hexdigest()


def unknown_channel(field_name: str, channels: Mapping[str, Channel]) -> FieldError:
    return field_error(field_name, f"there is no such channel; there are {', '.join(channels)}")
