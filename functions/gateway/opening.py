"""Opening all that the gateway works with: for the gateway, and for who accepts notifications as it does."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from functions.gateway.access.authentication import CallerCache, Identity, TokenVerifier
from functions.gateway.access.caller_quotas import CallerQuotas
from functions.gateway.access.caller_store import FirestoreCallers
from functions.gateway.access.identity_aware_proxy import KEYS
from functions.gateway.audit_trail.acts import Naming
from functions.gateway.audit_trail.audit_store import FirestoreAudit
from functions.gateway.audit_trail.recording import Audit
from functions.gateway.audit_trail.trail import Trail
from functions.gateway.broadcasts.firestore_plans import FirestorePlans
from functions.gateway.dead_letters.firestore_replay_plans import FirestoreReplayPlans
from functions.gateway.rendering.firestore_templates import FirestoreTemplates
from functions.gateway.rendering.templated_content import Templates
from functions.gateway.services import Endpoints, Gateway
from functions.gateway.settings import IDENTITY_AWARE_PROXY, GatewaySettings
from shared.channels.declaration import Channel, Screen
from shared.channels.registry import load_event_channels
from shared.entrypoint.restored_records import restored_records
from shared.entrypoint.startup import open_rpc, open_store
from shared.google.firestore.channel_state_store import FirestoreChannelStates
from shared.google.firestore.list_store import FirestoreLists
from shared.google.firestore.operation_store import FirestoreOperations
from shared.google.firestore.people_store import FirestorePeople
from shared.google.firestore.receipt_store import FirestoreReceipts
from shared.google.firestore.relay_runs import FirestoreRelayRuns
from shared.google.firestore.rpc import Rpc
from shared.google.firestore.statistics_store import FirestoreStatistics
from shared.google.publisher import open_publisher
from shared.people.suppression import AddressHash
from shared.runtime.settings import CoreSettings, load
from shared.sending.channel_states import ChannelStates

if TYPE_CHECKING:
    from shared.sending.endpoints import EndpointSecrets


@dataclass(frozen=True, slots=True)
class OfEvents:
    """What is read for events when the process starts."""

    secrets: "EndpointSecrets"  # pragma: allowlist secret
    channels: Mapping[str, Channel]
    loopback: bool

    def opened(self, rpc: Rpc) -> Endpoints:
        from shared.google.firestore.endpoint_store import FirestoreEndpoints  # noqa: PLC0415 - as below

        return Endpoints(FirestoreEndpoints(rpc), self.secrets, self.channels, self.loopback)


def load_of_events(settings: CoreSettings, *, shows_secrets: bool = True) -> OfEvents | None:
    """None where they are off. shows_secrets: of endpoints. SystemExit when a setting is wrong."""
    if not settings.has_events:
        return None
    # Who has no events does not load it.
    from shared.sending.endpoint_settings import EndpointSettings  # noqa: PLC0415
    from shared.sending.endpoints import EndpointSecrets  # noqa: PLC0415

    if not shows_secrets:
        return OfEvents(EndpointSecrets(()), load_event_channels(), loopback=False)
    own = load(EndpointSettings)
    return OfEvents(own.secrets(), load_event_channels(), own.loopback)


def open_gateway(
    settings: CoreSettings,
    own: GatewaySettings,
    address_hash: AddressHash,
    channels: Mapping[str, Channel],
    screens: Mapping[str, Screen],
    of_events: OfEvents | None = None,
) -> Gateway:
    """Without those that read what providers report. Called within the running loop."""
    rpc = open_rpc(settings)
    beside = rpc.beside(own.callers_database)
    callers = FirestoreCallers(beside)
    secret = own.load_balancer_secret
    publisher = open_publisher(settings)
    return Gateway(
        store=open_store(settings, rpc, lambda: publisher),
        publisher=publisher,
        channels=channels,
        policy=settings.policy(),
        retention=timedelta(days=settings.retention_days),
        identity=Identity(
            CallerCache(callers),
            _verifier(own),
            trusts_certificates=own.behind_load_balancer,
            secret=secret.get_secret_value() if secret else None,
            proxy=_proxy_verifier(own),
        ),
        quotas=CallerQuotas(callers, lambda: datetime.now(UTC)),
        callers=callers,
        audit=Audit(
            Trail(FirestoreAudit(beside, timedelta(days=own.audit_days))),
            Naming(channels, address_hash),
            own.ingress,
        ),
        receipts=FirestoreReceipts(rpc),
        templates=Templates(FirestoreTemplates(rpc), channels),
        operations=FirestoreOperations(rpc),
        people=FirestorePeople(rpc, address_hash),
        list_store=FirestoreLists(rpc),
        plans=FirestorePlans(rpc),
        replay_plans=FirestoreReplayPlans(rpc),
        channel_states=ChannelStates(FirestoreChannelStates(rpc)),
        relay_runs=FirestoreRelayRuns(rpc),
        statistics=FirestoreStatistics(rpc),
        screens=screens,
        issuers=own.token_issuers,
        restored=restored_records(settings),
        endpoints=None if of_events is None else of_events.opened(rpc),
    )


def _verifier(own: GatewaySettings) -> TokenVerifier | None:
    if own.oidc_audience is None:
        return None
    # Its libraries take a tenth of a second of a cold start, which only those pay who use tokens.
    from shared.http.openid_connect import Verifier  # noqa: PLC0415

    return Verifier(own.oidc_issuers, [own.oidc_audience])


def _proxy_verifier(own: GatewaySettings) -> TokenVerifier | None:
    if own.iap_audience is None:
        return None
    from shared.http.openid_connect import Verifier  # noqa: PLC0415 - as above

    # An issuer of its own: what is signed for one host counts for nothing as a bearer, nor the other way round.
    return Verifier([IDENTITY_AWARE_PROXY], [own.iap_audience], key_sets={IDENTITY_AWARE_PROXY: KEYS})
