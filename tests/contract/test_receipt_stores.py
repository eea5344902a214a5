"""What every store of waiting receipts promises (shared/sending/receipts.py), in memory and on Firestore's emulator."""

import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.delivery.model import DeliveryStatus, Receipt, SuppressionReason
from shared.google.firestore import rpc
from shared.google.firestore.receipt_store import FirestoreReceipts
from shared.sending.receipts import ReceiptStore, Waiting
from tests.contract import stores
from tests.fakes.clock import START
from tests.fakes.receipts import MemoryReceipts

LATER = START + timedelta(minutes=1)
FULL = Receipt(
    channel="email",
    provider="sendgrid",
    provider_message_id="m-1",
    status=DeliveryStatus.UNDELIVERED,
    notification_id=str(uuid.UUID(int=1)),
    reason="SendGrid reports bounce (5.1.1)",
    overrules=True,
    suppresses=SuppressionReason.HARD_BOUNCE,
)
BARE = Receipt(channel="sms", provider="twilio", provider_message_id=None, status=DeliveryStatus.DELIVERED)


def waiting(receipt: Receipt = FULL, name: str = "a", **changes: object) -> Waiting:
    made = Waiting(receipt, id=name * 32, shard=3, due_at=START, expire_at=START + timedelta(days=3))
    return replace(made, **changes)  # type: ignore[arg-type]


@pytest.fixture(params=["memory", "firestore", "embedded"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[ReceiptStore]:
    if request.param == "memory":
        yield MemoryReceipts()
        return
    async with stores.firestore_of(request) as host, rpc.connect(host) as channel:
        project = f"test-{uuid.uuid4().hex[:12]}"
        yield FirestoreReceipts(rpc.Rpc(channel, f"projects/{project}/databases/(default)", emulated=True))


async def test_what_waits_is_found_when_it_is_due(store: ReceiptStore) -> None:
    for each in (waiting(), waiting(BARE, "b", due_at=START - timedelta(seconds=1)), waiting(name="c", shard=4)):
        await store.keep(each)
    assert await store.due(3, LATER, 10) == [waiting(BARE, "b", due_at=START - timedelta(seconds=1)), waiting()]
    assert await store.due(3, START, 10) == [waiting(BARE, "b", due_at=START - timedelta(seconds=1))]
    assert len(await store.due(3, LATER, 1)) == 1
    assert await store.due(5, LATER, 10) == []
    assert len(await store.due(None, LATER, 10)) == 3


async def test_what_is_kept_again_takes_the_place_of_the_first(store: ReceiptStore) -> None:
    await store.keep(waiting())
    await store.keep(waiting(looks=1, due_at=LATER))
    assert await store.due(3, LATER, 10) == []
    assert await store.due(3, LATER + timedelta(seconds=1), 10) == [waiting(looks=1, due_at=LATER)]


async def test_what_is_forgotten_is_gone_and_forgetting_twice_is_forgetting_once(store: ReceiptStore) -> None:
    await store.keep(waiting())
    for _ in range(2):
        await store.forget(waiting())
    assert await store.due(3, LATER, 10) == []


async def test_a_record_that_cannot_be_read_keeps_no_other_back(
    store: ReceiptStore, capsys: pytest.CaptureFixture[str]
) -> None:
    if not isinstance(store, FirestoreReceipts):
        pytest.skip("in memory there are none")
    await store.keep(waiting())
    for n in range(3):
        broken = rpc.Document(name=f"{store._rpc.documents}/receipts/{n}")
        broken.fields["shard"].integer_value = 3
        broken.fields["due_at"].timestamp_value.FromDatetime(START - timedelta(seconds=1))
        await store._rpc.commit([rpc.Write(update=broken)])
    for limit in (1, 10):
        assert await store.due(3, LATER, limit) == [waiting()]
    assert "receipts/2: " in capsys.readouterr().out
