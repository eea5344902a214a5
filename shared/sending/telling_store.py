"""The store where events are on: each change of a delivery's state is published as soon as it is on record.

This is the one place that knows of it: whoever writes a delivery writes it as ever.

What if the process dies, or Pub/Sub does not answer, between the write and the publish: the event stands in the
delivery's record with the time by which it is to be published, and the relay publishes it
(`functions/relay/untold_events.py`). What if it dies after the publish: the relay publishes it once more, with the
same id. What if another writes the delivery meanwhile: they have read the event with it, and publish it with theirs.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from shared.delivery.errors import PublishFailed, StoreError
from shared.delivery.events import noted, told
from shared.delivery.model import Delivery, DeliveryStatus, replace
from shared.delivery.store import Store
from shared.runtime import failpoints
from shared.runtime.failpoints import Failpoint
from shared.runtime.logs import get_logger
from shared.sending.event_messages import EventPublisher, event_message

log = get_logger(__name__)


def telling(
    store: Store,
    publisher: Callable[[], EventPublisher],
    grace: timedelta,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Store:
    """The store, which tells what is written to it. publisher: opens it; grace: as of `noted`"""
    return cast("Store", _TellingStore(store, publisher, grace, now))


class _TellingStore:
    def __init__(
        self, store: Store, publisher: Callable[[], EventPublisher], grace: timedelta, now: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._publisher = publisher
        self._grace = grace
        self._now = now

    def __getattr__(self, name: str) -> Any:
        """All else is the store's own."""
        return getattr(self._store, name)

    async def update(self, delivery: Delivery) -> int:
        written = noted(delivery, self._now(), self._grace)
        version = await self._store.update(written)
        if not _has_news(written, delivery):
            return version
        failpoints.reached(Failpoint.NOTED)
        after = await tell(self._store, self._publisher(), [replace(written, version=version)])
        return after[0] or version

    async def update_all(self, deliveries: Sequence[Delivery]) -> Sequence[int | None]:
        written = [noted(delivery, self._now(), self._grace) for delivery in deliveries]
        versions = list(await self._store.update_all(written))
        news = [
            place
            for place, version in enumerate(versions)
            if version is not None and _has_news(written[place], deliveries[place])
        ]
        if news:
            failpoints.reached(Failpoint.NOTED)
            there = [replace(written[place], version=versions[place]) for place in news]
            for place, after in zip(news, await tell(self._store, self._publisher(), there), strict=True):
                versions[place] = after or versions[place]
        return versions


def _has_news(written: Delivery, asked: Delivery) -> bool:
    return written is not asked and written.status is not DeliveryStatus.SENDING


async def tell(store: Store, publisher: EventPublisher, deliveries: Sequence[Delivery]) -> Sequence[int | None]:
    """Publish the events of these deliveries, as they are on record, and take them out of it. The new versions; None
    of one that is as it was, or that another has written meanwhile.

    store: of records, not one that tells. What fails is left to the relay.
    """
    ids = {"notification_id": deliveries[0].notification_id, "count": len(deliveries)}
    try:
        await publisher.publish_events([event_message(d, event) for d in deliveries for event in d.untold])
    except PublishFailed as error:
        log.warning("events are left to the relay", error=str(error), **ids)
        return [None] * len(deliveries)
    failpoints.reached(Failpoint.TOLD)
    try:
        if len(deliveries) == 1:
            return [await store.update(told(deliveries[0]))]
        return await store.update_all([told(delivery) for delivery in deliveries])
    except StoreError as error:
        log.info("events are told, and still on record", error=str(error), **ids)
        return [None] * len(deliveries)
