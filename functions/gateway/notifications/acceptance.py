"""Accepting a notification: resolve, one commit, publish, and only then 202.

What if the process dies
- before the commit: nothing is written, the client has no answer and asks again;
- between commit and publish: the deliveries are due, the relay publishes them;
- between publish and answer: the client asks again, and with the same Idempotency-Key gets the same notification.
"""

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from functions.gateway.access.caller import Caller, CallerKind
from functions.gateway.notifications.addressing import check_screens, resolve_addresses
from functions.gateway.notifications.contents import ChannelContent, own_contents, segments_of
from functions.gateway.notifications.idempotency import fingerprint, new_notification_id
from functions.gateway.notifications.schemas import NotificationRequest
from functions.gateway.services import Gateway
from functions.gateway.web.problem_details import RETRY_LATER, Problem, field_error, invalid
from shared.delivery.errors import AlreadyExists, PublishFailed, StoreUnavailable
from shared.delivery.model import Attachment, Delivery, DeliveryStatus, Notification
from shared.delivery.state_machine import queued
from shared.delivery.store import SHARDS, Store
from shared.runtime import failpoints, telemetry, trace_context
from shared.runtime.failpoints import Failpoint
from shared.runtime.logs import get_logger
from shared.sending.messages import Message, content_of, hint

log = get_logger(__name__)


_CREATE_SECONDS = 8.0  # for a commit whose answers are lost
_CREATE_PAUSE = 0.2


@dataclass(frozen=True, slots=True)
class Accepted:
    notification: Notification
    deliveries: Sequence[Delivery]
    replayed: bool


async def accept(gateway: Gateway, request: NotificationRequest, caller: Caller, key: str | None) -> Accepted:
    """The notification on record and published. Raises Problem: 403, 422, 429; 503 when it is not sure to be both."""
    notification_id = new_notification_id(caller.id, key)
    simulated = caller.kind is CallerKind.TEST
    try:
        own = own_contents(gateway.channels, request)
        addresses = await resolve_addresses(gateway, request, caller, own)
        check_screens(gateway.screens, request, addresses)
        counts = gateway.quotas.addresses.check(gateway.screens, addresses, simulated=simulated)
        segments = segments_of(gateway.channels, addresses, request, own)
        counted = gateway.quotas.notification(caller, sum(each.count for each in segments.values()))
    except Problem:
        # With a key, the answer of the first time holds, even if the recipient has gone since, or a limit is reached.
        existing = await gateway.store.notification(notification_id) if key is not None else None
        if existing is None:
            raise
        return await _again(gateway, existing, request, replayed=True)
    gateway.quotas.addresses.add(counts)
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
        fingerprint=fingerprint(request),
        shard=random.randrange(SHARDS),  # noqa: S311 - spreads load, guards nothing
    )
    failpoints.reached(Failpoint.VALIDATED)
    deliveries = [
        _with_content(
            queued(notification, channel, address, gateway.policy, trace_context.current(), segments.get(channel)),
            own.get(channel),
        )
        for channel, address in addresses.items()
    ]
    files = {name: content.files for name, content in own.items() if name in addresses and content.files}
    try:
        version = await _create(gateway.store, notification, deliveries, files)
    except StoreUnavailable:
        if key is not None:
            # Asked again it is the same one: whoever does so through an outage is not to find the day used up by it.
            counted.uncount()
            gateway.quotas.addresses.uncount(counts)
        raise
    except AlreadyExists:
        existing = await gateway.store.notification(notification_id)
        # Ours, when the commit had landed and only its answer was lost.
        ours = existing is not None and existing.created_at == now
        if not ours:
            counted.uncount()
            gateway.quotas.addresses.uncount(counts)
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


def _with_content(delivery: Delivery, own: ChannelContent | None) -> Delivery:
    return delivery if own is None else replace(delivery, content=own.content, attachments=len(own.files))


async def _create(
    store: Store,
    notification: Notification,
    deliveries: Sequence[Delivery],
    files: Mapping[str, Sequence[Attachment]],
) -> int:
    """The commit, again while its answer is lost: the id is the same, so it cannot be made twice."""
    give_up_at = time.monotonic() + _CREATE_SECONDS
    while True:
        try:
            return await store.create(notification, deliveries, files)
        except StoreUnavailable:
            if time.monotonic() >= give_up_at:
                raise
            await asyncio.sleep(_CREATE_PAUSE)


async def _again(gateway: Gateway, existing: Notification, request: NotificationRequest, *, replayed: bool) -> Accepted:
    """The same request once more: goes on where the first stopped. Problem 422 when it is another."""
    if existing.fingerprint != fingerprint(request):
        raise invalid(field_error("Idempotency-Key", "was used for another request"))
    deliveries = await gateway.store.deliveries_of(existing)
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
