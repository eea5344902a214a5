"""Records of another epoch send nothing, until somebody has said what is to become of what is pending in them."""

import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.delivery.errors import StoreUnavailable
from shared.delivery.model import DeliveryStatus
from shared.entrypoint.channel_function import _unless_held
from shared.entrypoint.restored_records import LOOK_AGAIN, RestoredRecords
from shared.google.firestore.epoch_record import EpochRecord
from shared.google.firestore.rpc import Rpc
from shared.sending.messages import Answer, Message
from tests.checkout import ROOT
from tests.integration.gateway import Hark, client_of


class Clock:
    time = 0.0

    def __call__(self) -> float:
        return self.time


class Record:
    def __init__(self, value: str | None) -> None:
        self.value = value
        self.reads = 0

    async def read(self) -> str | None:
        self.reads += 1
        return self.value


async def test_records_of_this_epoch_are_asked_about_once() -> None:
    record = Record("2")
    restored = RestoredRecords("2", record.read, Clock())
    assert [await restored.why_held() for _ in range(5)] == [None] * 5
    assert record.reads == 1


@pytest.mark.parametrize("there", [None, "1"])
async def test_others_are_held_back_until_they_are_adopted(there: str | None) -> None:
    record, clock = Record(there), Clock()
    restored = RestoredRecords("2", record.read, clock)
    for _ in range(5):
        assert "adopt-epoch" in (await restored.why_held() or "")
    assert record.reads == 1
    record.value = "2"
    clock.time += LOOK_AGAIN
    assert await restored.why_held() is None


async def test_who_cannot_ask_sends_nothing_either() -> None:
    async def unavailable() -> str | None:
        raise StoreUnavailable("down")

    with pytest.raises(StoreUnavailable):
        await RestoredRecords("2", unavailable, Clock()).why_held()


async def test_a_push_is_acked_and_nothing_is_claimed_while_they_are_held_back() -> None:
    record, clock, taken = Record("1"), Clock(), []

    async def deliver(message: Message) -> Answer:
        taken.append(message)
        return Answer.ACK

    handle = _unless_held(RestoredRecords("2", record.read, clock), deliver)
    message = Message(notification_id="6ba95bd8-6a68-49cb-a4fb-9d8f2ac7c1b4", channel="email")
    assert (await handle(message), taken) == (Answer.ACK, [])
    record.value, clock.time = "2", LOOK_AGAIN
    assert (await handle(message), taken) == (Answer.ACK, [message])


async def health(hark: Hark, record: Any) -> tuple[int, str]:
    restored = RestoredRecords("2", record, Clock())
    async with client_of(replace(hark.gateway, restored=restored), None) as anybody:
        answer = await anybody.get("/healthz")
        return answer.status_code, answer.text


async def test_healthz_says_so(hark: Hark) -> None:
    status, text = await health(hark, Record("1").read)
    assert status == 503
    assert "EPOCH is 2" in text
    assert await health(hark, Record("2").read) == (200, "ok")


def adopt(hark: Hark, epoch: str | None, *arguments: str) -> "subprocess.CompletedProcess[str]":
    environ = {"PATH": os.environ["PATH"], "GOOGLE_CLOUD_PROJECT": hark.project}
    environ |= {"FIRESTORE_EMULATOR_HOST": hark.firestore} | ({"EPOCH": epoch} if epoch else {})
    return subprocess.run(
        [sys.executable, "-m", "functions.relay", "adopt-epoch", *arguments],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def test_the_command_cancels_what_is_pending_or_lets_it_go(hark: Hark) -> None:
    sent, pending, later = [await hark.sent() for _ in range(3)]
    await hark.set(sent["id"], "email", DeliveryStatus.SENT)
    far = datetime.now(UTC) + timedelta(days=300)
    await hark.set(later["id"], "email", DeliveryStatus.SCHEDULED, due_at=far, next_try_at=far, scheduled_for=far)
    record = EpochRecord(Rpc(hark.channel, f"projects/{hark.project}/databases/(default)", emulated=True))
    assert await record.read() is None
    kept = adopt(hark, "2", "--pending", "send")
    assert (kept.returncode, kept.stdout) == (0, "epoch none -> 2; cancelled 0 deliveries\n"), kept.stderr
    assert await record.read() == "2"
    gone = adopt(hark, "3", "--pending", "cancel")
    assert (gone.returncode, gone.stdout) == (0, "epoch 2 -> 3; cancelled 2 deliveries\n"), gone.stderr
    statuses = []
    for each in (sent, pending, later):
        notification = await hark.store.notification(each["id"])
        assert notification is not None
        statuses += [delivery.status for delivery in await hark.store.deliveries_of(notification)]
    assert statuses == ["sent", "cancelled", "cancelled"]
    assert await record.read() == "3"


def test_without_an_epoch_there_is_nothing_to_adopt(hark: Hark) -> None:
    refused = adopt(hark, None, "--pending", "send")
    assert (refused.returncode, refused.stderr) == (1, "hark: EPOCH must be set, to what the functions have\n")
