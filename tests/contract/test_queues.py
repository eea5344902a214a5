"""What Hark relies on of Pub/Sub: of its emulator, and of the one in memory."""

import asyncio
import base64
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from emulator import provision
from emulator.config import HOST
from emulator.embedded import pubsub as embedded
from emulator.provision import Plan
from shared.delivery.errors import PublishFailed
from shared.google.publisher import PubsubPublisher, connect
from shared.sending.messages import Message
from tests.contract.providers import until

MOST_PUSHES = 5
PATIENCE = 30.0  # seconds; the emulator pushes again when it likes


@dataclass
class Function:
    """What is pushed to: it answers as it is told, one status a push, and then 204."""

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    pushes: list[Any] = field(default_factory=list)
    held: asyncio.Event | None = None

    async def push(self, request: web.Request) -> web.Response:
        self.pushes.append(await request.json())
        if self.held is not None:
            await self.held.wait()
        return web.Response(status=self.statuses.pop(0) if self.statuses else 204)


@dataclass
class Queue:
    """One channel's topics and subscriptions, with the two functions behind them."""

    channel: str
    project: str
    publisher: PubsubPublisher
    function: Function
    dead_letter: Function

    async def publish(self) -> Message:
        message = Message(notification_id=str(uuid.uuid4()), channel=self.channel)
        await self.publisher.publish([message])
        return message


@asynccontextmanager
async def listening(function: Function) -> AsyncIterator[Function]:
    app = web.Application()
    app.router.add_post("/", function.push)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, HOST, 0)
    await site.start()
    function.url = f"http://{HOST}:{runner.addresses[0][1]}/"
    try:
        yield function
    finally:
        await runner.cleanup()


Provision = Callable[[Plan], Awaitable[None]]


@asynccontextmanager
async def pubsub_of(request: pytest.FixtureRequest) -> AsyncIterator[tuple[str, Provision]]:
    if request.param == "emulator":
        host = request.getfixturevalue("pubsub_host")
        async with aiohttp.ClientSession() as http:
            yield host, lambda plan: provision.provision(http, host, plan)
        return

    async with embedded.serving() as (host, topics):

        async def provisioned(plan: Plan) -> None:
            topics.provision(plan)

        yield host, provisioned


@pytest.fixture(params=["emulator", "embedded"])
async def queue(request: pytest.FixtureRequest) -> AsyncIterator[Queue]:
    channel, project = f"q{uuid.uuid4().hex[:8]}", f"test-{uuid.uuid4().hex[:8]}"
    async with (
        listening(Function()) as function,
        listening(Function()) as dead_letter,
        pubsub_of(request) as (host, provisioned),
        connect(host) as publishing,
    ):
        topic = f"projects/{project}/topics/notifications-{channel}"
        subscription = f"projects/{project}/subscriptions/notifications-{channel}"
        policy = {"deadLetterTopic": f"{topic}-dead", "maxDeliveryAttempts": MOST_PUSHES}
        pushed = {"ackDeadlineSeconds": 10, "topic": topic, "pushConfig": {"pushEndpoint": function.url}}
        dead = {"ackDeadlineSeconds": 10, "topic": f"{topic}-dead", "pushConfig": {"pushEndpoint": dead_letter.url}}
        subscriptions: dict[str, dict[str, Any]] = {
            f"{subscription}-push": {**pushed, "deadLetterPolicy": policy},
            f"{subscription}-dead-push": dead,
            f"{subscription}-dead-keep": {"topic": f"{topic}-dead"},
        }
        await provisioned(Plan({topic: {}, f"{topic}-dead": {}}, subscriptions))
        yield Queue(channel, project, PubsubPublisher(publishing, project), function, dead_letter)


def message_of(push: Any) -> Message:
    return Message.model_validate_json(base64.b64decode(push["message"]["data"]))


async def test_what_is_published_is_pushed_once(queue: Queue) -> None:
    message = await queue.publish()
    await until(lambda: bool(queue.function.pushes), PATIENCE)
    (push,) = queue.function.pushes
    assert message_of(push) == message
    assert push["subscription"] == f"projects/{queue.project}/subscriptions/notifications-{queue.channel}-push"
    assert push["message"]["messageId"]
    assert queue.dead_letter.pushes == []


@pytest.mark.parametrize("status", [500, 429, 408, 302])
async def test_what_is_not_acknowledged_comes_again(queue: Queue, status: int) -> None:
    queue.function.statuses = [status]
    message = await queue.publish()
    await until(lambda: len(queue.function.pushes) > 1, PATIENCE)
    first, again = queue.function.pushes
    assert message_of(first) == message_of(again) == message
    assert first["message"]["messageId"] == again["message"]["messageId"]


async def test_after_so_many_pushes_it_is_a_dead_letter_that_says_whose(queue: Queue) -> None:
    queue.function.statuses = [503] * 50
    message = await queue.publish()
    await until(lambda: bool(queue.dead_letter.pushes), PATIENCE)
    assert len(queue.function.pushes) == MOST_PUSHES
    (push,) = queue.dead_letter.pushes
    assert message_of(push) == message
    source = {n: v for n, v in push["message"]["attributes"].items() if n.startswith("CloudPubSubDeadLetterSource")}
    assert source.pop("CloudPubSubDeadLetterSourceTopicPublishTime")
    assert source == {
        "CloudPubSubDeadLetterSourceDeliveryCount": str(MOST_PUSHES),
        "CloudPubSubDeadLetterSourceSubscription": f"notifications-{queue.channel}-push",
        "CloudPubSubDeadLetterSourceSubscriptionProject": queue.project,
    }


async def test_what_is_not_answered_within_the_deadline_comes_again(queue: Queue) -> None:
    queue.function.held = asyncio.Event()
    await queue.publish()
    await until(lambda: bool(queue.function.pushes), PATIENCE)
    await until(lambda: len(queue.function.pushes) > 1, PATIENCE)
    queue.function.held.set()


async def test_a_message_that_waits_keeps_no_other_back(queue: Queue) -> None:
    queue.function.held = asyncio.Event()
    messages = [await queue.publish() for _ in range(2)]
    await until(lambda: len(queue.function.pushes) == 2, PATIENCE)
    queue.function.held.set()
    assert {message_of(push).notification_id for push in queue.function.pushes} == {
        message.notification_id for message in messages
    }


async def test_a_topic_that_is_not_there_takes_nothing(queue: Queue) -> None:
    with pytest.raises(PublishFailed):
        await queue.publisher.publish([Message(notification_id=str(uuid.uuid4()), channel="nowhere")])
