"""From an event to a delivery for each endpoint that wants it."""

import base64
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from functions.events.cloud_events import decode_event
from functions.events.fan_out import FanOut
from shared.delivery.errors import MalformedPush, StoreUnavailable
from shared.delivery.events import OF_EVENTS
from shared.google.publisher import _cloud_event
from shared.people.suppression import AddressHash
from shared.sending.endpoints import Endpoint, EndpointState
from shared.sending.event_deliveries import EventDeliveries
from shared.sending.event_messages import EventMessage
from tests.fakes.clock import START, Clock
from tests.fakes.endpoints import MemoryEndpoints
from tests.fakes.publisher import MemoryPublisher
from tests.fakes.records import POLICY
from tests.fakes.store import MemoryStore

EVENT = EventMessage("evt_1", "delivery.sent", START, "notifications/1/deliveries/sms", '{"status":"sent"}')


class Setting:
    def __init__(self) -> None:
        self.store, self.endpoints, self.publisher = MemoryStore(), MemoryEndpoints(), MemoryPublisher()
        self.clock = Clock()
        making = EventDeliveries("webhook", timedelta(days=30), POLICY, AddressHash("any"))
        self.fan_out = FanOut(self.store, self.endpoints, self.publisher, making, self.clock.now)

    async def endpoint(self, name: str, *events: str, **changes: Any) -> None:
        made = Endpoint(name, name, "https://example.com/", events, START, START)
        await self.endpoints.put_endpoint(replace(made, **changes))

    @property
    def addresses(self) -> list[str]:
        ids = [message.notification_id for message in self.publisher.messages]
        return sorted(self.store.get(notification_id, "webhook").address for notification_id in ids)


@pytest.fixture
def setting() -> Setting:
    return Setting()


async def test_who_wants_it_gets_it(setting: Setting) -> None:
    await setting.endpoint("all", "*")
    await setting.endpoint("sent", "delivery.dead", "delivery.sent")
    await setting.endpoint("dead", "delivery.dead")
    await setting.endpoint("over", "*", state=EndpointState.DISABLED)
    await setting.fan_out.take(EVENT)
    assert setting.addresses == ["all", "sent"]
    notification = setting.store.all_notifications()[0]
    assert notification.caller == OF_EVENTS
    content = setting.publisher.messages[0].content
    assert content is not None
    sent = content.everything()
    assert sent["event"] == "evt_1"
    assert json.loads(sent["message"]) == {
        "type": "delivery.sent",
        "timestamp": "2026-01-02T03:04:05.678901Z",
        "data": {"status": "sent"},
    }


async def test_a_repeat_makes_nothing(setting: Setting) -> None:
    await setting.endpoint("all", "*")
    await setting.fan_out.take(EVENT)
    setting.clock.advance(100)
    await setting.fan_out.take(EVENT)
    assert len(setting.publisher.messages) == len(setting.store.all_notifications()) == 1
    await setting.fan_out.take(replace(EVENT, id="evt_2"))
    assert len(setting.store.all_notifications()) == 2


async def test_what_is_on_record_and_not_published_is_due(setting: Setting) -> None:
    await setting.endpoint("all", "*")
    setting.publisher.fail()
    await setting.fan_out.take(EVENT)
    due = await setting.store.overdue(None, setting.clock.now() + timedelta(hours=1), 10)
    assert [delivery.address for delivery in due] == ["all"]


async def test_without_records_it_is_not_acknowledged(setting: Setting) -> None:
    await setting.endpoint("all", "*")
    setting.store.down("create")
    with pytest.raises(StoreUnavailable):
        await setting.fan_out.take(EVENT)


def pushed(message: Any) -> bytes:
    return json.dumps({"message": message}).encode()


def test_an_event_comes_back_as_it_was_published() -> None:
    published = _cloud_event(EVENT, "any")
    assert published.attributes["ce-source"] == "//hark/projects/any"
    data = base64.b64encode(published.data).decode()
    assert decode_event(pushed({"data": data, "attributes": dict(published.attributes)})) == EVENT


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        pushed({"data": "e30="}),
        pushed({"data": "W10=", "attributes": dict(_cloud_event(EVENT, "any").attributes)}),
        pushed({"data": "%", "attributes": dict(_cloud_event(EVENT, "any").attributes)}),
    ],
)
def test_what_is_none_of_ours_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedPush):
        decode_event(body)
