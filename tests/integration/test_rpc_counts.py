"""What a first-try delivery costs: RPCs counted between this process and the real emulators."""

import asyncio
import uuid
from typing import Any

import pytest

from shared.entrypoint.startup import open_store
from shared.google.firestore import rpc
from shared.google.firestore.people_store import FirestorePeople
from shared.google.firestore.store import FirestoreStore
from shared.runtime.settings import CoreSettings
from shared.sending.messages import Answer, Message
from shared.sending.pipeline import Pipeline
from shared.sending.provider import Outgoing
from tests.fakes.publisher import MemoryEvents
from tests.integration.gateway import ADDRESS_HASH, POLICY, Calls, Hark

TO = {"email": "a@example.com", "sms": "+14155552671", "slack": "#ops"}


class Accepting:
    name = "accepting"

    def __init__(self) -> None:
        self.sent: list[Outgoing] = []

    async def send(self, outgoing: Outgoing) -> str | None:
        self.sent.append(outgoing)
        return "m-1"

    async def aclose(self) -> None:
        """Nothing to close."""


@pytest.mark.parametrize("headers", [None, {"Idempotency-Key": "k"}])
async def test_the_gateway_makes_one_commit_and_one_publish_a_channel_and_reads_nothing(
    hark: Hark, headers: dict[str, str] | None
) -> None:
    assert (await hark.send(headers)).status_code == 202
    assert hark.calls.taken() == {"Commit": 1, "Publish": 1}


async def test_three_channels_take_one_commit_and_three_publishes(hark: Hark) -> None:
    await hark.sent(to=TO)
    assert hark.calls.taken() == {"Commit": 1, "Publish": 3}


async def test_publishes_at_the_same_time_share_their_rpcs(hark: Hark) -> None:
    await hark.sent()  # the topic is there
    hark.calls.taken()
    messages = [Message(notification_id=str(uuid.uuid4()), channel="email") for _ in range(30)]
    await asyncio.gather(*(hark.gateway.publisher.publish([message]) for message in messages))
    assert hark.calls.taken()["Publish"] <= 5, "the first goes at once, the others together"
    ids = {message.notification_id for message in await hark.published("email", 31)}
    assert ids > {message.notification_id for message in messages}


async def test_a_recipient_by_name_adds_the_one_read_of_it(hark: Hark) -> None:
    await hark.client.put("/v1/recipients/alice", json={"addresses": TO})
    hark.calls.taken()
    await hark.sent(to=None, recipient="alice", channels=["email"])
    assert hark.calls.taken() == {"BatchGetDocuments": 1, "Commit": 1, "Publish": 1}


async def test_a_page_of_notifications_is_one_query_and_one_read_of_all_deliveries(hark: Hark) -> None:
    for _ in range(3):
        await hark.sent()
    await hark.client.get("/v1/channels")  # which channels are paused is known for two seconds
    hark.calls.taken()
    await hark.client.get("/v1/notifications")
    assert hark.calls.taken() == {"RunQuery": 1, "BatchGetDocuments": 1}


async def test_the_channel_function_writes_twice_and_asks_about_the_person_beside_the_first(hark: Hark) -> None:
    sent = await hark.sent(subject="Deploy")
    (message,) = await hark.published("email")
    calls, provider = Calls(), Accepting()
    async with rpc.connect(hark.firestore, calls.interceptors) as channel:
        database = f"projects/{hark.project}/databases/(default)"
        records = rpc.Rpc(channel, database, emulated=True)
        store: Any = FirestoreStore(records)
        people = FirestorePeople(records, ADDRESS_HASH)

        assert await Pipeline(store, provider, POLICY, people=people).deliver(message) is Answer.ACK

    assert calls.taken() == {"BatchWrite": 2, "BatchGetDocuments": 1}
    (outgoing,) = provider.sent
    assert (outgoing.notification_id, outgoing.address) == (sent["id"], "a@example.com")
    assert (outgoing.subject, outgoing.text) == ("Deploy", "Build 42 is live")
    read = (await hark.client.get(f"/v1/notifications/{sent['id']}")).json()
    (delivery,) = read["deliveries"]
    assert (read["status"], delivery["status"], delivery["provider"]) == ("sent", "sent", "accepting")
    assert delivery["provider_message_id"] == "m-1"
    assert [(a["number"], a["outcome"]) for a in delivery["attempts"]] == [(1, "accepted")]


async def test_events_cost_a_publish_and_a_write_and_without_them_nothing(hark: Hark) -> None:
    """Off, the store is the one that knows nothing of them: the counts above are its."""
    off = CoreSettings(google_cloud_project=hark.project, firestore_emulator_host=hark.firestore)
    on = off.model_copy(update={"events": "on"})
    events = MemoryEvents()
    calls = Calls()
    async with rpc.connect(hark.firestore, calls.interceptors) as channel:
        records = rpc.Rpc(channel, f"projects/{hark.project}/databases/(default)", emulated=True)
        assert type(open_store(off, records, lambda: events)) is FirestoreStore
        await hark.sent()
        (message,) = await hark.published("email")
        pipeline = Pipeline(open_store(on, records, lambda: events), Accepting(), POLICY)
        assert await pipeline.deliver(message) is Answer.ACK
    assert calls.taken() == {"BatchWrite": 3}
    assert events.calls == 1
    assert [event.type for event in events.events] == ["delivery.sent"]
