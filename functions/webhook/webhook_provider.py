"""Sends a webhook to an endpoint, signed by Standard Webhooks' own library.

The endpoint is read a few seconds before at most: its URL, its secrets, and whether it still wants events. What if the
process dies after a 410, before the endpoint is disabled: the next webhook gets the same answer.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import aiohttp
from standardwebhooks import Webhook

from functions.webhook.answers import GONE, of_answer
from shared.delivery.errors import Permanent, Refused, Retryable, StoreError, Unknown
from shared.entrypoint.startup import open_rpc
from shared.google.firestore.endpoint_store import FirestoreEndpoints
from shared.http.client import of_client_error, session
from shared.http.public_addresses import AddressRefused, PublicResolver, public_url
from shared.runtime.logs import get_logger
from shared.runtime.settings import CoreSettings, load
from shared.sending.endpoint_settings import EndpointSettings
from shared.sending.endpoints import Endpoint, EndpointSecrets, EndpointState, EndpointStore
from shared.sending.provider import Outgoing, Provider

log = get_logger(__name__)

_KNOWN_SECONDS = 5.0
_LONGEST_CALL = 15.0  # seconds; an endpoint has only to take it
_MEND = "mend it, PUT it again, then replay"


class WebhookProvider:
    name = "webhook"

    def __init__(
        self,
        endpoints: EndpointStore,
        secrets: EndpointSecrets,
        *,
        loopback: bool,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._endpoints = endpoints
        self._secrets = secrets
        self._loopback = loopback
        self._now = now
        self._session = session("the endpoint", resolver=PublicResolver(loopback=loopback))
        self._known: dict[str, tuple[float, Endpoint | None]] = {}

    async def send(self, outgoing: Outgoing) -> str | None:
        """The event's id, by which the receiver knows a repeat."""
        endpoint = await self._endpoint(outgoing.address)
        event_id = str(outgoing.parts["event"])
        headers = self._headers(endpoint, event_id, outgoing.text)
        try:
            timeout = aiohttp.ClientTimeout(total=min(outgoing.timeout, _LONGEST_CALL), sock_connect=10)
            async with self._session.post(
                endpoint.url, data=outgoing.text.encode(), headers=headers, timeout=timeout, allow_redirects=False
            ) as answer:
                status, answered = answer.status, answer.headers  # the body is nobody's business
        except aiohttp.ClientConnectorError as error:
            if isinstance(error.os_error, AddressRefused):
                raise Refused(f"the endpoint's name leads to an address that is not public: {_MEND}") from None
            raise of_client_error("the endpoint", error) from None
        except aiohttp.InvalidURL:
            raise Refused(f"the endpoint's url cannot be called: {_MEND}") from None
        except aiohttp.ClientError as error:
            raise of_client_error("the endpoint", error) from None
        except TimeoutError:
            raise Unknown("no answer from the endpoint in its time") from None
        except (OSError, ValueError) as error:
            raise Unknown(f"no readable answer from the endpoint ({type(error).__name__})") from None
        failed = of_answer(status, answered, self._now())
        if status == GONE:
            await self._disable(endpoint)
        if failed is not None:
            raise failed
        return event_id

    async def _endpoint(self, name: str) -> Endpoint:
        """Raises SendError where it takes nothing."""
        read_at, endpoint = self._known.get(name, (float("-inf"), None))
        if time.monotonic() - read_at > _KNOWN_SECONDS:
            try:
                endpoint = await self._endpoints.endpoint(name)
            except StoreError:
                raise Retryable("the endpoint's record could not be read") from None
            self._known[name] = time.monotonic(), endpoint
        if endpoint is None:
            raise Permanent("there is no endpoint by that name any more")
        if endpoint.state is not EndpointState.ACTIVE:
            raise Refused(f"the endpoint is disabled: {_MEND}")
        try:
            public_url(endpoint.url, loopback=self._loopback)
        except ValueError as wrong:
            raise Refused(f"the endpoint's url {wrong}: {_MEND}") from None
        return endpoint

    def _headers(self, endpoint: Endpoint, event_id: str, body: str) -> dict[str, str]:
        now = self._now()
        secrets = self._secrets.signing(endpoint, now)
        if not secrets:
            raise Refused("the key that the endpoint's secret is made of is not in ENDPOINT_KEYS: rotate the secret")
        return {
            "Content-Type": "application/json",
            "User-Agent": "Hark",
            "webhook-id": event_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(Webhook(secret).sign(event_id, now, body) for secret in secrets),
        }

    async def _disable(self, endpoint: Endpoint) -> None:
        """It has said 410. Where this fails, its next answer says so again."""
        now = self._now()
        disabled = replace(
            endpoint,
            state=EndpointState.DISABLED,
            reason="it answered 410 Gone",
            disabled_at=now,
            updated_at=now,
        )
        self._known.pop(endpoint.name, None)
        try:
            await self._endpoints.put_endpoint(disabled)
        except StoreError as failed:  # or an operator has changed it meanwhile
            log.warning("the endpoint is not disabled", endpoint=endpoint.name, error=str(failed))
        else:
            log.warning("the endpoint is disabled: it answered 410", endpoint=endpoint.name)

    async def aclose(self) -> None:
        await self._session.close()


def provider() -> Callable[[], Provider]:
    core, own = load(CoreSettings), load(EndpointSettings)
    secrets = own.secrets()
    return lambda: WebhookProvider(FirestoreEndpoints(open_rpc(core)), secrets, loopback=own.loopback)
