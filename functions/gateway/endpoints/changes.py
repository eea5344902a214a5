"""Writing endpoints.

What if the process dies: the write is one, so it has landed or not. Whoever has no answer to the first PUT has not seen
the secret either, and asks for another one.
"""

import secrets as random_tokens
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from functions.gateway.access.caller import Caller
from functions.gateway.services import Endpoints, Gateway
from functions.gateway.web.problem_details import Problem, field_error, invalid, others_are_faster
from shared.delivery.errors import AlreadyExists, Conflict, NotFound
from shared.http.public_addresses import public_url
from shared.runtime.logs import get_logger
from shared.sending.endpoints import MOST_ENDPOINTS, MOST_SECRETS, Endpoint, EndpointState, Secret

log = get_logger(__name__)

_TRIES = 10


def nothing() -> Problem:
    return Problem(404, "no endpoint has this name")


async def put(
    gateway: Gateway, endpoints: Endpoints, name: str, url: str, events: Sequence[str], caller: Caller
) -> tuple[Endpoint, str | None]:
    """The endpoint as it now is, active, and its secret if it is new. Problem 409, 422, 503."""
    try:
        public_url(url, loopback=endpoints.loopback)
    except ValueError as wrong:
        raise invalid(field_error("url", str(wrong))) from None
    for _ in range(_TRIES):
        old = await endpoints.store.endpoint(name)
        if old is None:
            await _check_room(endpoints)
        now = gateway.now()
        wanted = Endpoint(
            name,
            random_tokens.token_hex(8) if old is None else old.id,
            url,
            tuple(events),
            created_at=now if old is None else old.created_at,
            updated_at=now,
            secrets=(_new_secret(endpoints),) if old is None else old.secrets,
            updated_by=caller.id,
            version=None if old is None else old.version,
        )
        try:
            await endpoints.store.put_endpoint(wanted)
        except (AlreadyExists, Conflict, NotFound):
            continue
        log.info("endpoint written", endpoint=name, by=caller.id, created=old is None)
        return wanted, None if old is not None else endpoints.secrets.value(wanted.secrets[-1])
    raise others_are_faster("endpoint")


async def _check_room(endpoints: Endpoints) -> None:
    page = await endpoints.store.endpoints(limit=MOST_ENDPOINTS, after=None)
    if len(page.items) >= MOST_ENDPOINTS:
        raise Problem(409, f"there are {MOST_ENDPOINTS} endpoints already: delete one")


async def rotate(
    gateway: Gateway, endpoints: Endpoints, name: str, overlap: timedelta, caller: Caller
) -> tuple[Endpoint, str]:
    """The endpoint, and its new secret. What signed before signs besides for so long. Problem 404, 503."""
    for _ in range(_TRIES):
        old = await endpoints.store.endpoint(name)
        if old is None:
            raise nothing()
        now = gateway.now()
        until = now + overlap
        kept = [
            replace(secret, until=until if secret.until is None else min(secret.until, until))
            for secret in old.secrets
            if secret.until is None or now < secret.until
        ]
        secrets = (*[secret for secret in kept if now < (secret.until or until)], _new_secret(endpoints))
        wanted = replace(old, secrets=secrets[-MOST_SECRETS:], updated_at=now, updated_by=caller.id)
        try:
            await endpoints.store.put_endpoint(wanted)
        except (AlreadyExists, Conflict, NotFound):
            continue
        log.info("endpoint has a new secret", endpoint=name, by=caller.id)
        value = endpoints.secrets.value(wanted.secrets[-1])
        assert value is not None  # noqa: S101 - its key is the first there is
        return wanted, value
    raise others_are_faster("endpoint")


async def delete(endpoints: Endpoints, name: str, caller: Caller) -> None:
    """Problem 404, 503."""
    for _ in range(_TRIES):
        there = await endpoints.store.endpoint(name)
        if there is None:
            raise nothing()
        try:
            await endpoints.store.delete_endpoint(there)
        except (Conflict, NotFound):
            continue
        log.info("endpoint deleted", endpoint=name, by=caller.id)
        return
    raise others_are_faster("endpoint")


async def active(endpoints: Endpoints, name: str) -> Endpoint:
    """One that takes events. Problem 404, 409."""
    found = await endpoints.store.endpoint(name)
    if found is None:
        raise nothing()
    if found.state is not EndpointState.ACTIVE:
        raise Problem(409, "the endpoint is disabled: PUT it again")
    return found


def _new_secret(endpoints: Endpoints) -> Secret:
    return endpoints.secrets.new(random_tokens.token_hex(16))
