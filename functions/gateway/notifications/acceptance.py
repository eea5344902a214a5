"""Accepting a notification: resolve, one commit, publish, and only then 202.

What if the process dies
- before the commit: nothing is written, the client has no answer and asks again;
- between commit and publish: the deliveries are due, the relay publishes them;
- between publish and answer: the client asks again, and with the same Idempotency-Key gets the same notification.
"""

import asyncio
import json
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from functions.gateway.access.caller import Caller, CallerKind
from functions.gateway.access.caller_quotas import Counted
from functions.gateway.notifications.idempotency import fingerprint, new_notification_id, used_for_another
from functions.gateway.notifications.judging import Judged, judged
from functions.gateway.notifications.new_deliveries import in_order, keys_of, new_deliveries
from functions.gateway.notifications.schemas import NotificationRequest
from functions.gateway.notifications.searching import address_hash
from functions.gateway.notifications.superseding import supersede
from functions.gateway.services import Gateway
from functions.gateway.web.problem_details import RETRY_LATER, Problem
from shared.delivery.errors import AlreadyExists, Conflict, PublishFailed, StoreUnavailable
from shared.delivery.model import Attachment, Delivery, DeliveryStatus, Notification, replace
from shared.delivery.search_words import words_of
from shared.delivery.store import SHARDS, Key, Store
from shared.runtime import failpoints, telemetry, trace_context
from shared.runtime.failpoints import Failpoint
from shared.runtime.logs import get_logger
from shared.sending.messages import Message, hint, message_of

log = get_logger(__name__)


CREATE_SECONDS = 8.0  # for a commit whose answers are lost
CREATE_PAUSE = 0.2


@dataclass(frozen=True, slots=True)
class Accepted:
    notification: Notification
    deliveries: Sequence[Delivery]
    replayed: bool


async def accept(
    gateway: Gateway, request: NotificationRequest, caller: Caller, key: str | None, *, bulk: bool = False
) -> Accepted:
    """The notification on record and published. Raises Problem: 403, 422, 429; 503 when it is not sure to be both.

    bulk: it is one of many
    """
    notification_id = new_notification_id(caller.id, key)
    try:
        asked = await judged(gateway, request, caller, bulk=bulk)
        counted = gateway.quotas.notification(caller, asked.segment_count)
    except Problem:
        # With a key, the answer of the first time holds, even if the recipient has gone since, or a limit is reached.
        existing = await gateway.store.notification(notification_id) if key is not None else None
        if existing is None:
            raise
        return await _again(gateway, existing, request, replayed=True)
    gateway.quotas.addresses.add(asked.address_counts)
    notification = new_notification(gateway, request, caller, asked, notification_id)
    failpoints.reached(Failpoint.VALIDATED)
    wanted = deliveries_of(gateway, notification, asked, bulk=bulk)
    files = {name: asked.own[name].files for name in asked.addresses if name in asked.own and asked.own[name].files}
    try:
        deliveries, version, older = await _create(gateway.store, notification, wanted, files)
    except StoreUnavailable:
        if key is not None:
            # Asked again it is the same one: whoever does so through an outage is not to find the day used up by it.
            uncount(gateway, asked, counted)
        raise
    except AlreadyExists:
        existing = await gateway.store.notification(notification_id)
        # Ours, when the commit had landed and only its answer was lost.
        ours = existing is not None and existing.created_at == notification.created_at
        if not ours:
            uncount(gateway, asked, counted)
        if existing is None:
            raise try_again() from None
        return await _again(gateway, existing, request, replayed=not ours)
    failpoints.reached(Failpoint.COMMITTED)
    for channel in asked.addresses:
        telemetry.count(telemetry.ACCEPTED, {"channel": channel})
    await _publish(gateway, notification.id, [message_of(notification, d, version) for d in deliveries if goes_now(d)])
    failpoints.reached(Failpoint.PUBLISHED)
    await supersede(gateway, deliveries, older)
    log.info("accepted", notification_id=notification.id, channels=list(asked.addresses), caller=caller.id)
    return Accepted(notification, deliveries, replayed=False)


def uncount(gateway: Gateway, asked: Judged, counted: Counted) -> None:
    """What was counted is no new one."""
    counted.uncount()
    gateway.quotas.addresses.uncount(asked.address_counts)


def new_notification(
    gateway: Gateway, request: NotificationRequest, caller: Caller, asked: Judged, notification_id: str
) -> Notification:
    steps = request.steps()
    waits = timedelta(seconds=sum(step.after or 0 for step in steps)) if steps else timedelta()
    return Notification(
        id=notification_id,
        channels=tuple(asked.addresses),
        caller=caller.id,
        simulated=caller.kind is CallerKind.TEST,
        recipient=request.recipient,
        subject=request.subject,
        message=request.message,
        tags=request.tags,
        created_at=asked.timing.now,
        expire_at=asked.timing.start + waits + gateway.retention,
        fingerprint=fingerprint(request),
        shard=random.randrange(SHARDS),  # noqa: S311 - spreads load, guards nothing
        send_at=request.send_at,
        deliver_by=request.deliver_by,
        collapse_key=request.collapse_key,
        ordering_key=request.ordering_key,
        escalation=steps,
        template=asked.template,
        data=None if request.data is None else json.dumps(request.data),
        category=request.category,
        found_by=words_of(request.tags, asked.template),
    )


def deliveries_of(gateway: Gateway, notification: Notification, asked: Judged, *, bulk: bool = False) -> list[Delivery]:
    traceparent = trace_context.current()
    made = new_deliveries(notification, asked.addresses, asked.own, asked.segments, gateway.policy, traceparent)
    category, people = asked.category, gateway.people
    more: dict[str, Any] = {"bulk": bulk}
    if category is not None:
        more |= {"category": category.name, "category_class": category.class_}
    return [replace(d, address_hash=address_hash(people, d.channel, d.address), **more) for d in made]


def goes_now(delivery: Delivery) -> bool:
    return delivery.status is DeliveryStatus.QUEUED


async def _create(
    store: Store,
    notification: Notification,
    deliveries: Sequence[Delivery],
    files: Mapping[str, Sequence[Attachment]],
) -> tuple[Sequence[Delivery], int, Mapping[str, Key]]:
    """The deliveries as they are on record, the version of these records, and what their keys were used for before.

    The commit, again while its answer is lost: the id is the same, so it cannot be made twice. And again while others
    are faster with one of its keys: each use of a key follows the one before.
    """
    give_up_at = time.monotonic() + CREATE_SECONDS
    ids = keys_of(deliveries)
    while True:
        try:
            known = await store.keys(ids) if ids else {}
            linked = in_order(deliveries, known) if ids else deliveries
            used = {key: known[key].version if key in known else None for key in ids}
            version = await store.create(notification, linked, files, used)
        except StoreUnavailable:
            if time.monotonic() >= give_up_at:
                raise
        except Conflict:
            if time.monotonic() >= give_up_at:
                raise StoreUnavailable("others are always faster with its keys") from None
        except AlreadyExists:
            if not ids or await store.notification(notification.id) is not None or time.monotonic() >= give_up_at:
                raise
        else:
            return linked, version, known
        await asyncio.sleep(CREATE_PAUSE * (random.random() / 2 + 0.1) if ids else CREATE_PAUSE)  # noqa: S311


async def _again(gateway: Gateway, existing: Notification, request: NotificationRequest, *, replayed: bool) -> Accepted:
    """The same request once more: goes on where the first stopped. Problem 422 when it is another."""
    if existing.fingerprint != fingerprint(request):
        raise used_for_another("Idempotency-Key")
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
        raise not_published_yet(notification_id, "Idempotency-Key") from None


def try_again() -> Problem:
    return Problem(503, "try again", headers=RETRY_LATER)


def not_published_yet(notification_id: str, field: str) -> Problem:
    return Problem(
        503,
        f"notification {notification_id} is on record but could not be published yet; it will be. "
        f"The same request with the same {field} continues it.",
        headers=RETRY_LATER,
    )
