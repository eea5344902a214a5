"""`python -m functions.relay adopt-epoch`: lets records that were restored from a backup be sent again.

It writes to the Firestore of GOOGLE_CLOUD_PROJECT (or its emulator), with the credentials of whoever runs it: EPOCH, as
the functions have it. Before that, --pending=cancel withdraws all that was pending when the backup was made.

What if it dies: nothing is let go before the epoch is written, which is its last step; it can be run again.
"""

import argparse
import asyncio
import sys
from datetime import UTC, datetime, timedelta

from google.auth.exceptions import GoogleAuthError

from shared.delivery.errors import StoreError
from shared.delivery.state_machine import cancelled
from shared.delivery.store import SHARDS, Store
from shared.entrypoint.startup import open_rpc, open_store
from shared.google.firestore.epoch_record import EpochRecord
from shared.google.publisher import open_publisher
from shared.runtime.settings import CoreSettings, load

_ANY_TIME = timedelta(days=10_000)
_BATCH = 300
_REASON = "it was pending in a backup that was restored"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m functions.relay", description="Manage restored records.")
    adopt = parser.add_subparsers(dest="command", required=True).add_parser(
        "adopt-epoch", help="give the records the EPOCH of this environment"
    )
    adopt.add_argument(
        "--pending",
        choices=["cancel", "send"],
        required=True,
        help="what was pending in the backup: it may have been sent since",
    )
    return parser.parse_args()


async def cancel_pending(store: Store, now: datetime) -> int:
    """All that has not ended, but for what is under lease. Raises StoreUnavailable."""
    count = 0
    for shard in range(SHARDS):
        while pending := await store.overdue(shard, now + _ANY_TIME, _BATCH):
            ended = [end for delivery in pending if (end := cancelled(delivery, now, _REASON)) is not None]
            written = await store.update_all(ended)
            count += sum(version is not None for version in written)
            if len(pending) < _BATCH or not ended:
                break
    return count


async def _adopt(arguments: argparse.Namespace) -> None:
    """SystemExit with one line when it cannot."""
    settings = load(CoreSettings)
    if settings.epoch is None:
        raise SystemExit("hark: EPOCH must be set, to what the functions have")
    try:
        rpc = open_rpc(settings)
        record = EpochRecord(rpc)
        before = await record.read()
        gone = 0
        if arguments.pending == "cancel":
            store = open_store(settings, rpc, lambda: open_publisher(settings))
            gone = await cancel_pending(store, datetime.now(UTC))
        await record.write(settings.epoch)
    except StoreError as error:
        raise SystemExit(f"hark: {error}") from None
    except GoogleAuthError as error:
        hint = "gcloud auth application-default login, or FIRESTORE_EMULATOR_HOST for an emulator"
        raise SystemExit(f"hark: no credentials for Firestore ({type(error).__name__}): {hint}") from None
    sys.stdout.write(f"epoch {before or 'none'} -> {settings.epoch}; cancelled {gone} deliveries\n")


if __name__ == "__main__":
    asyncio.run(_adopt(_arguments()))
