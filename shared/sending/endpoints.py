"""Endpoints: the addresses of systems that want to know of events. Each is an address of the channel that carries
events, under its name.

Its secret is in no record: it is made of one of the deployment's keys and a salt (`EndpointSecrets`).
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from shared.delivery.store import Page

NAME = r"^[a-z0-9][a-z0-9._-]{0,62}$"
MOST_ENDPOINTS = 20
"""Of a deployment: each event may become a delivery to each of them."""
MOST_SECRETS = 3
"""That sign at once: the one of before, a new one, and a newer one for whoever has lost the answer with the new one."""
EVERY_EVENT = "*"


class EndpointState(StrEnum):
    ACTIVE = "active"
    DISABLED = "disabled"  # it has answered 410, or an operator has ended it: no event is made for it


@dataclass(frozen=True, slots=True)
class Secret:
    """What a secret is made of. key: the id of the deployment's key; until: it signs no longer from then on"""

    salt: str
    key: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """id: another endpoint of the same name has another; events: their types, or EVERY_EVENT

    secrets: the latest last; reason: why it is disabled; version: of the record as read
    """

    name: str
    id: str
    url: str
    events: tuple[str, ...]
    created_at: datetime
    updated_at: datetime
    secrets: tuple[Secret, ...] = ()
    state: EndpointState = EndpointState.ACTIVE
    reason: str | None = None
    disabled_at: datetime | None = None
    updated_by: str | None = None
    version: int | None = None

    def wants(self, event_type: str) -> bool:
        wanted = EVERY_EVENT in self.events or event_type in self.events
        return wanted and self.state is EndpointState.ACTIVE


class EndpointStore(Protocol):
    """Any method may raise StoreUnavailable."""

    async def endpoint(self, name: str) -> Endpoint | None: ...

    async def put_endpoint(self, endpoint: Endpoint) -> None:
        """Raises AlreadyExists or Conflict when the record is not at `endpoint.version`; None: there is none."""
        ...

    async def delete_endpoint(self, endpoint: Endpoint) -> None:
        """Raises NotFound or Conflict when the record is not at its version."""
        ...

    async def endpoints(self, *, limit: int, after: str | None) -> Page[Endpoint, str]:
        """By name."""
        ...


@dataclass(frozen=True, slots=True)
class EndpointSecrets:
    """Makes the secrets of endpoints, by HMAC-SHA256 of a salt, so that no record holds one.

    keys: of the deployment, of which the first makes new ones; each at least SHORTEST_KEY characters
    """

    keys: Sequence[str]
    _by_id: Mapping[str, bytes] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_id", {_key_id(key): key.encode() for key in self.keys})

    def new(self, salt: str) -> Secret:
        return Secret(salt, _key_id(self.keys[0]))

    def value(self, secret: Secret) -> str | None:
        """As its owner has it, whsec_…; None when its key is no longer there."""
        key = self._by_id.get(secret.key)
        if key is None:
            return None
        made = hmac.digest(key, f"hark endpoint secret\n{secret.salt}".encode(), "sha256")
        return "whsec_" + base64.b64encode(made).decode()

    def signing(self, endpoint: Endpoint, now: datetime) -> Sequence[str]:
        """The secrets that a webhook to it is signed with, the latest first."""
        there = [secret for secret in reversed(endpoint.secrets) if secret.until is None or now < secret.until]
        return [value for value in map(self.value, there) if value is not None]


SHORTEST_KEY = 32  # characters


def _key_id(key: str) -> str:
    return hashlib.sha256(b"hark endpoint key\n" + key.encode()).hexdigest()[:8]
