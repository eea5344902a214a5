"""The system in memory: the gateway, each channel's pipeline, the relay and the operations over the fakes' stores.

What Pub/Sub and Cloud Scheduler do in the cloud, `settle` and `advance_to` do here, in virtual time.
"""

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from functions.gateway.access import api_keys
from functions.gateway.access.authentication import CallerCache, Identity
from functions.gateway.access.caller import Caller, CallerKind, Scope
from functions.gateway.access.caller_quotas import CallerQuotas
from functions.gateway.application import application
from functions.gateway.audit_trail.acts import Naming
from functions.gateway.audit_trail.recording import Audit
from functions.gateway.audit_trail.trail import Trail
from functions.gateway.rendering.templated_content import Templates
from functions.gateway.services import Deployment, Gateway
from functions.operations.kinds import kinds
from functions.relay.overdue_deliveries import Relay
from functions.relay.waiting_receipts import WaitingReceipts
from hark_client.testing.provider import MemoryProvider, Outbox
from hark_client.testing.virtual_time import VirtualTime
from shared.channels.registry import ALL, load_channels
from shared.channels.setup import ChannelSetup
from shared.delivery.errors import HarkError
from shared.delivery.model import Delivery, DeliveryStatus, Receipt
from shared.delivery.retries import Policy
from shared.people.suppression import AddressHash
from shared.sending.breakers import Breakers
from shared.sending.channel_states import ChannelStates
from shared.sending.messages import Answer, Message
from shared.sending.operations import OperationState, Worker
from shared.sending.pipeline import Pipeline
from shared.sending.receipts import take
from tests.fakes.audit import MemoryAudit
from tests.fakes.callers import MemoryCallers
from tests.fakes.channel_states import MemoryChannelStates
from tests.fakes.lists import MemoryLists
from tests.fakes.operations import MemoryOperations
from tests.fakes.people import MemoryPeople
from tests.fakes.plans import MemoryPlans, MemoryReplayPlans
from tests.fakes.receipts import MemoryReceipts
from tests.fakes.relay_runs import MemoryRelayRuns
from tests.fakes.statistics import MemoryStatistics
from tests.fakes.store import MemoryStore
from tests.fakes.templates import MemoryTemplates

_SECOND = timedelta(seconds=1)
_TICK = timedelta(microseconds=1)  # "due" is what lies before now
_MOST_PUSHES = 5  # of one message; the relay then finds its delivery overdue

_SETUP = ChannelSetup((MemoryProvider.name,), (), ())
# As deployed by default, but for the pauses that a function sleeps through: here they are left to the due times.
POLICY = Policy(
    max_attempts=5,
    retry_base=timedelta(seconds=10),
    retry_cap=timedelta(seconds=600),
    grace=timedelta(seconds=60),
    lease=timedelta(seconds=45),
    send_deadline=timedelta(seconds=30),
    wait_in_place=timedelta(),
)


class System:
    """All that it does is done within one event loop.

    app: the gateway; channels: by name; api_key: of a caller that may do everything
    """

    def __init__(self) -> None:
        self.time = VirtualTime()
        self.outbox = Outbox()
        self.store = MemoryStore()
        self._messages: deque[Message] = deque()
        self._nacked: list[tuple[datetime, Message]] = []
        self._pushes: Counter[tuple[str, str]] = Counter()
        self._people = MemoryPeople(self.store)
        self._receipts = MemoryReceipts()
        self._operations = MemoryOperations()
        self._relay_runs = MemoryRelayRuns()
        self._relay_runs.at = self.time.now()
        callers, now = MemoryCallers(), self.time.now
        states = ChannelStates(MemoryChannelStates(), self.time.monotonic)
        self.channels = channels = load_channels(ALL)
        self._gateway = Gateway(
            store=self.store,
            publisher=self,
            channels=channels,
            policy=POLICY,
            retention=timedelta(days=30),
            identity=Identity(CallerCache(callers, self.time.monotonic)),
            quotas=CallerQuotas(callers, now, self.time.monotonic),
            callers=callers,
            audit=Audit(Trail(MemoryAudit(), now), Naming(channels, AddressHash("any")), now=now),
            receipts=self._receipts,
            templates=Templates(MemoryTemplates(), channels),
            operations=self._operations,
            people=self._people,
            list_store=MemoryLists(self.store),
            plans=MemoryPlans(),
            replay_plans=MemoryReplayPlans(),
            channel_states=states,
            relay_runs=self._relay_runs,
            deployment=Deployment(channels=dict.fromkeys(channels, _SETUP)),
            statistics=MemoryStatistics(self.store),
            now=now,
        )
        self.app = application(self._gateway)
        self.api_key = _new_caller(callers, now())
        self._pipelines = {
            name: Pipeline(
                self.store,
                MemoryProvider(name, self.outbox, self.time),
                POLICY,
                now=now,
                sleep=self.time.sleep,
                publisher=lambda: self,
                people=self._people,
                unsubscribes=channel.unsubscribes,
                channel_states=states,
                breakers=Breakers(name, [MemoryProvider.name], states, POLICY, now),
            )
            for name, channel in channels.items()
        }
        self._relay = Relay(
            *(self.store, self, POLICY, now, [None]),
            channel_states=states,
            channels=lambda: list(channels),
            sleep=self.time.sleep,
        )
        self._waiting = WaitingReceipts(self.store, self._receipts, self._people, now, [None], publisher=self)
        self._worker = Worker(kinds(self._gateway), self._operations, now, self.time.sleep)

    async def publish(self, messages: Sequence[Message]) -> None:
        """See `shared.sending.messages.Publisher`."""
        self._messages += messages

    async def settle(self) -> None:
        """Push all messages, those too that the pushes publish."""
        while self._messages:
            message = self._messages.popleft()
            try:
                answer = await self._pipelines[message.channel].deliver(message)
            except HarkError:  # as in push_handler.py
                answer = Answer.NACK
            if answer is Answer.NACK:
                self._push_again(message)

    async def advance_to(self, target: datetime) -> None:
        """All that is due until then, each at its time."""
        await self._catch_up()
        while (due := self._next_due()) is not None and due <= target:
            self.time.move_to(due + _TICK)
            await self._catch_up()
        self.time.move_to(target)
        await self._catch_up()

    async def report(self, delivery: Delivery, status: DeliveryStatus, reason: str | None) -> None:
        """As the provider does, of a message that it took."""
        receipt = Receipt(
            channel=delivery.channel,
            provider=delivery.provider or MemoryProvider.name,
            provider_message_id=delivery.provider_message_id,
            status=status,
            notification_id=delivery.notification_id,
            reason=reason,
        )
        await take(self.store, self._receipts, self._people, receipt, self.time.now(), self)
        await self.settle()

    async def close(self) -> None:
        """End what runs beside the requests."""
        beside = asyncio.all_tasks() - {asyncio.current_task()}
        for task in beside:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*beside, return_exceptions=True)

    async def _catch_up(self) -> None:
        now = self.time.now()
        self._messages += [message for at, message in self._nacked if at <= now]
        self._nacked = [(at, message) for at, message in self._nacked if at > now]
        await self._waiting.sweep()
        await self._relay.sweep()
        await self._relay_runs.ran(now)
        await self._worker.sweep(1.0)
        await self.settle()

    def _push_again(self, message: Message) -> None:
        """When its delivery may be tried: earlier the push would be acknowledged, and left to the relay."""
        key = message.notification_id, message.channel
        self._pushes[key] += 1
        if self._pushes[key] % _MOST_PUSHES:
            delivery = self.store.get(*key)
            at = max(self.time.now() + _SECOND, delivery.next_try_at or self.time.now())
            hint = message.model_copy(update={"content": None})
            self._nacked.append((at, hint))

    def _next_due(self) -> datetime | None:
        now = self.time.now()
        times = [d.due_at for d in self.store.all_deliveries()]
        times += [w.due_at for w in self._receipts.waiting.values()]
        times += [o.due_at for o in self._operations.records.values() if o.state is OperationState.RUNNING]
        times += [at for at, _ in self._nacked]
        return min((at for at in times if at is not None and at >= now), default=None)


def _new_caller(callers: MemoryCallers, now: datetime) -> str:
    """The API key of a caller with all scopes and no limits."""
    caller_id = api_keys.new_caller_id()
    key = api_keys.new_key(caller_id, CallerKind.LIVE)
    made = Caller(
        id=caller_id,
        kind=CallerKind.LIVE,
        name="tests",
        scopes=frozenset(Scope),
        created_at=now.astimezone(UTC),
        keys=(api_keys.kept(key, now),),
    )
    callers.records[caller_id] = made
    return key
