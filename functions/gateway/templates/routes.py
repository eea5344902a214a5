"""The routes of templates."""

import re
from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from functions.gateway.access.caller import Caller, Scope
from functions.gateway.access.route_scopes import Requires
from functions.gateway.access.scopes import forbidden
from functions.gateway.notifications.idempotency import idempotency_key
from functions.gateway.notifications.stopping import WouldStopJson
from functions.gateway.operations.schemas import OperationJson, operation_json
from functions.gateway.rendering.template_model import Template, TemplateVersion
from functions.gateway.services import Gateway
from functions.gateway.templates import publishing
from functions.gateway.templates.previewing import as_it_would_go
from functions.gateway.templates.recall import begin_recall, would_recall
from functions.gateway.templates.scheduled_misfits import misfits
from functions.gateway.templates.schemas import (
    PreviewJson,
    PreviewRequest,
    PublishedJson,
    RecallRequest,
    TemplateRequest,
    TemplatesJson,
    TemplateVersionJson,
    published_json,
    template_json,
    template_version_json,
)
from functions.gateway.web.common_fields import PLAIN_NAME, check_plain_name
from functions.gateway.web.json_responses import json_answer
from functions.gateway.web.listing_pages import PageQuery, name_cursor_of, name_of
from functions.gateway.web.openapi_declarations import LOCATION, answers, link, request_body
from functions.gateway.web.problem_details import Problem, field_error, invalid
from functions.gateway.web.request_bodies import body_of
from shared.delivery.model import Recipient

Name = Annotated[str, Path(json_schema_extra={"pattern": PLAIN_NAME})]
Number = Annotated[str, Path(json_schema_extra={"pattern": "^[1-9][0-9]{0,8}$"})]


def templates_router(gateway: Gateway) -> APIRouter:
    routes = APIRouter(prefix="/v1/templates")
    store = gateway.templates.store
    requires = Requires(gateway.identity, gateway.quotas, gateway.listings)

    @routes.put(
        "/{name}",
        responses=answers(
            PublishedJson,
            *(200, 201, 400, 408, 413, 422, 503),
            links={o: link(o, name="$request.path.name") for o in ("read_template", "archive_template")},
        ),
        openapi_extra=request_body(TemplateRequest),
    )
    async def publish_template(
        name: Name, request: Request, caller: Annotated[Caller, requires(Scope.TEMPLATES_WRITE)]
    ) -> Response:
        """Publishes the next version, which never changes. The same body again is the version that there is.

        With what is scheduled and would not fit it: that goes as it was accepted, but its like will be refused.
        """
        check_plain_name(name)
        body = await body_of(request, TemplateRequest)
        publishing.check(body, gateway.channels)
        template, version, new = await publishing.publish(store, name, body, caller.id, gateway.now())
        made = published_json(template, version, await misfits(gateway, version))
        return json_answer(made, 201 if new else 200)

    @routes.get("", responses=answers(TemplatesJson, 200, 422, 503))
    async def list_templates(
        query: Annotated[PageQuery, Query()], caller: Annotated[Caller, requires.turn(Scope.TEMPLATES_READ)]
    ) -> Response:
        """By name, archived ones too."""
        async with gateway.listings.making(caller.id):
            page = await store.templates(limit=query.limit, after=name_of("templates", query.cursor))
            following = None if page.next is None else name_cursor_of("templates", page.next)
            return json_answer(TemplatesJson(items=[template_json(t) for t in page.items], next_cursor=following))

    @routes.get("/{name}", responses=answers(TemplateVersionJson, 200, 404, 503))
    async def read_template(name: Name, caller: Annotated[Caller, requires(Scope.TEMPLATES_READ)]) -> Response:
        """Its latest version."""
        template = await _template(name)
        return json_answer(template_version_json(template, await _version(template, template.latest)))

    @routes.get("/{name}/versions/{version}", responses=answers(TemplateVersionJson, 200, 404, 503))
    async def read_template_version(
        name: Name, version: Number, caller: Annotated[Caller, requires(Scope.TEMPLATES_READ)]
    ) -> Response:
        """One of its versions, as it was published."""
        template = await _template(name)
        return json_answer(template_version_json(template, await _version(template, version)))

    @routes.delete("/{name}", status_code=204, responses=answers(None, 204, 404, 503))
    async def archive_template(name: Name, caller: Annotated[Caller, requires(Scope.TEMPLATES_WRITE)]) -> Response:
        """Nothing new is made of it. What was, stays on record, and so do its versions; a new one brings it back."""
        await publishing.archive(store, (await _template(name)).name, caller.id, gateway.now())
        return Response(status_code=204)

    @routes.post(
        "/{name}/preview",
        responses=answers(PreviewJson, 200, 400, 404, 408, 413, 422, 503),
        openapi_extra=request_body(PreviewRequest),
    )
    async def preview_template(
        name: Name, request: Request, caller: Annotated[Caller, requires(Scope.TEMPLATES_READ)]
    ) -> Response:
        """Each channel's message as it would go, and what is missing in the data. Nothing is written."""
        body = await body_of(request, PreviewRequest)
        template = await _template(name)
        version = await _version(template, body.version or template.latest)
        recipient = await _recipient(gateway, body, caller)
        return json_answer(_previewed(gateway, version, body, recipient))

    @routes.post(
        "/{name}/recall",
        status_code=202,
        responses={
            **answers(OperationJson, 202, headers=LOCATION),
            **answers(WouldStopJson, *(200, 400, 404, 408, 413, 422, 503)),
        },
        openapi_extra=request_body(RecallRequest),
    )
    async def recall_template(
        name: Name, request: Request, caller: Annotated[Caller, requires(Scope.TEMPLATES_WRITE)]
    ) -> Response:
        """Cancels all that is made of this version and has not gone: an operation, which says how far it is. With
        `dry_run` it says what would be cancelled.
        """
        body = await body_of(request, RecallRequest)
        template = await _template(name)
        version = await _version(template, body.version)
        if body.dry_run:
            return json_answer(await would_recall(gateway, version))
        begun = await begin_recall(gateway, caller, version, idempotency_key(request))
        return json_answer(operation_json(begun), 202, {"Location": f"/v1/operations/{begun.id}"})

    async def _template(name: str) -> Template:
        found = await store.template(name) if _is_name(name) else None
        if found is None:
            raise Problem(404, "no template has this name")
        return found

    async def _version(template: Template, number: int | str) -> TemplateVersion:
        known = str(number).isascii() and str(number).isdigit() and 1 <= int(str(number)[:12]) <= template.latest
        found = await gateway.templates.kept_version(template.name, int(number)) if known else None
        if found is None:
            raise Problem(404, "the template has no such version")
        return found

    return routes


async def _recipient(gateway: Gateway, body: PreviewRequest, caller: Caller) -> Recipient | None:
    """Problem 403, 422."""
    if body.recipient is None:
        return None
    if Scope.RECIPIENTS_READ not in caller.scopes or not caller.may_name(body.recipient):
        raise forbidden("this caller may not read this recipient", Scope.RECIPIENTS_READ)
    found = await gateway.store.recipient(body.recipient)
    if found is None or found.erased_at is not None:
        raise invalid(field_error("recipient", "no recipient has this name"))
    return found


def _previewed(
    gateway: Gateway, version: TemplateVersion, body: PreviewRequest, recipient: Recipient | None
) -> PreviewJson:
    """Problem 422."""
    rendered = gateway.templates.renderer.render(version, body.data, locale=body.locale, recipient=recipient)
    if rendered.wrong:
        raise invalid(*rendered.wrong)
    content = {
        name: as_it_would_go(gateway.channels[name], dict(parts), whole=not rendered.missing)
        for name, parts in rendered.content.items()
    }
    return PreviewJson(
        name=version.name,
        version=version.number,
        locale=rendered.locale,
        content=content,
        missing=list(rendered.missing),
    )


def _is_name(name: str) -> bool:
    return re.fullmatch(PLAIN_NAME, name) is not None
