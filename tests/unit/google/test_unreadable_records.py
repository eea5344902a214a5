"""What of a record cannot be read, what is said of it, and what becomes of a request that needs it."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import pytest

from functions.relay import overdue_deliveries
from functions.relay.overdue_deliveries import Relay
from shared.delivery.errors import UnreadableRecord
from shared.delivery.model import DeliveryStatus
from shared.google.firestore import records
from shared.google.firestore.value_encoding import encode
from shared.runtime import logs
from tests.fakes.api import Api, api_on_fakes
from tests.fakes.clock import START, Clock
from tests.fakes.publisher import MemoryPublisher
from tests.fakes.records import POLICY, a_notification, accepted, queued_deliveries
from tests.fakes.store import MemoryStore

NAME = "projects/p/databases/(default)/documents/notifications/n-1/deliveries/email"
CANARY = "canary-text"


def a_document(**changes: Any) -> Any:
    """Of a delivery, as it is written; with these fields instead, or without those that are None."""
    (delivery,) = queued_deliveries(a_notification())
    document = records.document(NAME, records.fixed_values(delivery) | records.state_values(delivery))
    document.update_time.GetCurrentTime()
    for name, value in changes.items():
        if value is None:
            del document.fields[name]
        else:
            document.fields[name].CopyFrom(encode(value))
    return document


@pytest.mark.parametrize(
    "damage",
    [
        {"status": CANARY},
        {"status": None},
        {"address": None},
        {"address": 7},
        {"created_at": CANARY},
        {"due_at": CANARY},
        {"due_at": {"at": CANARY}},
        {"shard": CANARY},
        {"relays": CANARY},
        {"simulated": CANARY},
        {"attempts": CANARY},
        {"attempts": [CANARY]},
        {"attempts": [{"number": 1, "outcome": CANARY}]},
        {"attempts": [{"number": 1}]},
        {"attempts": None},
    ],
    ids=str,
)
def test_what_is_of_no_type_that_it_has_cannot_be_read(
    damage: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure()
    damaged = a_document(**damage)
    with pytest.raises(UnreadableRecord, match=r"^notifications/n-1/deliveries/email: \w+ at \w+\.py:\d+$") as raised:
        records.read_one(damaged, records.to_delivery)
    assert CANARY not in str(raised.value)
    good = a_document()
    assert list(records.readable([damaged, good], records.to_delivery)) == [records.to_delivery(good)]
    told = capsys.readouterr().out
    assert "notifications/n-1/deliveries/email" in told
    assert CANARY not in told


def test_a_time_beyond_pythons_cannot_be_read() -> None:
    document = a_document()
    document.fields["due_at"].timestamp_value.seconds = 2**40
    with pytest.raises(UnreadableRecord):
        records.read_one(document, records.to_delivery)


@pytest.mark.parametrize("path", ["lists/alice@example.com", "lists/5f1d/members/alice@example.com"])
def test_a_lists_and_a_members_name_is_not_said(path: str) -> None:
    with pytest.raises(UnreadableRecord) as raised:
        records.read_one(records.document(f"projects/p/databases/(default)/documents/{path}", {}), records.to_recipient)
    assert str(raised.value).startswith("lists/")
    assert "alice" not in str(raised.value)


def test_a_recipients_name_is_not_said() -> None:
    """It may be a person's, or an address."""
    document = records.document("projects/p/databases/(default)/documents/recipients/alice@example.com", {})
    with pytest.raises(UnreadableRecord) as raised:
        records.read_one(document, records.to_recipient)
    assert str(raised.value).startswith("recipients/ff8d9819fc0e12bf: ")


async def test_the_relay_publishes_whatever_else_is_overdue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overdue_deliveries, "BATCH", 2)
    store, publisher = MemoryStore(), MemoryPublisher()
    made = [
        (await accepted(store, a_notification(created_at=START + timedelta(seconds=n), shard=3)))[0] for n in range(7)
    ]
    for delivery in made[:4]:
        store.spoil(f"notifications/{delivery.notification_id}/deliveries/email")
    swept = await Relay(store, publisher, POLICY, Clock(START + timedelta(hours=1)).now).sweep()
    assert swept.published == 3
    assert {message.notification_id for message in publisher.messages} == {d.notification_id for d in made[4:]}


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with api_on_fakes() as api:
        yield api


ASKED: Sequence[tuple[str, str, str, dict[str, Any]]] = [
    ("notifications/{id}", "GET", "/v1/notifications/{id}", {}),
    ("notifications/{id}/deliveries/email", "GET", "/v1/notifications/{id}", {}),
    ("notifications/{id}/deliveries/email", "POST", "/v1/dead-letters/{id}/email/replay", {}),
    ("notifications/{id}/deliveries/email", "DELETE", "/v1/dead-letters/{id}/email", {}),
    ("recipients/alice", "GET", "/v1/recipients/alice", {}),
    ("recipients/alice", "PUT", "/v1/recipients/alice", {"json": {"addresses": {"email": "b@example.com"}}}),
    ("recipients/alice", "POST", "/v1/notifications", {"json": {"recipient": "alice", "message": "x"}}),
]


@pytest.mark.parametrize(("spoilt", "method", "path", "request_"), ASKED)
async def test_a_request_that_needs_it_is_a_500_that_says_so(
    api: Api, spoilt: str, method: str, path: str, request_: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure()
    client = await api.client()
    of_alice = {"addresses": {"email": "a@example.com"}}
    assert (await client.put("/v1/recipients/alice", json=of_alice)).status_code == 201
    sent = (await client.post("/v1/notifications", json={"recipient": "alice", "message": "x"})).json()
    spoilt = spoilt.format(id=sent["id"])
    api.store.spoil(spoilt)
    answer = await client.request(method, path.format(id=sent["id"]), **request_)
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert "cannot be read" in answer.json()["detail"]
    (told,) = (line for line in capsys.readouterr().out.splitlines() if '"severity": "ERROR"' in line)
    assert spoilt in told
    for listing in ("/v1/notifications", "/v1/notifications?status=queued", "/v1/dead-letters", "/v1/recipients"):
        assert (await client.get(listing)).status_code == 200


async def test_the_same_key_again_is_not_taken_for_another_request(api: Api) -> None:
    client = await api.client()
    asked: dict[str, Any] = {
        "json": {"to": {"email": "a@example.com"}, "message": "x"},
        "headers": {"Idempotency-Key": "one"},
    }
    sent = (await client.post("/v1/notifications", **asked)).json()
    api.store.spoil(f"notifications/{sent['id']}/deliveries/email")
    published = len(api.publisher.messages)
    assert (await client.post("/v1/notifications", **asked)).status_code == 500
    assert len(api.publisher.messages) == published
    assert api.store.get(sent["id"], "email").status is DeliveryStatus.QUEUED
