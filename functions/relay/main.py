"""The function that publishes again whatever is overdue. Cloud Scheduler calls it every minute."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

import shared.entrypoint.pause_garbage_collection  # noqa: F401 - while the rest is imported
from functions.relay.overdue_deliveries import Relay
from functions.relay.scheduled_deliveries import ScheduledDeliveries
from functions.relay.waiting_receipts import WaitingReceipts
from shared.channels.registry import channel_names
from shared.delivery.errors import StoreUnavailable
from shared.delivery.store import SHARDS
from shared.entrypoint.push_requests import push_requests
from shared.entrypoint.restored_records import RestoredRecords, restored_records
from shared.entrypoint.startup import open_rpc, open_store, start
from shared.google.firestore.channel_state_store import FirestoreChannelStates
from shared.google.firestore.people_store import FirestorePeople
from shared.google.firestore.receipt_store import FirestoreReceipts
from shared.google.firestore.relay_runs import FirestoreRelayRuns
from shared.google.firestore.rpc import Rpc
from shared.google.firestore.store import FirestoreStore
from shared.google.publisher import open_publisher
from shared.runtime import logs
from shared.runtime.settings import PeopleSettings, load
from shared.sending.channel_states import ChannelStates
from shared.sending.event_messages import EventPublisher
from shared.sending.relay_runs import RelayRuns

if TYPE_CHECKING:
    from functions.relay.untold_events import UntoldEvents

log = logs.get_logger(__name__)

_settings = start()
_address_hash = load(PeopleSettings).address_hash()
_restored: RestoredRecords | None = None
_sweeps: "tuple[WaitingReceipts, Relay, ScheduledDeliveries, UntoldEvents | None, RelayRuns] | None" = None


@functions_framework.aio.http
async def relay(request: Request) -> Response:
    return await _handle(request)


async def _sweep(_request: Request, _body: bytes) -> Response:
    """200 with what was done; 503 when the records could not be read. Cloud Scheduler's calls have no body."""
    global _sweeps, _restored
    try:
        if _sweeps is None:
            _sweeps, _restored = _open(), restored_records(_settings)
        receipts, overdue, scheduled, untold, runs = _sweeps
        if _restored is not None and (held := await _restored.why_held()) is not None:
            return JSONResponse({"held": held})
        looking_ahead = asyncio.create_task(scheduled.sweep())
        try:
            # Receipts first: one of them may end a delivery that would be sent again.
            applied = await _applied(receipts)
            swept = await overdue.sweep()
            await _note(runs)
            told = {} if untold is None else {"told": await untold.sweep()}
        finally:
            on_time = await looking_ahead
    except StoreUnavailable as error:
        log.error("sweep failed", error=str(error))
        return Response(status_code=503)
    except Exception as error:
        # The framework would log this one with its text, which may hold anything.
        log.error("sweep failed", error=logs.place(error))
        return Response(status_code=500)
    return JSONResponse(
        {
            **asdict(swept),
            "receipts": applied,
            "on_time": on_time.published,
            "waited": on_time.waited,
            **told,
        }
    )


_handle = push_requests(_sweep, too_large=lambda: Response(status_code=400))


def _open() -> "tuple[WaitingReceipts, Relay, ScheduledDeliveries, UntoldEvents | None, RelayRuns]":
    rpc = open_rpc(_settings)
    publisher = open_publisher(_settings)
    store = open_store(_settings, rpc, lambda: publisher)
    states = ChannelStates(FirestoreChannelStates(rpc))
    # Firestore serves a shard by its index, all of them at once. Its emulator has no indexes and looks at all that it
    # stores, 16 times for 16 shards: with 40,000 stored no query ended in its time, and accepts were refused (2026-11).
    shards: Sequence[int | None] = [None] if _settings.firestore_emulator_host else range(SHARDS)
    return (
        WaitingReceipts(
            store, FirestoreReceipts(rpc), FirestorePeople(rpc, _address_hash), shards=shards, publisher=publisher
        ),
        Relay(
            store,
            publisher,
            _settings.policy(),
            shards=shards,
            channel_states=states,
            channels=partial(channel_names, of_events=_settings.has_events),
        ),
        ScheduledDeliveries(
            store, publisher, timedelta(seconds=_settings.relay_ahead_seconds), shards=shards, channel_states=states
        ),
        _open_untold(rpc, publisher, shards) if _settings.has_events else None,
        FirestoreRelayRuns(rpc),
    )


async def _note(runs: RelayRuns) -> None:
    """That it ran: one write a call. Where that cannot be written, all else is done all the same."""
    try:
        await runs.ran(datetime.now(UTC))
    except StoreUnavailable as error:
        log.error("not on record that the relay ran", error=str(error))


def _open_untold(rpc: Rpc, publisher: EventPublisher, shards: Sequence[int | None]) -> "UntoldEvents":
    from functions.relay.untold_events import UntoldEvents  # noqa: PLC0415 - who has no events does not load it

    return UntoldEvents(FirestoreStore(rpc), publisher, shards=shards)


async def _applied(receipts: WaitingReceipts) -> int:
    """Whatever goes wrong with receipts keeps no delivery back."""
    try:
        return await receipts.sweep()
    except Exception as error:
        log.error("receipts not looked at", error=logs.place(error))
        return 0
