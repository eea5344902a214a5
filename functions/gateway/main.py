"""The HTTP API: validates, puts on record, publishes."""

from datetime import UTC, datetime, timedelta

import functions_framework.aio
from starlette.requests import Request
from starlette.types import ASGIApp

import shared.entrypoint.pause_garbage_collection  # noqa: F401 - while the rest is imported
from functions.gateway.access.authentication import CallerCache, Identity, TokenVerifier
from functions.gateway.access.caller_quotas import CallerQuotas
from functions.gateway.access.caller_store import FirestoreCallers
from functions.gateway.application import application
from functions.gateway.receipts.receipt_readers import load_readers
from functions.gateway.rendering.firestore_templates import FirestoreTemplates
from functions.gateway.rendering.templated_content import Templates
from functions.gateway.services import Gateway
from functions.gateway.settings import GatewaySettings
from shared.channels.registry import load_channels, load_screens
from shared.entrypoint.restored_records import restored_records
from shared.entrypoint.startup import open_rpc, start
from shared.google.firestore.list_store import FirestoreLists
from shared.google.firestore.operation_store import FirestoreOperations
from shared.google.firestore.people_store import FirestorePeople
from shared.google.firestore.receipt_store import FirestoreReceipts
from shared.google.firestore.store import FirestoreStore
from shared.google.publisher import open_publisher
from shared.runtime.settings import PeopleSettings, load

_settings = start()
_own = load(GatewaySettings)
_address_hash = load(PeopleSettings).address_hash()
_channels = load_channels()
_readers = load_readers(_channels)
_screens = load_screens(_channels)
_app: ASGIApp | None = None


@functions_framework.aio.http  # type: ignore[arg-type] # it takes any ASGI application, which its types do not say
async def gateway(_: Request) -> ASGIApp:
    """The application itself is the answer: the framework calls it with the request."""
    global _app  # noqa: PLW0603 - connections belong to the loop of the first request
    if _app is None:
        _app = application(_open())
    return _app


def _open() -> Gateway:
    rpc = open_rpc(_settings)
    callers = FirestoreCallers(rpc.beside(_own.callers_database))
    secret = _own.load_balancer_secret
    return Gateway(
        store=FirestoreStore(rpc),
        publisher=open_publisher(_settings),
        channels=_channels,
        policy=_settings.policy(),
        retention=timedelta(days=_settings.retention_days),
        identity=Identity(
            CallerCache(callers),
            _verifier(_own),
            trusts_certificates=_own.behind_load_balancer,
            secret=secret.get_secret_value() if secret else None,
        ),
        quotas=CallerQuotas(callers, lambda: datetime.now(UTC)),
        callers=callers,
        receipts=FirestoreReceipts(rpc),
        templates=Templates(FirestoreTemplates(rpc), _channels),
        operations=FirestoreOperations(rpc),
        people=FirestorePeople(rpc, _address_hash),
        list_store=FirestoreLists(rpc),
        readers=_readers,
        screens=_screens,
        issuers=_own.oidc_issuers,
        restored=restored_records(_settings),
    )


def _verifier(own: GatewaySettings) -> TokenVerifier | None:
    if own.oidc_audience is None:
        return None
    # Its libraries take a tenth of a second of a cold start, which only those pay who use tokens.
    from shared.http.openid_connect import Verifier  # noqa: PLC0415

    return Verifier(own.oidc_issuers, [own.oidc_audience])
