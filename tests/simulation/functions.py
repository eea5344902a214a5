"""The functions as their main.py make them, each process' over its own way to the fakes."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any

from functions.dead_letter.given_up_messages import DeadLetter
from functions.gateway.access.authentication import CallerCache, Identity
from functions.gateway.access.caller import Caller, CallerKind, Scope
from functions.gateway.access.caller_quotas import CallerQuotas
from functions.gateway.audit_trail.acts import Naming
from functions.gateway.audit_trail.recording import Audit
from functions.gateway.audit_trail.trail import Trail
from functions.gateway.broadcasts.broadcasting import BROADCAST, Broadcasting
from functions.gateway.rendering.templated_content import Templates
from functions.gateway.services import Gateway
from functions.relay.overdue_deliveries import Relay
from functions.relay.scheduled_deliveries import ScheduledDeliveries
from functions.relay.untold_events import UntoldEvents
from functions.relay.waiting_receipts import WaitingReceipts
from shared.channels.declaration import Channel
from shared.delivery.errors import PublishFailed, StoreUnavailable
from shared.delivery.model import Delivery, DeliveryStatus
from shared.delivery.retries import Policy
from shared.people.suppression import AddressHash
from shared.sending.breakers import Breakers
from shared.sending.channel_states import ChannelState, ChannelStates
from shared.sending.messages import Answer, Message, Publisher
from shared.sending.operations import Worker
from shared.sending.pipeline import Pipeline
from shared.sending.telling_store import telling
from tests.fakes.audit import MemoryAudit
from tests.fakes.callers import MemoryCallers
from tests.fakes.channel_states import MemoryChannelStates
from tests.fakes.lists import MemoryLists
from tests.fakes.operations import MemoryOperations
from tests.fakes.plans import MemoryPlans, MemoryReplayPlans
from tests.fakes.receipts import MemoryReceipts
from tests.fakes.relay_runs import MemoryRelayRuns
from tests.fakes.statistics import MemoryStatistics
from tests.fakes.store import MemoryStore
from tests.fakes.templates import MemoryTemplates
from tests.simulation.invariants import Violation
from tests.simulation.people import People
from tests.simulation.processes import Process, Remote
from tests.simulation.providers import Client, Providers
from tests.simulation.records import Records
from tests.simulation.virtual import SHARDS

CALLERS = [
    Caller(id=kind, kind=kind, scopes=frozenset({Scope.NOTIFICATIONS_SEND}))
    for kind in (CallerKind.LIVE, CallerKind.TEST)
]
CHANNELS = {name: Channel(name, "anything", 1000, str.strip, unsubscribes=True) for name in ("email", "sms")}


class Store(Remote):
    """Notes when the writing of each claim begins: what is on record of a person by then counts."""

    def __init__(self, process: Process, records: Records) -> None:
        super().__init__(process, records, StoreUnavailable)
        self._records = records

    async def update(self, delivery: Delivery) -> int:
        if delivery.status is DeliveryStatus.SENDING and delivery.claim is not None:
            self._records.claims[delivery.claim] = asyncio.get_running_loop().time()
        version: int = await self.__getattr__("update")(delivery)
        return version


class Readable(Remote):
    """Channels' states, whose reading takes its time and does not fail: who cannot read goes on as it knows."""

    async def states(self) -> Mapping[str, ChannelState]:
        await self._process.step("before states")
        found: Mapping[str, ChannelState] = await self._inner.states()  # type: ignore[attr-defined] # it is the store
        await self._process.step("after states")
        return found

    async def put(self, state: ChannelState) -> None:
        await self.__getattr__("put")(state)


@dataclass
class Functions:
    policy: Policy
    records: Records
    waiting_receipts: MemoryReceipts
    people_records: People
    providers: Providers
    random: Random
    broken: Callable[[Violation], None]
    queue: Publisher | None = None
    operations: MemoryOperations = field(default_factory=MemoryOperations)
    plans: MemoryPlans = field(default_factory=MemoryPlans)
    replay_plans: MemoryReplayPlans = field(default_factory=MemoryReplayPlans)
    lists: MemoryLists = field(init=False)
    channel_states: MemoryChannelStates | None = None
    """None: in this history nobody pauses a channel."""
    _breakers: dict[tuple[Process, str], Breakers] = field(default_factory=dict)
    _states: dict[Process, ChannelStates] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.lists = MemoryLists(self.records)

    def store(self, process: Process) -> Any:
        store: Any = Store(process, self.records)
        events = self.records.events
        if events is None:
            return store
        return telling(store, lambda: Remote(process, events, PublishFailed), self.policy.grace, process.now)  # type: ignore[arg-type, return-value]

    def receipts(self, process: Process) -> Any:
        return self._remote(process, self.waiting_receipts)

    def _remote(self, process: Process, records: object) -> Any:
        return Remote(process, records, StoreUnavailable)

    def people(self, process: Process) -> Any:
        people = Remote(process, self.people_records, StoreUnavailable)
        people.suppression_id = self.people_records.suppression_id  # type: ignore[attr-defined] # asks nobody
        return people

    def states(self, process: Process) -> ChannelStates | None:
        """What a process knows of the channels, for as long as it lives."""
        if self.channel_states is None:
            return None
        if process not in self._states:
            store = Readable(process, self.channel_states, StoreUnavailable)
            self._states[process] = ChannelStates(store, asyncio.get_running_loop().time)
        return self._states[process]

    def breakers(self, process: Process, channel: str) -> Breakers | None:
        states = self.states(process)
        if states is None:
            return None
        if (process, channel) not in self._breakers:
            made = Breakers(channel, self.providers.names, states, self.policy, process.now, process.token)
            self._breakers[process, channel] = made
        return self._breakers[process, channel]

    def publisher(self, process: Process) -> Any:
        return Remote(process, self.queue, PublishFailed)

    def handle(self, process: Process, message: Message) -> Coroutine[Any, Any, Answer]:
        """A push, at a channel's function or at the one for dead letters."""
        if process.name.startswith("dead_letter"):
            return DeadLetter(self.store(process), self.publisher(process), self.policy, process.now).take(message)
        first, *others = (
            Client(name, process, self.providers, self.records, self.people_records, message.channel, self.broken)
            for name in self.providers.names
        )
        pipeline = Pipeline(
            self.store(process),
            first,
            self.policy,
            now=process.now,
            token=process.token,
            sleep=process.sleep,
            chance=self.random.random,
            publisher=lambda: self.publisher(process),
            people=self.people(process),
            channel_states=self.states(process),
            breakers=self.breakers(process, message.channel),
            others=others,
        )
        return pipeline.deliver(message)

    def gateway(self, process: Process) -> Gateway:
        callers = MemoryCallers()
        callers.records |= {caller.id: caller for caller in CALLERS}
        return Gateway(
            store=self.store(process),
            publisher=self.publisher(process),
            channels=CHANNELS,
            policy=self.policy,
            retention=timedelta(days=30),
            identity=Identity(CallerCache(callers)),
            quotas=CallerQuotas(callers, process.now, asyncio.get_running_loop().time),
            callers=callers,
            audit=Audit(Trail(MemoryAudit(), process.now), Naming(CHANNELS, AddressHash("any")), now=process.now),
            receipts=self.receipts(process),
            relay_runs=MemoryRelayRuns(),
            templates=Templates(MemoryTemplates(), CHANNELS),
            operations=self._remote(process, self.operations),
            people=self.people(process),
            plans=self._remote(process, self.plans),
            replay_plans=self._remote(process, self.replay_plans),
            channel_states=self.states(process) or ChannelStates(MemoryChannelStates()),
            statistics=MemoryStatistics(MemoryStore()),
            list_store=self._remote(process, self.lists),
            now=process.now,
        )

    def waiting(self, process: Process) -> WaitingReceipts:
        return WaitingReceipts(
            self.store(process),
            self.receipts(process),
            self.people(process),
            process.now,
            publisher=self.publisher(process),
        )

    def scheduled(self, process: Process) -> ScheduledDeliveries:
        ahead = timedelta(seconds=65)
        return ScheduledDeliveries(
            *(self.store(process), self.publisher(process), ahead, process.now, range(SHARDS), process.sleep),
            channel_states=self.states(process),
        )

    def worker(self, process: Process) -> Worker:
        gateway = self.gateway(process)
        return Worker({BROADCAST: Broadcasting(gateway)}, gateway.operations, process.now, process.sleep)

    def untold(self, process: Process) -> UntoldEvents | None:
        if self.records.events is None:
            return None
        store, publisher = Store(process, self.records), Remote(process, self.records.events, PublishFailed)
        return UntoldEvents(store, publisher, process.now, range(SHARDS))  # type: ignore[arg-type]

    def relay(self, process: Process) -> Relay:
        return Relay(
            *(self.store(process), self.publisher(process), self.policy, process.now),
            channel_states=self.states(process),
            channels=lambda: list(CHANNELS),
            sleep=process.sleep,
        )
