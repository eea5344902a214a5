"""Looks at the records past the proxy: what changes meanwhile, which breakers are open, and all of them at the end."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.delivery.errors import StoreUnavailable
from shared.delivery.model import PENDING, Delivery
from shared.google.firestore import queries
from shared.google.firestore.channel_state_store import FirestoreChannelStates
from shared.google.firestore.records import to_delivery, to_notification
from shared.google.firestore.rpc import Rpc, connect
from shared.google.firestore.value_encoding import encode
from tests.faults.histories import History

_PAGE = 1000
_PAUSE_SECONDS = 1.0
_TRIES = 6  # of a read at the end, ten seconds each
_LOOK_BACK = timedelta(seconds=4)


class Observer:
    def __init__(self, firestore: str, project: str) -> None:
        """firestore: the emulator itself, as host:port. Made within the running loop."""
        self._rpc = Rpc(connect(firestore), f"projects/{project}/databases/(default)", emulated=True)

    async def watch(self, history: History) -> None:
        """Until cancelled: each delivery's states, but for those that it leaves within a second."""
        seen: dict[tuple[str, str], int | None] = {}
        while True:
            since = datetime.now(UTC) - _LOOK_BACK
            with contextlib.suppress(StoreUnavailable):
                query = queries.select("deliveries", order="updated_at", after=[encode(since)], limit=_PAGE, group=True)
                for delivery in map(to_delivery, await self._rpc.run_query(query)):
                    at = (delivery.notification_id, delivery.channel)
                    if seen.get(at) != delivery.version:
                        seen[at] = delivery.version
                        history.append(**_state(delivery), attempts=len(delivery.attempts))
            await asyncio.sleep(_PAUSE_SECONDS)

    async def watch_breakers(self, history: History) -> None:
        """Until cancelled: each one that was ever open, as it is at each look."""
        store = FirestoreChannelStates(self._rpc)
        while True:
            asked = time.time()
            with contextlib.suppress(StoreUnavailable):
                for channel, state in (await store.states()).items():
                    for provider, breaker in state.breakers.items():
                        named = {"channel": channel, "provider": provider, "since": breaker.since.isoformat()}
                        history.append(asked=asked, open=breaker.is_open, **named)
            await asyncio.sleep(_PAUSE_SECONDS)

    async def pending(self) -> int | None:
        """How many deliveries are not terminal; None when the emulator has not said so in time."""
        filters = [queries.any_of("status", [str(status) for status in PENDING])]
        query = queries.select("deliveries", filters=filters, limit=_PAGE, group=True)
        try:
            return len(await self._rpc.run_query(query))
        except StoreUnavailable:
            return None

    async def untold(self) -> int | None:
        """How many deliveries have events that may be told nobody yet; None as above."""
        ever = datetime.now(UTC) + timedelta(days=9999)
        query = queries.select(
            "deliveries", filters=[queries.before("tell_at", ever)], order="tell_at", limit=_PAGE, group=True
        )
        try:
            return len(await self._rpc.run_query(query))
        except StoreUnavailable:
            return None

    async def record(self, history: History) -> None:
        """All deliveries as they are, with the text of their notification."""
        texts = {n.id: n.message async for doc in self._all("notifications") for n in [to_notification(doc)]}
        async for doc in self._all("deliveries"):
            delivery = to_delivery(doc)
            history.append(
                **_state(delivery),
                message_id=delivery.provider_message_id,
                error=delivery.error,
                due_at=delivery.due_at and delivery.due_at.isoformat(),
                message=texts[delivery.notification_id] or "",
                reason=delivery.reason,
                follows=delivery.follows,
                escalates_from=delivery.escalates_from,
                attempts=[
                    {
                        "number": attempt.number,
                        "at": attempt.at.isoformat(),
                        "outcome": attempt.outcome,
                        "error": attempt.error,
                        "duration_ms": attempt.duration_ms,
                        "provider": attempt.provider,
                        "asked": attempt.asked,
                        "probe": attempt.probe,
                    }
                    for attempt in delivery.attempts
                ],
            )

    async def _all(self, collection: str) -> AsyncIterator[Any]:
        after: list[Any] = []
        while True:
            docs = await self._patiently(queries.select(collection, limit=_PAGE, group=True, after=after))
            for doc in docs:
                yield doc
            if len(docs) < _PAGE:
                return
            after = [queries.reference(docs[-1].name)]

    async def _patiently(self, query: Any) -> Any:
        """A starved machine's emulator may need longer than a call's deadline."""
        for _ in range(_TRIES - 1):
            with contextlib.suppress(StoreUnavailable):
                return await self._rpc.run_query(query)
        return await self._rpc.run_query(query)


def _state(delivery: Delivery) -> dict[str, Any]:
    return {
        "id": delivery.notification_id,
        "channel": delivery.channel,
        "version": delivery.version,
        "status": delivery.status,
    }
