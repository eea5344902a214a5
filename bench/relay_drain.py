"""How many overdue deliveries a second the relay drains: `python -m bench.relay_drain [count]`.

Needs PUBSUB_EMULATOR_HOST and FIRESTORE_EMULATOR_HOST (`make run` writes both into .run/env), and uses a project of its
own there.
"""

import asyncio
import os
import sys
import time
import uuid
from datetime import UTC, datetime, timedelta

import aiohttp

from functions.relay.overdue_deliveries import Relay
from shared.channels.declaration import topic
from shared.channels.registry import channel_names
from shared.delivery.model import Notification
from shared.delivery.state_machine import queued
from shared.delivery.store import SHARDS
from shared.google.firestore import rpc
from shared.google.firestore.store import FirestoreStore
from shared.google.publisher import PubsubPublisher, connect
from shared.runtime.settings import CoreSettings


async def main(count: int) -> None:
    project = f"bench-{uuid.uuid4().hex[:12]}"
    pubsub_host, firestore_host = os.environ["PUBSUB_EMULATOR_HOST"], os.environ["FIRESTORE_EMULATOR_HOST"]
    async with aiohttp.ClientSession() as http:
        for channel in channel_names():
            await http.put(f"http://{pubsub_host}/v1/projects/{project}/topics/{topic(channel)}", json={})
    channel = rpc.connect(firestore_host)
    store = FirestoreStore(rpc.Rpc(channel, f"projects/{project}/databases/(default)", emulated=True))
    policy = CoreSettings(google_cloud_project=project).policy()
    publisher = PubsubPublisher(connect(pubsub_host), project)
    created = datetime.now(UTC) - timedelta(minutes=10)
    names = channel_names()

    async def store_one(n: int) -> None:
        notification = Notification(
            id=str(uuid.uuid4()),
            channels=(names[n % len(names)],),
            message="overdue",
            created_at=created,
            expire_at=created + timedelta(days=1),
            fingerprint="",
            shard=n % SHARDS,
        )
        await store.create(notification, [queued(notification, notification.channels[0], "nobody", policy)])

    for start in range(0, count, 100):
        await asyncio.gather(*(store_one(n) for n in range(start, min(start + 100, count))))
    began = time.monotonic()
    swept = await Relay(store, publisher, policy).sweep()
    seconds = time.monotonic() - began
    print(f"{swept.published} of {count} published in {seconds:.2f} s: {swept.published / seconds:.0f} a second")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 5000))
