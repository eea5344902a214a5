"""What one notification asks of Firestore and Pub/Sub: `python -m bench.rpc_costs [--json]`.

Starts the emulators as the tests do, and measures there: RPCs with the bytes of their gRPC messages, documents with the
bytes that Firestore bills for them (by its own rule, bench/storage_size.py), Pub/Sub's messages, log lines, CPU.
"""

import argparse
import asyncio
import base64
import contextlib
import io
import json
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc.aio
import httpx

from bench.storage_size import index_bytes, stored_bytes
from functions.gateway.access.caller_store import FirestoreCallers, Usage
from functions.relay.overdue_deliveries import Relay
from shared.channels.declaration import topic
from shared.channels.registry import channel_names
from shared.delivery.errors import Retryable
from shared.delivery.model import DeliveryStatus, Receipt
from shared.entrypoint.push_decoding import decode_push
from shared.google.firestore import rpc
from shared.google.firestore.people_store import FirestorePeople
from shared.google.firestore.receipt_store import FirestoreReceipts
from shared.google.firestore.records import delivery_name, notification_name
from shared.google.firestore.store import FirestoreStore
from shared.google.publisher import PubsubPublisher, connect
from shared.people.suppression import AddressHash
from shared.runtime import logs, trace_context
from shared.runtime.settings import CoreSettings
from shared.sending.messages import Message
from shared.sending.pipeline import Pipeline
from shared.sending.provider import Outgoing
from shared.sending.receipts import take
from tests.emulators import emulator
from tests.integration.gateway import client_of, gateway_over, new_caller_in

TO = {"email": "someone@example.com", "sms": "+14155552671", "slack": "#ops"}
BODY = {"subject": "Deploy", "message": "Build 42 is live. " * 10, "tags": {"team": "infra"}}
TIMED = 300  # accepts and pushes whose CPU is measured


@dataclass(slots=True)
class Rpcs:
    """Of one method. Firestore bills writes and reads, whether refused or missing or not; a query at least one read."""

    count: int = 0
    sent: int = 0
    received: int = 0
    writes: int = 0
    reads: int = 0


@dataclass(slots=True)
class Meter:
    """What one piece of work asked: RPCs by method, with the bytes of their messages."""

    rpcs: dict[str, Rpcs] = field(default_factory=dict)

    def sent(self, details: Any, request: Any) -> Rpcs:
        method = details.method.decode() if isinstance(details.method, bytes) else details.method
        seen = self.rpcs.setdefault(method.rpartition("/")[2], Rpcs())
        seen.count += 1
        seen.sent += request.ByteSize()
        seen.writes += len(getattr(request, "writes", ()))
        seen.reads += len(getattr(request, "documents", ()))
        return seen

    def taken(self) -> "Meter":
        taken = Meter(self.rpcs)
        self.rpcs = {}
        return taken


class _Unary(grpc.aio.UnaryUnaryClientInterceptor):  # type: ignore[misc] # grpc has no types
    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    async def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        seen = self._meter.sent(details, request)
        call = await continuation(details, request)
        with contextlib.suppress(grpc.aio.AioRpcError):  # a refused write has no message; the caller gets its error
            answer = await call  # not within the sum: others are added meanwhile
            seen.received += answer.ByteSize()
        return call


class _Stream(grpc.aio.UnaryStreamClientInterceptor):  # type: ignore[misc] # grpc has no types
    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    async def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:
        seen = self._meter.sent(details, request)
        call = await continuation(details, request)

        async def answers() -> AsyncIterator[Any]:
            found = 0
            async for answer in call:
                seen.received += answer.ByteSize()
                found += hasattr(answer, "document") and answer.HasField("document")
                yield answer
            seen.reads += 0 if hasattr(request, "documents") else max(1, found)

        return answers()


class _Provider:
    """Refuses the first `failures` calls, then accepts."""

    name = "bench"

    def __init__(self, failures: int = 0) -> None:
        self._failures = failures

    async def send(self, outgoing: Outgoing) -> str | None:
        if self._failures:
            self._failures -= 1
            raise Retryable("503")
        return f"SM{outgoing.notification_id.replace('-', '')}"

    async def aclose(self) -> None:
        """Nothing to close."""


class Bench:
    """`log`: where the functions' log lines go."""

    def __init__(self, firestore: str, pubsub_host: str, http: httpx.AsyncClient, log: io.StringIO) -> None:
        self.meter = Meter()
        self.request_bytes = self.answer_bytes = 0  # of the last accept's bodies
        self._log = log
        self.project = f"bench-{uuid.uuid4().hex[:12]}"
        self.policy = CoreSettings(google_cloud_project=self.project, retry_base_seconds=0.01).policy()
        interceptors = (_Unary(self.meter), _Stream(self.meter))
        self.records = rpc.Rpc(
            rpc.connect(firestore, interceptors), f"projects/{self.project}/databases/(default)", emulated=True
        )
        self.store = FirestoreStore(self.records)
        self.callers = FirestoreCallers(self.records)
        self.receipts = FirestoreReceipts(self.records)
        self.people = FirestorePeople(self.records, AddressHash("of a bench"))
        self.publisher = PubsubPublisher(connect(pubsub_host, interceptors), self.project)
        self._pubsub = f"http://{pubsub_host}/v1/projects/{self.project}"
        self._http = http

    async def start(self) -> None:
        for channel in channel_names():
            name = f"projects/{self.project}/topics/{topic(channel)}"
            await self._http.put(f"{self._pubsub}/topics/{topic(channel)}", json={})
            await self._http.put(f"{self._pubsub}/subscriptions/{topic(channel)}", json={"topic": name})
        gateway = gateway_over(self.store, self.publisher, self.callers, self.receipts, people=self.people)
        self.caller, key = await new_caller_in(self.callers, name="bench")
        self.client = client_of(gateway, key)
        await self.accept(["email"])  # the caller is read, and its use exchanged, once for many
        await asyncio.sleep(0.5)
        await self.pushes("email")
        self.meter.taken()

    async def accept(self, channels: list[str]) -> str:
        body = {**BODY, "to": {channel: TO[channel] for channel in channels}}
        answer = await self.client.post("/v1/notifications", json=body, headers={"Idempotency-Key": uuid.uuid4().hex})
        assert answer.status_code == 202, answer.text
        self.request_bytes, self.answer_bytes = len(answer.request.content), len(answer.content)
        return str(answer.json()["id"])

    async def pushes(self, channel: str, most: int = 1) -> list[bytes]:
        """Bodies of push requests, made of pulled messages: https://cloud.google.com/pubsub/docs/push#receive_push"""
        name = f"{self._pubsub}/subscriptions/{topic(channel)}"
        rows = (await self._http.post(f"{name}:pull", json={"maxMessages": most})).json()["receivedMessages"]
        await self._http.post(f"{name}:acknowledge", json={"ackIds": [row["ackId"] for row in rows]})
        subscription = f"projects/{self.project}/subscriptions/{topic(channel)}"
        return [
            json.dumps({"message": row["message"], "subscription": subscription, "deliveryAttempt": 1}).encode()
            for row in rows
        ]

    async def deliver(self, body: bytes, failures: int = 0) -> None:
        """As often as it is pushed, until it is acked."""
        pipeline = Pipeline(self.store, _Provider(failures), self.policy, people=self.people)
        for _ in range(failures + 1):
            message = decode_push(body)
            with trace_context.bound(message.traceparent):
                await pipeline.deliver(message)

    async def measured(self, work: Callable[[], Awaitable[None]]) -> dict[str, Any]:
        logged = self._log.tell()
        await work()
        rpcs = self.meter.taken().rpcs
        return {
            "rpcs": {name: asdict(made) for name, made in sorted(rpcs.items())},
            "writes": sum(made.writes for made in rpcs.values()),
            "reads": sum(made.reads for made in rpcs.values()),
            "log_bytes": self._log.tell() - logged,
        }

    async def documents(self, notification_id: str, channels: list[str]) -> list[Any]:
        names = [notification_name(self.records.documents, notification_id)]
        names += [delivery_name(self.records.documents, notification_id, channel) for channel in channels]
        found = await self.records.batch_get(names)
        self.meter.taken()
        return [found[name] for name in names]

    async def one(self, channels: list[str], failures: int = 0) -> dict[str, Any]:
        """A notification's whole way."""
        ids: list[str] = []
        bodies: list[bytes] = []

        async def accepting() -> None:
            ids.append(await self.accept(channels))

        async def delivering() -> None:
            for body in bodies:
                await self.deliver(body, failures)

        accepted = await self.measured(accepting)
        for channel in channels:
            bodies += await self.pushes(channel)
        delivered = await self.measured(delivering)
        documents = await self.documents(ids[0], channels)
        return {
            "gateway": accepted,
            "function": delivered,
            "request_bytes": self.request_bytes,
            "answer_bytes": self.answer_bytes,
            "push_request_bytes": [len(body) for body in bodies],
            "pubsub_message_bytes": [_message_bytes(body) for body in bodies],
            "documents": len(documents),
            "stored_bytes": sum(map(stored_bytes, documents)),
            "index": _sums([index_bytes(document) for document in documents]),
        }

    async def receipt(self) -> dict[str, Any]:
        notification_id = await self.accept(["sms"])
        (body,) = await self.pushes("sms")
        await self.deliver(body)
        self.meter.taken()
        receipt = Receipt("sms", "bench", f"SM{notification_id.replace('-', '')}", DeliveryStatus.DELIVERED)

        async def named() -> None:
            changed = Receipt("sms", "bench", None, DeliveryStatus.DELIVERED, notification_id)
            await take(self.store, self.receipts, self.people, changed, datetime.now(UTC))

        async def by_message_id() -> None:
            await take(self.store, self.receipts, self.people, receipt, datetime.now(UTC))

        first = await self.measured(named)
        return {"names its notification": first, "again, by message id": await self.measured(by_message_id)}

    async def others(self) -> dict[str, Any]:
        async def look_up() -> None:
            await self.callers.read([self.caller.id])

        async def exchange() -> None:
            await self.callers.add(Usage(self.caller.id, datetime.now(UTC), 7, 7))

        async def sweep() -> None:
            later = datetime.now(UTC) + timedelta(minutes=2)
            await Relay(self.store, self.publisher, self.policy, now=lambda: later).sweep()

        await self.measured(sweep)
        results = {
            "caller read": await self.measured(look_up),
            "usage exchange": await self.measured(exchange),
        }
        results["empty sweep"] = await self.measured(sweep)
        await self.accept(["slack"])
        self.meter.taken()
        results["sweep of one"] = await self.measured(sweep)
        await self.pushes("slack", 10)
        hint = [Message(notification_id=str(uuid.uuid4()), channel="slack")]
        await self.publisher.publish(hint)
        (body,) = await self.pushes("slack")
        results["relayed message"] = {"push_request_bytes": len(body), "pubsub_message_bytes": _message_bytes(body)}
        return results

    async def cpu(self) -> dict[str, float]:
        """Milliseconds of this process's CPU, one at a time; an accept's has the calling client's in it."""
        began = time.process_time()
        for _ in range(TIMED):
            await self.accept(["email"])
        accepting = time.process_time() - began
        bodies: list[bytes] = []
        while len(bodies) < TIMED:
            bodies += await self.pushes("email", TIMED - len(bodies))
        began = time.process_time()
        for body in bodies:
            await self.deliver(body)
        delivering = time.process_time() - began
        return {"accept_ms": 1000 * accepting / TIMED, "push_ms": 1000 * delivering / TIMED}


def _sums(counted: list[dict[str, int]]) -> dict[str, int]:
    return {name: sum(one[name] for one in counted) for name in counted[0]}


def _message_bytes(push: bytes) -> int:
    """As Pub/Sub counts: data, attributes, 20 for the time, the id (https://cloud.google.com/pubsub/pricing)."""
    message = json.loads(push)["message"]
    attributes = sum(len(key) + len(value) for key, value in message.get("attributes", {}).items())
    return len(base64.b64decode(message["data"])) + attributes + 20 + len(message["messageId"])


async def measure(firestore: str, pubsub_host: str) -> dict[str, Any]:
    log = io.StringIO()
    async with httpx.AsyncClient(timeout=30) as http:
        with contextlib.redirect_stdout(log):
            logs.configure()
        bench = Bench(firestore, pubsub_host, http, log)
        await bench.start()
        results: dict[str, Any] = {
            "one channel, first try": await bench.one(["email"]),
            "one channel, one retry": await bench.one(["email"], failures=1),
            "three channels": await bench.one(["email", "sms", "slack"]),
            "receipt": await bench.receipt(),
            "beside them": await bench.others(),
        }
        return results | {"cpu": await bench.cpu()}


def _print(name: str, value: Any, indent: int = 0) -> None:
    if isinstance(value, dict) and "count" in value:
        print(f"{'  ' * indent}{name}: " + ", ".join(f"{key} {item}" for key, item in value.items()))
    elif isinstance(value, dict):
        print(f"{'  ' * indent}{name}")
        for key, item in value.items():
            _print(key, item, indent + 1)
    else:
        print(f"{'  ' * indent}{name}: {f'{value:.2f}' if isinstance(value, float) else value}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    as_json = parser.parse_args().json
    with emulator("firestore") as firestore, emulator("pubsub") as pubsub_host:
        results = asyncio.run(measure(firestore, pubsub_host))
    if as_json:
        print(json.dumps(results, indent=1))
    else:
        for name, value in results.items():
            _print(name, value)


if __name__ == "__main__":
    main()
