"""The routes of callers. No one makes, changes or takes over a caller that may do more than they may themselves."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from functions.gateway import keys
from functions.gateway.accept import Gateway
from functions.gateway.access import forbidden
from functions.gateway.caller_schemas import (
    CallerChange,
    CallerJson,
    CallerRequest,
    CallersJson,
    NewCallerJson,
    NewKeyJson,
    caller_json,
    changed,
    key_json,
    new_caller,
)
from functions.gateway.callers import KEY_KINDS, Caller, Scope, exceeds
from functions.gateway.declared import Requires
from functions.gateway.openapi import LOCATION, answers, link, request_body
from functions.gateway.problems import Problem
from functions.gateway.requests import PageQuery, body_of, json_answer, name_cursor_of, name_of
from shared.errors import AlreadyExists, Conflict
from shared.logs import get_logger

log = get_logger(__name__)

MOST_KEYS = 10  # of one caller, revoked ones counted: to change keys takes two
_TRIES = 5

CallerId = Annotated[str, Path(json_schema_extra={"pattern": "^[0-9a-f]{16}$"})]
KeyId = Annotated[str, Path(json_schema_extra={"pattern": "^[0-9a-f]{8}$"})]
_BY_ID = ("read_caller", "change_caller", "revoke_caller", "add_key")


def callers_router(gateway: Gateway) -> APIRouter:  # noqa: PLR0915 - one route after the other
    routes = APIRouter(prefix="/v1/callers")
    store = gateway.callers
    requires = Requires(gateway.identity, gateway.limits, gateway.lists)

    @routes.post(
        "",
        status_code=201,
        responses=answers(
            NewCallerJson,
            *(201, 400, 408, 409, 413, 422, 503),
            headers=LOCATION,
            links={operation: link(operation, caller_id="$response.body#/id") for operation in _BY_ID},
        ),
        openapi_extra=request_body(CallerRequest),
    )
    async def create_caller(request: Request, manager: Annotated[Caller, requires(Scope.CALLERS_MANAGE)]) -> Response:
        """Its `key` is in this answer and nowhere else."""
        body = await body_of(request, CallerRequest)
        caller, key = new_caller(body, gateway.channels, gateway.issuers, gateway.now())
        _within(caller, manager)
        try:
            await store.create(caller)
        except AlreadyExists:
            await _create_again(caller, manager)
        gateway.identity.callers.forget(caller.id)
        log.info("caller created", caller=caller.id, kind=caller.kind, by=manager.id)
        made = NewCallerJson(**caller_json(caller, None), key=key)
        return json_answer(made, 201, {"Location": f"/v1/callers/{caller.id}"})

    @routes.get("", responses=answers(CallersJson, 200, 422, 503))
    async def list_callers(
        query: Annotated[PageQuery, Query()], manager: Annotated[Caller, requires.turn(Scope.CALLERS_MANAGE)]
    ) -> Response:
        """Those that one may manage, so a page may have fewer than `limit`."""
        async with gateway.lists.making(manager.id):
            page = await store.callers(limit=query.limit, after=name_of("callers", query.cursor))
            own = [caller for caller in page.items if exceeds(caller, manager) is None]
            used = await store.last_uses([caller.id for caller in own])
            following = None if page.next is None else name_cursor_of("callers", page.next)
            items = [caller_json(caller, used.get(caller.id)) for caller in own]
            return json_answer(CallersJson(items=items, next_cursor=following))

    @routes.get("/{caller_id}", responses=answers(CallerJson, 200, 404, 503))
    async def read_caller(caller_id: CallerId, manager: Annotated[Caller, requires(Scope.CALLERS_MANAGE)]) -> Response:
        caller = await _read(caller_id)
        _within(caller, manager)
        return await _shown(caller)

    @routes.put(
        "/{caller_id}",
        responses=answers(CallerJson, 200, 400, 404, 408, 413, 422, 503),
        openapi_extra=request_body(CallerChange),
    )
    async def change_caller(
        caller_id: CallerId, request: Request, manager: Annotated[Caller, requires(Scope.CALLERS_MANAGE)]
    ) -> Response:
        """All of it anew but its kind, identity and keys. Other gateways know within half a minute."""
        body = await body_of(request, CallerChange)
        return await _shown(await _write(caller_id, manager, lambda caller, _: changed(caller, body, gateway.channels)))

    @routes.delete("/{caller_id}", status_code=204, responses=answers(None, 204, 404, 503))
    async def revoke_caller(
        caller_id: CallerId, manager: Annotated[Caller, requires(Scope.CALLERS_MANAGE)]
    ) -> Response:
        """For good: it is refused within half a minute. Its notifications stay."""
        await _write(caller_id, manager, lambda caller, now: replace(caller, revoked_at=caller.revoked_at or now))
        return Response(status_code=204)

    @routes.post(
        "/{caller_id}/keys",
        status_code=201,
        responses=answers(
            NewKeyJson,
            *(201, 404, 409, 503),
            links={"revoke_key": link("revoke_key", caller_id="$request.path.caller_id", key_id="$response.body#/id")},
        ),
    )
    async def add_key(caller_id: CallerId, manager: Annotated[Caller, requires(Scope.CALLERS_MANAGE)]) -> Response:
        """A further key; to change keys, add one, use it, and revoke the other."""
        made: list[str] = []

        def with_key(caller: Caller, now: datetime) -> Caller:
            if caller.kind not in KEY_KINDS or caller.revoked_at is not None:
                raise Problem(409, "the caller is revoked, or is not known by keys")
            if len(caller.keys) >= MOST_KEYS:
                raise Problem(409, f"the caller has had {MOST_KEYS} keys; make a new one")
            made[:] = [keys.new_key(caller.id, caller.kind)]
            return replace(caller, keys=(*caller.keys, keys.kept(made[0], now)))

        caller = await _write(caller_id, manager, with_key)
        return json_answer(NewKeyJson(**key_json(caller.keys[-1]), key=made[0]), 201)

    @routes.delete("/{caller_id}/keys/{key_id}", status_code=204, responses=answers(None, 204, 404, 503))
    async def revoke_key(
        caller_id: CallerId, key_id: KeyId, manager: Annotated[Caller, requires(Scope.CALLERS_MANAGE)]
    ) -> Response:
        """It is refused within half a minute."""

        def without_key(caller: Caller, now: datetime) -> Caller:
            if key_id not in {key.id for key in caller.keys}:
                raise Problem(404, "the caller has no such key")
            left = [replace(k, revoked_at=k.revoked_at or now) if k.id == key_id else k for k in caller.keys]
            return replace(caller, keys=tuple(left))

        await _write(caller_id, manager, without_key)
        return Response(status_code=204)

    async def _read(caller_id: str) -> Caller:
        found = await store.read([caller_id]) if keys.is_caller_id(caller_id) else {}
        if caller_id not in found:
            raise Problem(404, "there is no such caller")
        return found[caller_id]

    async def _write(caller_id: str, manager: Caller, change: Callable[[Caller, datetime], Caller]) -> Caller:
        """The caller after the change, which is made again when another was faster."""
        for _ in range(_TRIES):
            caller = await _read(caller_id)
            _within(caller, manager)
            after = change(caller, gateway.now())
            _within(after, manager)
            try:
                await store.replace(after)
            except Conflict:
                continue
            gateway.identity.callers.forget(caller_id)
            log.info("caller changed", caller=caller_id, by=manager.id, revoked=after.revoked_at is not None)
            return after
        raise Problem(503, "others are changing this caller; try again", headers={"Retry-After": "1"})

    async def _create_again(caller: Caller, manager: Caller) -> None:
        """A certificate or token whose caller was revoked can be let in again. Problem 409."""
        there = await _read(caller.id)
        if there.revoked_at is None:
            raise Problem(409, f"there is a caller with this identity: {caller.id}")
        _within(there, manager)
        try:
            await store.replace(replace(caller, version=there.version))
        except Conflict:
            raise Problem(409, "somebody else has just made this caller") from None

    async def _shown(caller: Caller) -> Response:
        used = await store.last_uses([caller.id])
        return json_answer(caller_json(caller, used.get(caller.id)))

    return routes


def _within(caller: Caller, manager: Caller) -> None:
    excess = exceeds(caller, manager)
    if excess is not None:
        raise forbidden(f"nobody manages callers that may do more than they may themselves, and here it is {excess}")
