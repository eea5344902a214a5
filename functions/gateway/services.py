"""What the routes work with."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from functions.gateway.access.authentication import Identity
from functions.gateway.access.caller_quotas import CallerQuotas
from functions.gateway.access.caller_store import CallerStore
from functions.gateway.access.caller_turns import Turns
from functions.gateway.audit_trail.recording import Audit
from functions.gateway.rendering.templated_content import Templates
from shared.channels.declaration import Channel, Screen
from shared.channels.setup import ChannelSetup
from shared.delivery.retries import Policy
from shared.delivery.statistics import StatisticsStore
from shared.delivery.store import Store
from shared.entrypoint.restored_records import RestoredRecords
from shared.people.broadcast_plan import PlanStore
from shared.people.lists import ListStore
from shared.people.people_store import PeopleStore
from shared.people.unsubscribe_tokens import UnsubscribeTokens
from shared.sending.channel_states import ChannelStates
from shared.sending.messages import Publisher
from shared.sending.operations import OperationStore
from shared.sending.receipts import ReceiptReader, ReceiptStore
from shared.sending.relay_runs import RelayRuns
from shared.sending.replay_plan import ReplayPlanStore
from shared.sending.replies import ReplyReader

if TYPE_CHECKING:
    from shared.sending.endpoints import EndpointSecrets, EndpointStore


@dataclass(frozen=True, slots=True)
class Endpoints:
    """What the routes of endpoints work with.

    channels: those that carry events; loopback: whether an endpoint may be on this machine
    """

    store: "EndpointStore"
    secrets: "EndpointSecrets"  # pragma: allowlist secret
    channels: Mapping[str, Channel]
    loopback: bool

    @property
    def channel(self) -> str:
        return next(iter(self.channels))


@dataclass(frozen=True, slots=True)
class Deployment:
    """revision: as Cloud Run calls it; None elsewhere. channels: what the settings say of each"""

    revision: str | None = None
    epoch: str | None = None
    channels: Mapping[str, ChannelSetup] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Gateway:
    """What the routes work with.

    channels: those that a request may name; endpoints: None where events are off
    unsubscribe_tokens: None: no link to unsubscribe is good
    lab_url: of the lab's inbox, beside which `make run` has the gateway; None: there is no lab
    """

    store: Store
    publisher: Publisher
    channels: Mapping[str, Channel]
    policy: Policy
    retention: timedelta
    identity: Identity
    quotas: CallerQuotas
    callers: CallerStore
    audit: Audit
    receipts: ReceiptStore
    templates: Templates
    operations: OperationStore
    people: PeopleStore
    list_store: ListStore
    plans: PlanStore
    replay_plans: ReplayPlanStore
    channel_states: ChannelStates
    relay_runs: RelayRuns
    statistics: StatisticsStore
    deployment: Deployment = Deployment()
    listings: Turns = field(default_factory=Turns)
    batches: Turns = field(default_factory=lambda: Turns("batches"))
    readers: Mapping[str, ReceiptReader] = field(default_factory=dict)
    reply_readers: Mapping[str, ReplyReader] = field(default_factory=dict)
    screens: Mapping[str, Screen] = field(default_factory=dict)
    issuers: Sequence[str] = ()
    unsubscribe_tokens: UnsubscribeTokens | None = None
    restored: RestoredRecords | None = None
    lab_url: str | None = None
    endpoints: Endpoints | None = None
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    @property
    def every_channel(self) -> Mapping[str, Channel]:
        """Those that carry events, besides."""
        return self.channels if self.endpoints is None else {**self.channels, **self.endpoints.channels}
