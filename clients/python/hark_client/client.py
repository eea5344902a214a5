"""The clients: what they are made with, and the API's parts in them."""

import os
import re
from typing import Generic, Optional

import httpx
from typing_extensions import Self

from hark_client.errors import NotConfigured
from hark_client.operations import S
from hark_client.resources.endpoints import Endpoints
from hark_client.resources.lists import Broadcasts, Lists, Operations
from hark_client.resources.notifications import Batches, Notifications
from hark_client.resources.operating import Audit, Callers, Channels, DeadLetters, Duplicates, Statistics, Systems
from hark_client.resources.people import Categories, Recipients, Suppressions
from hark_client.resources.templates import Templates
from hark_client.retries import Retries
from hark_client.sending import AsyncSender, Gateway, Sender

TIMEOUT = 10.0  # seconds, for one try
RETRY_FOR = 60.0  # seconds, for all tries of a call and the pauses between them

_KEY = re.compile(r"[!-~]+")  # what a header can carry; of anything else an error of httpx would quote it


class Parts(Generic[S]):
    """The parts of the API, over one sender."""

    def __init__(self, gateway: Gateway, sender: S) -> None:
        self._gateway = gateway
        self._sender: S = sender
        self.notifications: Notifications[S] = Notifications(gateway, sender)
        self.batches: Batches[S] = Batches(gateway, sender)
        self.recipients: Recipients[S] = Recipients(gateway, sender)
        self.categories: Categories[S] = Categories(gateway, sender)
        self.suppressions: Suppressions[S] = Suppressions(gateway, sender)
        self.templates: Templates[S] = Templates(gateway, sender)
        self.lists: Lists[S] = Lists(gateway, sender)
        self.broadcasts: Broadcasts[S] = Broadcasts(gateway, sender)
        self.operations: Operations[S] = Operations(gateway, sender)
        self.statistics: Statistics[S] = Statistics(gateway, sender)
        self.dead_letters: DeadLetters[S] = DeadLetters(gateway, sender)
        self.duplicates: Duplicates[S] = Duplicates(gateway, sender)
        self.channels: Channels[S] = Channels(gateway, sender)
        self.callers: Callers[S] = Callers(gateway, sender)
        self.endpoints: Endpoints[S] = Endpoints(gateway, sender)
        self.audit: Audit[S] = Audit(gateway, sender)
        self.system: Systems[S] = Systems(gateway, sender)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._gateway.url!r})"


class Client(Parts[Sender]):
    """Calls Hark and waits for each answer. Several threads may use it. `close` it, or use it in a `with`.

    url, api_key: by default HARK_URL and HARK_API_KEY of the environment. Raises NotConfigured
    timeout: seconds for one try; retry_for: seconds for all of them, 0: one try
    transport: in the place of the network, as `httpx.Client` takes it
    """

    def __init__(
        self,
        url: Optional[str] = None,
        api_key: Optional[str] = None,
        *,
        timeout: float = TIMEOUT,
        retry_for: float = RETRY_FOR,
        transport: Optional[httpx.BaseTransport] = None,
    ) -> None:
        super().__init__(_gateway(url, api_key, timeout, retry_for), Sender(httpx.Client(transport=transport)))

    def close(self) -> None:
        """Close its connections."""
        self._sender.http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncClient(Parts[AsyncSender]):
    """The same, awaited. `aclose` it, or use it in an `async with`. transport: as `httpx.AsyncClient` takes it"""

    def __init__(
        self,
        url: Optional[str] = None,
        api_key: Optional[str] = None,
        *,
        timeout: float = TIMEOUT,
        retry_for: float = RETRY_FOR,
        transport: Optional[httpx.AsyncBaseTransport] = None,
    ) -> None:
        super().__init__(
            _gateway(url, api_key, timeout, retry_for), AsyncSender(httpx.AsyncClient(transport=transport))
        )

    async def aclose(self) -> None:
        """Close its connections."""
        await self._sender.http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def _gateway(url: Optional[str], api_key: Optional[str], timeout: float, retry_for: float) -> Gateway:
    url = (url or os.environ.get("HARK_URL", "")).rstrip("/")
    api_key = api_key or os.environ.get("HARK_API_KEY", "")
    if not _is_url(url):
        raise NotConfigured("url, or HARK_URL, must be the gateway's http:// or https:// URL")
    if not _KEY.fullmatch(api_key):
        raise NotConfigured("api_key, or HARK_API_KEY, must be an API key: visible characters without spaces")
    return Gateway(url, api_key, timeout, Retries(total=retry_for))


def _is_url(url: str) -> bool:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        return False
    return parsed.scheme in {"http", "https"} and bool(parsed.host) and not parsed.query and not parsed.fragment
