"""The routes of suppressions."""

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from functions.gateway.access.caller import Caller, Scope
from functions.gateway.access.route_scopes import Requires
from functions.gateway.channels.addresses import address_of, check_channel
from functions.gateway.services import Gateway
from functions.gateway.suppressions import changes
from functions.gateway.suppressions.csv_export import export_page
from functions.gateway.suppressions.csv_import import CLOCKS_DIFFER, import_csv
from functions.gateway.suppressions.schemas import (
    ImportedJson,
    SuppressionJson,
    SuppressionRequest,
    SuppressionsJson,
    SuppressionsQuery,
    suppression_json,
)
from functions.gateway.web.json_responses import json_answer, large_answer
from functions.gateway.web.listing_pages import CURSOR, name_cursor_of, name_of
from functions.gateway.web.openapi_declarations import answers, csv_body, link, request_body
from functions.gateway.web.problem_details import field_error, invalid
from functions.gateway.web.request_bodies import body_of, text_of
from shared.people.suppression import CLASS_BY_REASON, Entry, Suppression, SuppressionClass

_CHANNEL: dict[str, Any] = {"$ref": "#/components/schemas/ChannelName"}
ChannelInPath = Annotated[str, Path(json_schema_extra={**_CHANNEL, "pattern": "^[a-z][a-z0-9_]{0,63}$"})]
AddressInPath = Annotated[
    str, Path(description="Percent-encoded.", json_schema_extra={"pattern": "^[^\\x00-\\x1f\\x7f]{1,2048}$"})
]
_NO_UTF_8 = "\ufffd"  # what the server reads in the place of such bytes
_CSV = "text/csv; charset=utf-8"
_NEXT = {"Link": {"schema": {"type": "string"}, "description": 'The next page, rel="next", where there is one.'}}
_BY_ADDRESS = ("read_suppression", "delete_suppression")


class CsvResponse(Response):
    """For /openapi.json."""

    media_type = "text/csv"


class ExportQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    channel: str | None = Field(default=None, json_schema_extra=_CHANNEL)
    cursor: str | None = CURSOR


def suppressions_router(gateway: Gateway) -> APIRouter:  # noqa: PLR0915 - one route after the other
    routes = APIRouter(prefix="/v1/suppressions")
    people = gateway.people
    requires = Requires(gateway.identity, gateway.quotas, gateway.listings)

    @routes.get("", responses=answers(SuppressionsJson, 200, 422, 503))
    async def list_suppressions(
        query: Annotated[SuppressionsQuery, Query()],
        caller: Annotated[Caller, requires.turn(Scope.SUPPRESSIONS_READ)],
    ) -> Response:
        """Those of a channel, or all, by their hash; or the one of an address, if it is there."""
        _check(caller, query.channel)
        if query.address is not None:
            if query.channel is None:
                raise invalid(field_error("channel", "must be there, since an address is one of a channel's"))
            found = await _found(_of(caller, query.channel, query.address))
            items = [] if found is None else [suppression_json(found)]
            return json_answer(SuppressionsJson(items=items, next_cursor=None))
        async with gateway.listings.making(caller.id):
            page = await people.suppressions(
                channel=query.channel, limit=query.limit, after=name_of("suppressions", query.cursor)
            )
            following = None if page.next is None else name_cursor_of("suppressions", page.next)
            items = [suppression_json(suppression) for suppression in page.items]
            return json_answer(SuppressionsJson(items=items, next_cursor=following))

    @routes.get(".csv", response_class=CsvResponse, responses=answers(None, 200, 422, 503, headers=_NEXT))
    async def export_suppressions(
        query: Annotated[ExportQuery, Query()], caller: Annotated[Caller, requires.turn(Scope.SUPPRESSIONS_READ)]
    ) -> Response:
        """Those of a channel, or all, by their hash: a row a reason. `Link` leads to the next 10,000 or fewer."""
        _check(caller, query.channel)
        after = name_of("suppressions.csv", query.cursor)
        async with gateway.listings.making(caller.id):
            text, following = await export_page(people, query.channel, after, gateway.now)
        headers = {}
        if following is not None:
            channel = {} if query.channel is None else {"channel": query.channel}
            parameters = urlencode({**channel, "cursor": name_cursor_of("suppressions.csv", following)})
            headers["Link"] = f'</v1/suppressions.csv?{parameters}>; rel="next"'
        return large_answer(text.encode(), _CSV, headers=headers)

    @routes.post("/import", responses=answers(ImportedJson, 200, 408, 413, 422, 503), openapi_extra=csv_body())
    async def import_suppressions(
        request: Request, caller: Annotated[Caller, requires.turn(Scope.SUPPRESSIONS_WRITE, gateway.batches)]
    ) -> Response:
        """CSV of up to 2,000 rows, each taken or refused for itself. The same file again changes nothing."""
        changes.check_kind(caller)
        text = await text_of(request)
        async with gateway.batches.making(caller.id):
            return json_answer(await import_csv(gateway, caller, text))

    @routes.get("/{channel}/{address:path}", responses=answers(SuppressionJson, 200, 404, 422, 503))
    async def read_suppression(
        channel: ChannelInPath, address: AddressInPath, caller: Annotated[Caller, requires(Scope.SUPPRESSIONS_READ)]
    ) -> Response:
        """What is not sent to this address, and why."""
        found = await _found(_of(caller, channel, address))
        if found is None:
            raise changes.nothing()
        return json_answer(suppression_json(found))

    @routes.put(
        "/{channel}/{address:path}",
        responses=answers(
            SuppressionJson,
            *(200, 201, 400, 408, 413, 422, 503),
            links={
                operation: link(operation, channel="$request.path.channel", address="$request.path.address")
                for operation in _BY_ADDRESS
            },
        ),
        openapi_extra=request_body(SuppressionRequest),
    )
    async def put_suppression(
        channel: ChannelInPath,
        address: AddressInPath,
        request: Request,
        caller: Annotated[Caller, requires(Scope.SUPPRESSIONS_WRITE)],
    ) -> Response:
        """Adds a reason. One that is there keeps what it stops already."""
        of = _of(caller, channel, address)
        body = await body_of(request, SuppressionRequest)
        now = gateway.now()
        if body.at is not None and body.at > now + CLOCKS_DIFFER:
            raise invalid(field_error("at", "lies in the future"))
        evidence = f"by caller {caller.id}" + (f": {body.evidence}" if body.evidence is not None else "")
        class_ = SuppressionClass(body.class_) if body.class_ else CLASS_BY_REASON[body.reason]
        entry = Entry(body.reason, class_, body.at or now, evidence)
        written, new = await changes.put(people, of, [entry], caller)
        return json_answer(suppression_json(written), 201 if new else 200)

    @routes.delete("/{channel}/{address:path}", status_code=204, responses=answers(None, 204, 404, 422, 503))
    async def delete_suppression(
        channel: ChannelInPath, address: AddressInPath, caller: Annotated[Caller, requires(Scope.SUPPRESSIONS_WRITE)]
    ) -> Response:
        """With all of its reasons: whatever may be sent is sent to this address again."""
        await changes.delete(people, _of(caller, channel, address), caller)
        return Response(status_code=204)

    def _check(caller: Caller, channel: str | None) -> None:
        """Problem 403, 422."""
        changes.check_kind(caller)
        if channel is not None:
            check_channel(gateway.channels, channel)
        changes.check_use(caller, channel)

    def _of(caller: Caller, channel: str, address: str) -> Suppression:
        """The address's, as if nothing were on record. Problem 403, 422."""
        _check(caller, channel)
        if _NO_UTF_8 in address:
            raise invalid(field_error("address", "must be UTF-8, percent-encoded"))
        return Suppression(people.suppression_id(channel, address_of(gateway.channels, channel, address)), channel)

    async def _found(of: Suppression) -> Suppression | None:
        return await people.suppression(of.channel, of.id)

    return routes
