"""The route of the audit log."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field, StringConstraints
from starlette.responses import Response

from functions.gateway.access.caller import Caller, Scope
from functions.gateway.access.route_scopes import Requires
from functions.gateway.audit.schemas import AuditEntriesJson, entries_json
from functions.gateway.audit_trail.entry import COMMAND_LINE
from functions.gateway.notifications.timing import Instant
from functions.gateway.services import Gateway
from functions.gateway.web.json_responses import json_answer
from functions.gateway.web.listing_pages import PageQuery, cursor_of, position_of
from functions.gateway.web.openapi_declarations import answers
from functions.gateway.web.problem_details import field_error, invalid

ActorText = Annotated[str, StringConstraints(pattern=f"^([0-9a-f]{{16}}|{COMMAND_LINE})$")]
ActionText = Annotated[str, StringConstraints(pattern="^[a-z][a-z_]{0,63}$")]


class AuditQuery(PageQuery):
    """actor, action: exactly; from, to: when it was done; `to` itself is not in it"""

    actor: ActorText | None = None
    action: ActionText | None = None
    from_: Instant | None = Field(default=None, alias="from")
    to: Instant | None = None


def audit_router(gateway: Gateway) -> APIRouter:
    routes = APIRouter(prefix="/v1/audit")
    requires = Requires(gateway.identity, gateway.quotas, gateway.listings)

    @routes.get("", responses=answers(AuditEntriesJson, 200, 422, 503))
    async def list_audit_entries(
        query: Annotated[AuditQuery, Query()], caller: Annotated[Caller, requires.turn(Scope.AUDIT_READ)]
    ) -> Response:
        """Who did what to which record, everybody's, refusals too; the latest first."""
        if query.from_ is not None and query.to is not None and query.from_ >= query.to:
            raise invalid(field_error("from", "must be before to"))
        async with gateway.listings.making(caller.id):
            page = await gateway.audit.trail.store.entries(
                limit=query.limit,
                actor=query.actor,
                action=query.action,
                start=query.from_,
                end=query.to,
                after=position_of("audit", query.cursor),
            )
            following = None if page.next is None else cursor_of("audit", page.next)
            return json_answer(AuditEntriesJson(items=entries_json(page.items), next_cursor=following))

    return routes
