"""The gateway in this process, over the real Firestore and Pub/Sub emulators, each test in a project of its own."""

import asyncio
import base64
import json
import re
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc.aio
import httpx
from pydantic import TypeAdapter

from functions.gateway.access import api_keys
from functions.gateway.access.authentication import CallerCache, Identity
from functions.gateway.access.caller import Caller, CallerKind, Scope
from functions.gateway.access.caller_quotas import CallerQuotas
from functions.gateway.access.caller_store import CallerStore, FirestoreCallers
from functions.gateway.application import application
from functions.gateway.audit_trail.acts import Naming
from functions.gateway.audit_trail.audit_store import FirestoreAudit
from functions.gateway.audit_trail.recording import Audit
from functions.gateway.audit_trail.trail import Trail
from functions.gateway.notifications.schemas import NotificationJson
from functions.gateway.rendering.firestore_templates import FirestoreTemplates
from functions.gateway.rendering.templated_content import Templates
from functions.gateway.services import Endpoints, Gateway
from functions.gateway.web.problem_details import MEDIA_TYPE, ProblemDetails
from shared.channels.declaration import topic
from shared.channels.registry import channel_names, load_channels, load_event_channels
from shared.delivery.errors import PublishFailed
from shared.delivery.model import Attempt, Delivery, DeliveryStatus, Outcome
from shared.delivery.retries import Policy
from shared.delivery.store import Store
from shared.google.firestore import rpc
from shared.google.firestore.channel_state_store import FirestoreChannelStates
from shared.google.firestore.endpoint_store import FirestoreEndpoints
from shared.google.firestore.list_store import FirestoreLists
from shared.google.firestore.operation_store import FirestoreOperations
from shared.google.firestore.people_store import FirestorePeople
from shared.google.firestore.receipt_store import FirestoreReceipts
from shared.google.firestore.statistics_store import FirestoreStatistics
from shared.google.firestore.store import FirestoreStore
from shared.google.publisher import PubsubPublisher, connect
from shared.people.suppression import AddressHash
from shared.runtime.settings import CoreSettings
from shared.sending.channel_states import ChannelStates
from shared.sending.endpoints import EndpointSecrets, EndpointStore
from shared.sending.messages import Message, Publisher
from shared.sending.receipts import ReceiptStore
from tests.fakes.audit import MemoryAudit
from tests.fakes.channel_states import MemoryChannelStates
from tests.fakes.endpoints import MemoryEndpoints
from tests.fakes.lists import MemoryLists
from tests.fakes.operations import MemoryOperations
from tests.fakes.people import MemoryPeople
from tests.fakes.plans import MemoryPlans, MemoryReplayPlans
from tests.fakes.relay_runs import MemoryRelayRuns
from tests.fakes.statistics import MemoryStatistics
from tests.fakes.store import MemoryStore
from tests.fakes.templates import MemoryTemplates

POLICY: Policy = CoreSettings(google_cloud_project="any").policy()
ADDRESS_HASH = AddressHash("of the tests")
CLOSED_PORT = "127.0.0.1:1"  # nobody listens on tcpmux
WAIT = 10.0  # seconds, for what the emulator is sure to do
PENDING_OR_SENT = {DeliveryStatus.SENDING, DeliveryStatus.RETRYING, DeliveryStatus.DEFERRED}

MINIMAL: Mapping[str, Any] = {"to": {"email": "a@example.com"}, "message": "Build 42 is live"}


class Calls:
    """Counts the RPCs of the gRPC channels that its interceptors are given to."""

    def __init__(self) -> None:
        self.made: Counter[str] = Counter()
        self.interceptors: Sequence[grpc.aio.ClientInterceptor] = (_Unary(self.made), _Stream(self.made))

    def taken(self) -> dict[str, int]:
        """The calls by method since the last time."""
        made = dict(self.made)
        self.made.clear()
        return made


class _Unary(grpc.aio.UnaryUnaryClientInterceptor):  # type: ignore[misc] # grpc has no types
    def __init__(self, made: Counter[str]) -> None:
        self._made = made

    async def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        self._made[_method(details)] += 1
        return await continuation(details, request)


class _Stream(grpc.aio.UnaryStreamClientInterceptor):  # type: ignore[misc] # grpc has no types
    def __init__(self, made: Counter[str]) -> None:
        self._made = made

    async def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:
        self._made[_method(details)] += 1
        return await continuation(details, request)


def _method(details: Any) -> str:
    method = details.method
    return str(method.decode() if isinstance(method, bytes) else method).rpartition("/")[2]


class OnDemand:
    """Provides the topics before the first message: most tests publish none."""

    def __init__(self, publisher: Publisher, provide: Callable[[], Awaitable[None]]) -> None:
        self._publisher = publisher
        self._provide = provide
        self._lock = asyncio.Lock()
        self._provided = False

    async def publish(self, messages: Sequence[Message]) -> None:
        async with self._lock:
            if not self._provided:
                await self._provide()
                self._provided = True
        await self._publisher.publish(messages)


class BrokenPublisher:
    """Publishes nothing while `broken`, and hands on once it is not."""

    def __init__(self, publisher: Publisher) -> None:
        self.publisher = publisher
        self.broken = True

    async def publish(self, messages: Sequence[Message]) -> None:
        if self.broken:
            raise PublishFailed("Pub/Sub did not take all messages: a test")
        await self.publisher.publish(messages)


@dataclass
class Hark:
    """One gateway and a view behind it. `calls` counts what the gateway asks of Firestore and Pub/Sub."""

    project: str
    firestore: str
    pubsub: str
    gateway: Gateway
    calls: Calls
    channel: grpc.aio.Channel
    emulators: httpx.AsyncClient
    key: str
    client: httpx.AsyncClient = field(init=False)

    def __post_init__(self) -> None:
        self.client = client_of(self.gateway, self.key)

    async def caller(self, **caller: Any) -> tuple[Caller, httpx.AsyncClient]:
        """A new caller with all scopes and no limits, but for what is named, and a client that it calls with."""
        caller_and_key = await new_caller_in(self.gateway.callers, **caller)
        return caller_and_key[0], client_of(self.gateway, caller_and_key[1])

    @property
    def store(self) -> Store:
        return self.gateway.store

    async def send(self, headers: Mapping[str, str] | None = None, **body: Any) -> httpx.Response:
        """POST /v1/notifications with `MINIMAL` and what is named instead (None: without it)."""
        merged = {name: value for name, value in {**MINIMAL, **body}.items() if value is not None}
        return await self.client.post("/v1/notifications", json=merged, headers=headers)

    async def sent(self, **body: Any) -> NotificationJson:
        answer = await self.send(**body)
        assert answer.status_code == 202, answer.text
        notification: NotificationJson = answer.json()
        return notification

    async def set(self, notification_id: str, channel: str, status: DeliveryStatus, **changes: Any) -> Delivery:
        """Write a delivery's state as a channel function would, without its way there."""
        loaded = await self.store.load(notification_id, channel)
        assert loaded is not None
        now = datetime.now(UTC)
        if status is DeliveryStatus.DEAD:
            attempt = Attempt(1, now, Outcome.RETRYABLE, "503", 12, provider="sendgrid")
            changes = {"attempts": (attempt,), "dead_at": now, "error": "attempts used up", **changes}
        due_at = loaded[1].due_at if status in PENDING_OR_SENT else None
        changed = replace(loaded[1], **{"status": status, "due_at": due_at, "updated_at": now, **changes})
        return replace(changed, version=await self.store.update(changed))

    async def dead(self, channel: str = "email", **body: Any) -> str:
        """The id of a new notification with a dead delivery."""
        notification = await self.sent(**body)
        await self.set(notification["id"], channel, DeliveryStatus.DEAD)
        return notification["id"]

    async def documents(self, collection: str | None = None) -> int:
        """How many documents Firestore has: those of one collection, or all but our own caller, what counts
        uses, and the audit log."""
        start: dict[str, Any] = {"allDescendants": True} | ({"collectionId": collection} if collection else {})
        query = {"from": [start], "select": {"fields": [{"fieldPath": "__name__"}]}}
        url = f"http://{self.firestore}/v1/projects/{self.project}/databases/(default)/documents:runQuery"
        answer = await self.emulators.post(url, json={"structuredQuery": query})
        assert answer.status_code == 200, answer.text
        names = [row["document"]["name"] for row in answer.json() if "document" in row]
        own = re.compile(f"/documents/(uses/|usage/|audit/|callers/{self.key.split('_')[2]})")
        return sum(not own.search(name) for name in names)

    async def published(self, channel: str, count: int = 1) -> list[Message]:
        """The next `count` messages to this channel, from a pull subscription."""
        path = f"projects/{self.project}/subscriptions/{topic(channel)}"
        got: list[Message] = []
        async with asyncio.timeout(WAIT):
            while len(got) < count:
                rows = await self._pull(path, count - len(got))
                got += [Message.model_validate_json(base64.b64decode(row["message"]["data"])) for row in rows]
        return got

    async def _pull(self, path: str, count: int) -> list[dict[str, Any]]:
        url = f"http://{self.pubsub}/v1/{path}"
        answer = await self.emulators.post(f"{url}:pull", json={"maxMessages": count})
        rows: list[dict[str, Any]] = answer.json().get("receivedMessages", [])
        if rows:
            await self.emulators.post(f"{url}:acknowledge", json={"ackIds": [row["ackId"] for row in rows]})
        return rows


@asynccontextmanager
async def nothing_done(hark: Hark) -> AsyncIterator[None]:
    """The block leaves Firestore as it was and publishes nothing."""
    before = await hark.documents()
    hark.calls.taken()
    yield
    assert "Publish" not in hark.calls.taken()
    assert await hark.documents() == before


def client_of(gateway: Gateway, key: str | None) -> httpx.AsyncClient:
    """A client that calls with this API key; None: with nothing."""
    transport = httpx.ASGITransport(application(gateway))
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    return httpx.AsyncClient(transport=transport, base_url="http://gateway", headers=headers)


async def new_caller_in(store: CallerStore, **caller: Any) -> tuple[Caller, str]:
    """A caller on record with all scopes and no limits, but for what is named, and its API key."""
    kind = caller.pop("kind", CallerKind.LIVE)
    caller_id = api_keys.new_caller_id()
    key = api_keys.new_key(caller_id, kind)
    now = datetime.now(UTC)
    fields = {"scopes": frozenset(Scope), "created_at": now, "keys": (api_keys.kept(key, now),), **caller}
    made = Caller(id=caller_id, kind=kind, **fields)
    await store.create(made)
    return made, key


def gateway_over(
    store: Store, publisher: Publisher, callers: CallerStore, receipts: ReceiptStore, **changes: Any
) -> Gateway:
    """As main.py makes it."""
    channels = load_channels()
    return Gateway(
        store=store,
        publisher=publisher,
        channels=channels,
        templates=Templates(changes.pop("templates", MemoryTemplates()), channels),
        operations=changes.pop("operations", MemoryOperations()),
        plans=changes.pop("plans", None) or MemoryPlans(),
        replay_plans=changes.pop("replay_plans", None) or MemoryReplayPlans(),
        channel_states=ChannelStates(changes.pop("channel_states", None) or MemoryChannelStates()),
        statistics=changes.pop("statistics", None) or MemoryStatistics(MemoryStore()),
        people=changes.pop("people", None) or MemoryPeople(MemoryStore()),
        list_store=changes.pop("list_store", None) or MemoryLists(MemoryStore()),
        policy=POLICY,
        retention=timedelta(days=30),
        identity=changes.pop("identity", Identity(CallerCache(callers))),
        quotas=CallerQuotas(callers, lambda: datetime.now(UTC)),
        callers=callers,
        audit=changes.pop("audit", None) or Audit(Trail(MemoryAudit()), Naming(channels, ADDRESS_HASH)),
        receipts=receipts,
        relay_runs=changes.pop("relay_runs", None) or MemoryRelayRuns(),
        endpoints=changes.pop("endpoints", None) or endpoints_over(MemoryEndpoints()),
        **changes,
    )


def endpoints_over(store: EndpointStore) -> Endpoints:
    """As beside the emulators, where events are on."""
    return Endpoints(store, EndpointSecrets(["a key of at least thirty-two characters"]), load_event_channels(), True)


async def _provide(emulators: httpx.AsyncClient, host: str, project: str, name: str) -> None:
    """A topic and a pull subscription of the same name."""
    path = f"projects/{project}/topics/{name}"
    (await emulators.put(f"http://{host}/v1/{path}", json={})).raise_for_status()
    url = f"http://{host}/v1/projects/{project}/subscriptions/{name}"
    (await emulators.put(url, json={"topic": path})).raise_for_status()


@asynccontextmanager
async def hark_on(firestore: str, pubsub_host: str) -> AsyncIterator[Hark]:
    """A gateway over the emulators at these hosts, in a new project; each topic has a pull subscription."""
    project = f"test-{uuid.uuid4().hex[:12]}"
    calls = Calls()
    async with (
        httpx.AsyncClient(timeout=30, verify=False) as emulators,
        rpc.connect(firestore, calls.interceptors) as records,
        rpc.connect(firestore) as uncounted,
        connect(pubsub_host, calls.interceptors) as topics,
    ):

        async def provide() -> None:
            await asyncio.gather(
                *(_provide(emulators, pubsub_host, project, topic(name)) for name in channel_names(of_events=True))
            )

        database = f"projects/{project}/databases/(default)"
        counted = rpc.Rpc(records, database, emulated=True)
        callers = FirestoreCallers(rpc.Rpc(uncounted, database, emulated=True))
        publisher = OnDemand(PubsubPublisher(topics, project), provide)
        templates, operations = FirestoreTemplates(counted), FirestoreOperations(counted)
        gateway = gateway_over(
            FirestoreStore(counted),
            publisher,
            callers,
            FirestoreReceipts(counted),
            templates=templates,
            operations=operations,
            people=FirestorePeople(counted, ADDRESS_HASH),
            list_store=FirestoreLists(counted),
            channel_states=FirestoreChannelStates(counted),
            statistics=FirestoreStatistics(counted),
            endpoints=endpoints_over(FirestoreEndpoints(counted)),
            audit=Audit(Trail(FirestoreAudit(counted, timedelta(days=365))), Naming(load_channels(), ADDRESS_HASH)),
        )
        _, key = await new_caller_in(callers, name="tests")
        hark = Hark(project, firestore, pubsub_host, gateway, calls, records, emulators, key)
        async with hark.client:
            yield hark
        # The counts are exchanged beside the requests; none may outlive the loop.
        await asyncio.gather(*(c.exchange for c in gateway.quotas._counts.values() if c.exchange))
        await asyncio.gather(*(c.exchange for c in gateway.quotas.addresses._counts.values() if c.exchange))


def declared(schema: Any, answer: httpx.Response) -> Any:
    """The answer's JSON, held to the schema that is declared for it: nothing missing, nothing more."""
    adapter: TypeAdapter[Any] = TypeAdapter(schema)
    # What a TypedDict does not name falls away, so the way there and back is the same only without extra keys.
    value = json.loads(adapter.dump_json(adapter.validate_json(answer.content), exclude_unset=True))
    assert value == answer.json()
    _times_are_utc(value)
    return value


def problem(answer: httpx.Response, status: int, *fields: str) -> ProblemDetails:
    """The problem, which must have this status and name just these fields."""
    assert answer.status_code == status, answer.text[:500]
    assert answer.headers["content-type"] == MEDIA_TYPE
    details: ProblemDetails = declared(ProblemDetails, answer)
    assert details["status"] == status
    assert details["type"] == "about:blank"
    named = [error["field"] for error in details.get("errors", [])]
    if fields:
        assert sorted(named) == sorted(fields), details
    return details


def _times_are_utc(value: Any) -> None:
    match value:
        case dict():
            for name, item in value.items():
                if item is not None and name in {"at", "since", "added_at", "created_at", "updated_at", "dead_at"}:
                    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", item)
                _times_are_utc(item)
        case list():
            for item in value:
                _times_are_utc(item)
