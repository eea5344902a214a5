"""The routes of recipients. A caller that is limited to prefixes of names has no others."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from functions.gateway.access.caller import Caller, Scope, exceeds
from functions.gateway.access.route_scopes import Requires
from functions.gateway.access.scopes import forbidden
from functions.gateway.channels.addresses import normalised
from functions.gateway.operations.schemas import OperationJson, operation_json
from functions.gateway.recipients import changes
from functions.gateway.recipients.choices import check_preferences, quiet_hours_of
from functions.gateway.recipients.erasure import begin_erasure
from functions.gateway.recipients.schemas import RecipientJson, RecipientRequest, RecipientsJson, recipient_json
from functions.gateway.services import Gateway
from functions.gateway.web.common_fields import NAME, recipient_name
from functions.gateway.web.json_responses import json_answer
from functions.gateway.web.listing_pages import PageQuery, by_prefixes, name_cursor_of, name_of
from functions.gateway.web.openapi_declarations import LOCATION, answers, link, request_body
from functions.gateway.web.problem_details import Problem, field_error, invalid
from functions.gateway.web.request_bodies import body_of
from shared.delivery.model import Recipient

Name = Annotated[str, Path(json_schema_extra={"pattern": NAME})]  # `_check_name` holds it, and answers in words
_BY_NAME = ("read_recipient", "delete_recipient", "erase_recipient")


def recipients_router(gateway: Gateway) -> APIRouter:
    routes = APIRouter(prefix="/v1/recipients")
    store = gateway.store
    requires = Requires(gateway.identity, gateway.quotas, gateway.listings)

    @routes.put(
        "/{name:path}",
        responses=answers(
            RecipientJson,
            *(200, 201, 400, 408, 409, 413, 422, 503),
            links={operation: link(operation, name="$request.path.name") for operation in _BY_NAME},
        ),
        openapi_extra=request_body(RecipientRequest),
    )
    async def put_recipient(
        name: Name, request: Request, caller: Annotated[Caller, requires(Scope.RECIPIENTS_WRITE)]
    ) -> Response:
        """Registers a person's addresses and what they want, or replaces all of it. Without `preferences` those on
        record stay, since the person may have chosen them.
        """
        _check_name(name, caller)
        body = await body_of(request, RecipientRequest)
        if body.name not in {None, name}:
            raise invalid(field_error("name", "must be the name in the path, or absent"))
        addresses = normalised(gateway.channels, body.addresses, "addresses")
        check_preferences(body.preferences, gateway.channels)
        quiet_hours = quiet_hours_of(body.quiet_hours, body.time_zone)
        now = gateway.now()
        wanted = Recipient(
            name,
            addresses,
            created_at=now,
            updated_at=now,
            updated_by=caller.id,
            locale=body.locale,
            time_zone=body.time_zone,
            attributes=body.attributes,
            quiet_hours=quiet_hours,
            preferences=body.preferences,
        )
        recipient, created = await changes.put(
            store, wanted, caller, keeps_preferences="preferences" not in body.model_fields_set
        )
        return json_answer(recipient_json(recipient, {caller.id}), 201 if created else 200)

    @routes.get("", responses=answers(RecipientsJson, 200, 422, 503))
    async def list_recipients(
        query: Annotated[PageQuery, Query()], caller: Annotated[Caller, requires.turn(Scope.RECIPIENTS_READ)]
    ) -> Response:
        """By name, those that the caller may use."""
        async with gateway.listings.making(caller.id):
            after = name_of("recipients", query.cursor)
            page = await by_prefixes(store.recipients, caller.recipients, query.limit, after, lambda each: each.name)
            callers = await _callers_seen(caller, page.items)
            items = [recipient_json(r, callers) for r in page.items if r.erased_at is None]
            following = None if page.next is None else name_cursor_of("recipients", page.next)
            return json_answer(RecipientsJson(items=items, next_cursor=following))

    @routes.get("/{name:path}", responses=answers(RecipientJson, 200, 404, 422, 503))
    async def read_recipient(name: Name, caller: Annotated[Caller, requires(Scope.RECIPIENTS_READ)]) -> Response:
        """A person's addresses, and what they want."""
        _check_name(name, caller)
        recipient = await store.recipient(name)
        if recipient is None or recipient.erased_at is not None:
            raise Problem(404, "no recipient has this name")
        return json_answer(recipient_json(recipient, await _callers_seen(caller, [recipient])))

    @routes.delete("/{name:path}", status_code=204, responses=answers(None, 204, 404, 422, 503))
    async def delete_recipient(name: Name, caller: Annotated[Caller, requires(Scope.RECIPIENTS_WRITE)]) -> Response:
        """What was accepted for this person is still sent."""
        _check_name(name, caller)
        await changes.delete(store, name, caller)
        return Response(status_code=204)

    @routes.post(
        "/{name:path}/erase",
        status_code=202,
        responses=answers(OperationJson, *(202, 404, 422, 503), headers=LOCATION),
    )
    async def erase_recipient(name: Name, caller: Annotated[Caller, requires(Scope.RECIPIENTS_WRITE)]) -> Response:
        """Empties all records of this person: an operation, which says how far it is. What has not gone does not go."""
        _check_name(name, caller)
        begun = await begin_erasure(gateway, caller, name)
        return json_answer(operation_json(begun), 202, {"Location": f"/v1/operations/{begun.id}"})

    async def _callers_seen(caller: Caller, shown: Sequence[Recipient]) -> set[str]:
        """Of the callers that wrote these last: the caller itself, and those that it may manage."""
        writers = {r.updated_by for r in shown if r.updated_by is not None}
        others = sorted(writers - {caller.id}) if Scope.CALLERS_MANAGE in caller.scopes else []
        found = await gateway.callers.look_up(others) if others else {}
        return {caller.id} | {other.id for other in found.values() if exceeds(other, caller) is None}

    return routes


def _check_name(name: str, caller: Caller) -> None:
    if name.endswith("/erase"):  # a path of its own, which takes POST alone
        raise Problem(405, headers={"Allow": "POST"})
    try:
        recipient_name(name)
    except ValueError as wrong:
        raise invalid(field_error("name", str(wrong))) from None
    if not caller.may_name(name):
        raise forbidden("this caller is limited to recipients with other names")
