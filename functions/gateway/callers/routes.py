"""The routes of callers. What a manager may do to them is in `changes.py`."""

from dataclasses import replace
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from functions.gateway.access import api_keys
from functions.gateway.access.caller import KEY_KINDS, Caller, Scope
from functions.gateway.access.route_scopes import Requires
from functions.gateway.access.scopes import RequiresScope
from functions.gateway.callers.changes import Manager
from functions.gateway.callers.revocation import Revocation
from functions.gateway.callers.schemas import (
    CallerChange,
    CallerJson,
    CallerRequest,
    CallersJson,
    NewCallerJson,
    NewKeyJson,
    RevokedJson,
    WouldRevokeJson,
    caller_json,
    changed,
    key_json,
    new_caller,
)
from functions.gateway.notifications.stopping import would_stop
from functions.gateway.services import Gateway
from functions.gateway.web.json_responses import json_answer
from functions.gateway.web.listing_pages import PageQuery, name_cursor_of, name_of
from functions.gateway.web.openapi_declarations import LOCATION, answers, link, request_body
from functions.gateway.web.problem_details import Problem
from functions.gateway.web.request_bodies import body_of

MOST_KEYS = 10  # of one caller, revoked ones counted: to change keys takes two

CallerId = Annotated[str, Path(json_schema_extra={"pattern": "^[0-9a-f]{16}$"})]
KeyId = Annotated[str, Path(json_schema_extra={"pattern": "^[0-9a-f]{8}$"})]
_BY_ID = ("read_caller", "change_caller", "revoke_caller", "add_key")


def _true_or_false(text: str) -> bool:
    if text.lower() not in {"true", "false"}:
        raise ValueError("must be true or false")
    return text.lower() == "true"


Flag = Annotated[bool, BeforeValidator(_true_or_false)]
"""Of a query. Pydantic's own takes `0`, `off` and `n` as well, which the document does not allow."""


class RevokeQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    cascade: Flag = Field(default=False, description="Also the callers that it made, and the keys that it added.")
    stop: Flag = Field(default=False, description="Also cancel the deliveries that are queued of those revoked.")
    dry_run: Flag = Field(default=False, description="Only says what that would come to.")


async def _would_revoke(manager: Manager, caller_id: str, query: RevokeQuery) -> WouldRevokeJson:
    """What would be revoked and cancelled, and nothing is. Problem 404."""
    revocation = Revocation(manager, {(await manager.read(caller_id)).id})
    if query.cascade:
        await revocation.find_made()
    stopped = await would_stop(revocation.queued(), manager.gateway.now()) if query.stop else None
    return WouldRevokeJson(callers=sorted(revocation.gone), stopped=stopped)


def _check_id(caller_id: str) -> None:
    if caller_id == "self":  # a path of its own, which takes GET alone
        raise Problem(405, headers={"Allow": "GET, HEAD"})


def callers_router(gateway: Gateway) -> APIRouter:  # noqa: PLR0915 - one route after the other
    routes = APIRouter(prefix="/v1/callers")
    requires = Requires(gateway.identity, gateway.quotas, gateway.listings)
    scope = RequiresScope(gateway.identity, gateway.quotas, Scope.CALLERS_MANAGE)

    def managing(request: Request, caller: Caller) -> Manager:
        return Manager(gateway, caller, lambda: scope.now(request))

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
    async def create_caller(
        request: Request, manager: Annotated[Caller, requires(Scope.CALLERS_MANAGE, fresh=True)]
    ) -> Response:
        """Its `key` is in this answer and nowhere else."""
        body = await body_of(request, CallerRequest)
        wanted, key = new_caller(body, gateway.channels, gateway.issuers, gateway.now())
        caller = await managing(request, manager).make(wanted)
        made = NewCallerJson(**caller_json(caller, caller.created_by, None), key=key)
        return json_answer(made, 201, {"Location": f"/v1/callers/{caller.id}"})

    @routes.get("", responses=answers(CallersJson, 200, 422, 503))
    async def list_callers(
        request: Request,
        query: Annotated[PageQuery, Query()],
        manager: Annotated[Caller, requires.turn(Scope.CALLERS_MANAGE)],
    ) -> Response:
        """Those that one may manage."""
        managed = managing(request, manager)
        async with gateway.listings.making(manager.id):
            page = await managed.page(query.limit, name_of("callers", query.cursor))
            used = await gateway.callers.last_uses([caller.id for caller in page.items])
            makers = await managed.makers(page.items)
            items = [caller_json(caller, makers.get(caller.id), used.get(caller.id)) for caller in page.items]
            following = None if page.next is None else name_cursor_of("callers", page.next)
            return json_answer(CallersJson(items=items, next_cursor=following))

    @routes.get("/self", responses=answers(CallerJson, 200, 503))
    async def read_self(request: Request, caller: Annotated[Caller, requires.any_caller()]) -> Response:
        """The caller that asks: who it is and what it may do. Needs no scope."""
        used = await gateway.callers.last_uses([caller.id])
        makers = await managing(request, caller).makers([caller]) if Scope.CALLERS_MANAGE in caller.scopes else {}
        return json_answer(caller_json(caller, makers.get(caller.id), used.get(caller.id)))

    @routes.get("/{caller_id}", responses=answers(CallerJson, 200, 404, 503))
    async def read_caller(
        request: Request, caller_id: CallerId, manager: Annotated[Caller, requires(Scope.CALLERS_MANAGE)]
    ) -> Response:
        """Who it is, what it may do and when it was last used."""
        managed = managing(request, manager)
        return await _shown(managed, await managed.read(caller_id))

    @routes.put(
        "/{caller_id}",
        responses=answers(CallerJson, 200, 400, 404, 408, 413, 422, 503),
        openapi_extra=request_body(CallerChange),
    )
    async def change_caller(
        caller_id: CallerId, request: Request, manager: Annotated[Caller, requires(Scope.CALLERS_MANAGE, fresh=True)]
    ) -> Response:
        """All of it anew but its kind, identity and keys. Other gateways know within half a minute."""
        _check_id(caller_id)
        body = await body_of(request, CallerChange)
        managed = managing(request, manager)
        return await _shown(
            managed, await managed.change(caller_id, lambda caller, _: changed(caller, body, gateway.channels))
        )

    @routes.delete(
        "/{caller_id}",
        status_code=204,
        responses=answers(None, 204, 404, 422, 503) | answers(RevokedJson, 202) | answers(WouldRevokeJson, 200),
    )
    async def revoke_caller(
        caller_id: CallerId,
        request: Request,
        query: Annotated[RevokeQuery, Query()],
        manager: Annotated[Caller, requires(Scope.CALLERS_MANAGE, fresh=True)],
    ) -> Response:
        """For good: it is refused within half a minute. Its notifications stay. 204 when all that was asked for is
        done; 202 when some is left, or may be under way at a provider: ask again. With `dry_run` it says what it would
        come to."""
        _check_id(caller_id)
        managed = managing(request, manager)
        if query.dry_run:
            return json_answer(await _would_revoke(managed, caller_id, query))
        await managed.change(caller_id, lambda caller, now: replace(caller, revoked_at=caller.revoked_at or now))
        revocation = Revocation(managed, {caller_id})
        if query.cascade:
            await revocation.revoke_made()
        if query.stop:
            await revocation.cancel_queued()
        if revocation.finished and not revocation.under_way:
            return Response(status_code=204)
        left = RevokedJson(revoked=revocation.revoked, cancelled=revocation.cancelled, under_way=revocation.under_way)
        return json_answer(left, 202)

    @routes.post(
        "/{caller_id}/keys",
        status_code=201,
        responses=answers(
            NewKeyJson,
            *(201, 404, 409, 503),
            links={"revoke_key": link("revoke_key", caller_id="$request.path.caller_id", key_id="$response.body#/id")},
        ),
    )
    async def add_key(
        caller_id: CallerId, request: Request, manager: Annotated[Caller, requires(Scope.CALLERS_MANAGE, fresh=True)]
    ) -> Response:
        """A further key; to change keys, add one, use it, and revoke the other."""
        made: list[str] = []

        def with_key(caller: Caller, now: datetime) -> Caller:
            if caller.kind not in KEY_KINDS or caller.revoked_at is not None:
                raise Problem(409, "the caller is revoked, or is not known by keys")
            if len(caller.keys) >= MOST_KEYS:
                raise Problem(409, f"the caller has had {MOST_KEYS} keys; make a new one")
            made[:] = [api_keys.new_key(caller.id, caller.kind)]
            key = api_keys.kept(made[0], now)
            makers = {**caller.key_makers, key.id: manager.id}
            return replace(caller, keys=(*caller.keys, key), key_makers=makers)

        caller = await managing(request, manager).change(caller_id, with_key)
        return json_answer(NewKeyJson(**key_json(caller.keys[-1]), key=made[0]), 201)

    @routes.delete("/{caller_id}/keys/{key_id}", status_code=204, responses=answers(None, 204, 404, 503))
    async def revoke_key(
        caller_id: CallerId,
        key_id: KeyId,
        request: Request,
        manager: Annotated[Caller, requires(Scope.CALLERS_MANAGE, fresh=True)],
    ) -> Response:
        """It is refused within half a minute."""

        def without_key(caller: Caller, now: datetime) -> Caller:
            if key_id not in {key.id for key in caller.keys}:
                raise Problem(404, "the caller has no such key")
            left = [replace(k, revoked_at=k.revoked_at or now) if k.id == key_id else k for k in caller.keys]
            return replace(caller, keys=tuple(left))

        await managing(request, manager).change(caller_id, without_key)
        return Response(status_code=204)

    async def _shown(managed: Manager, caller: Caller) -> Response:
        used = await gateway.callers.last_uses([caller.id])
        makers = await managed.makers([caller])
        return json_answer(caller_json(caller, makers.get(caller.id), used.get(caller.id)))

    return routes
