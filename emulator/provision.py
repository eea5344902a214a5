"""The topics and subscriptions of the Pub/Sub emulator, over its REST API.

REST, since importing google.pubsub_v1 takes longer than the whole provisioning. Neither a retry policy nor
message ordering here: on emulator 0.8.20 two messages that fail together stall a subscription with a retry
policy for good, and ordering together with a dead-letter policy kills its push thread.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import aiohttp

from emulator.config import DEAD_LETTER, EVENTS, Config
from emulator.errors import ProvisionError
from emulator.process import POLL_SECONDS

MAX_DELIVERY_ATTEMPTS = 5
MOST_EVENT_ATTEMPTS = 100  # of an event, which has no record that would be due; Pub/Sub allows no more
TIMEOUT = aiohttp.ClientTimeout(total=10)


@dataclass(frozen=True)
class Plan:
    """Resource path → body of its PUT. Topics come first: a subscription refers to one or two of them."""

    topics: dict[str, dict[str, Any]]
    subscriptions: dict[str, dict[str, Any]]


def plan(config: Config, push_host: str) -> Plan:
    """`push_host`: this machine as the emulator sees it."""
    topics: dict[str, dict[str, Any]] = {}
    subscriptions: dict[str, dict[str, Any]] = {}

    def push_to(function: str) -> dict[str, Any]:
        return {
            "ackDeadlineSeconds": config.ack_deadline_seconds,
            "pushConfig": {"pushEndpoint": f"http://{push_host}:{config.ports[function]}/"},
        }

    for channel in config.channels:
        name = f"notifications-{channel.name}"
        topic = f"projects/{config.project}/topics/{name}"
        dead = f"{topic}-dead"
        subscription = f"projects/{config.project}/subscriptions/{name}"
        policy = {"deadLetterTopic": dead, "maxDeliveryAttempts": MAX_DELIVERY_ATTEMPTS}
        pushed = {"deadLetterPolicy": policy, **push_to(channel.name)}
        topics |= {topic: {}, f"{topic}-bulk": {}, dead: {}}
        subscriptions |= {
            f"{subscription}-push": {"topic": topic, **pushed},
            f"{subscription}-bulk-push": {"topic": f"{topic}-bulk", **pushed},
            f"{subscription}-dead-push": {"topic": dead, **push_to(DEAD_LETTER)},
            f"{subscription}-dead-keep": {"topic": dead},
        }
    if config.has_events:
        topic, subscription = (f"projects/{config.project}/{kind}/{EVENTS}" for kind in ("topics", "subscriptions"))
        policy = {"deadLetterTopic": f"{topic}-dead", "maxDeliveryAttempts": MOST_EVENT_ATTEMPTS}
        topics |= {topic: {}, f"{topic}-dead": {}}
        subscriptions |= {
            f"{subscription}-push": {"topic": topic, "deadLetterPolicy": policy, **push_to(EVENTS)},
            f"{subscription}-dead-keep": {"topic": f"{topic}-dead"},
        }
    return Plan(topics, subscriptions)


async def provision(http: aiohttp.ClientSession, emulator: str, wanted: Plan) -> None:
    """Makes `wanted` so on the emulator at `emulator` (host:port), whatever of it is there already.

    Waits for an emulator that does not answer. Raises ProvisionError.
    """
    api = f"http://{emulator}/v1"
    await asyncio.gather(*(_call(http, "PUT", f"{api}/{path}", body) for path, body in wanted.topics.items()))
    await asyncio.gather(*_subscribe(http, api, wanted))


def _subscribe(http: aiohttp.ClientSession, api: str, wanted: Plan) -> Iterator[Any]:
    for path, body in wanted.subscriptions.items():
        yield _put_subscription(http, f"{api}/{path}", body)


async def _put_subscription(http: aiohttp.ClientSession, url: str, body: dict[str, Any]) -> None:
    there_already = not await _call(http, "PUT", url, body)
    if there_already and "pushConfig" in body:
        # An emulator that outlives the stack may still push to the ports of an earlier one.
        await _call(http, "POST", f"{url}:modifyPushConfig", {"pushConfig": body["pushConfig"]})


async def _call(http: aiohttp.ClientSession, method: str, url: str, body: dict[str, Any]) -> bool:
    """False: it exists already."""
    while True:
        try:
            async with http.request(method, url, json=body, timeout=TIMEOUT) as answer:
                if answer.status not in (200, 409):
                    raise ProvisionError(f"{method} {url}: {answer.status} {(await answer.text())[:500]}")
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError):
            await asyncio.sleep(POLL_SECONDS)
