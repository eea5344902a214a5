"""The whole /openapi.json: what FastAPI sees of the routes, and what it does not see of them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from functions.gateway.access.route_scopes import requirement_of
from functions.gateway.batches.schemas import BatchRequest
from functions.gateway.broadcasts.schemas import BroadcastRequest
from functions.gateway.callers.schemas import CallerChange, CallerRequest
from functions.gateway.categories.schemas import CategoryRequest
from functions.gateway.channels.schemas import PauseRequest
from functions.gateway.dead_letters.schemas import ReplayRequest
from functions.gateway.endpoints.schemas import EndpointRequest, EventsReplayRequest, RotationRequest
from functions.gateway.lists.schemas import ListRequest, MembersRequest
from functions.gateway.notifications.schemas import NotificationRequest
from functions.gateway.openapi_examples import add_examples, examples
from functions.gateway.recipients.schemas import RecipientRequest
from functions.gateway.suppressions.schemas import SuppressionRequest
from functions.gateway.templates.schemas import PreviewRequest, RecallRequest, TemplateRequest
from functions.gateway.web.openapi_declarations import ANSWERED, answers
from functions.gateway.web.problem_details import ProblemDetails
from shared.channels.content import content_schema
from shared.channels.declaration import Channel
from shared.channels.registry import example_addresses

_SCHEMAS = (
    NotificationRequest,
    BatchRequest,
    BroadcastRequest,
    RecipientRequest,
    CategoryRequest,
    PauseRequest,
    ReplayRequest,
    SuppressionRequest,
    ListRequest,
    MembersRequest,
    TemplateRequest,
    PreviewRequest,
    RecallRequest,
    EndpointRequest,
    RotationRequest,
    EventsReplayRequest,
    CallerRequest,
    CallerChange,
    ProblemDetails,
)
"""What `request_body` and `answers` refer to by name."""

_SECURITY_SCHEMES = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key (hark_…), or an OIDC token of a trusted issuer.",
    },
    "mutualTLS": {"type": "mutualTLS", "description": "A client certificate, where a load balancer verifies it."},
}


def openapi(app: FastAPI, api_routes: Sequence[APIRoute], channels: Mapping[str, Channel]) -> dict[str, Any]:
    """The whole document; made once. `api_routes`: those that may need a scope."""
    if app.openapi_schema is None:
        schema = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        components = schema.setdefault("components", {}).setdefault("schemas", {})
        components.update(_definitions(ANSWERED.values(), "serialization"))
        components.update(_definitions(_SCHEMAS, "validation"))
        _name_channels(components, channels)
        # FastAPI adds its own form of a 422 to each route that has parameters. Those that can give one declare it.
        for unused in ("HTTPValidationError", "ValidationError"):
            components.pop(unused, None)
        for operation in (o for methods in schema["paths"].values() for o in methods.values()):
            if "HTTPValidationError" in str(operation["responses"].get("422")):
                del operation["responses"]["422"]
            if "requestBody" in operation:
                operation["responses"] |= {"415": answers(None, 415)[415]}
            for parameter in operation.get("parameters", []):
                parameter["schema"] = _without_null(parameter["schema"])
        schema["components"]["securitySchemes"] = _SECURITY_SCHEMES
        for route in api_routes:
            requirement = requirement_of(route.dependant)
            for method in (route.methods or ()) if requirement else ():
                scopes = [requirement.scope] if requirement and requirement.scope else []
                operation = schema["paths"][route.path_format][method.lower()]
                operation["security"] = [{"bearer": scopes}, {"mutualTLS": scopes}]
                refusals = (401, 403, 429, 503) if scopes else (401, 429, 503)
                further = {str(status): answer for status, answer in answers(None, *refusals).items()}
                operation["responses"] = dict(sorted({**operation["responses"], **further}.items()))
        _name_operations(schema["paths"])
        add_examples(schema["paths"], examples(channels, example_addresses()))
        app.openapi_schema = schema
    return app.openapi_schema


def _definitions(models: Iterable[Any], mode: JsonSchemaMode) -> Mapping[str, Any]:
    adapters: list[tuple[Any, JsonSchemaMode, TypeAdapter[Any]]] = [(m, mode, TypeAdapter(m)) for m in models]
    _, definitions = TypeAdapter.json_schemas(adapters, ref_template="#/components/schemas/{model}")
    found: Mapping[str, Any] = definitions.get("$defs", {})
    return found


def _name_operations(paths: Mapping[str, Mapping[str, Any]]) -> None:
    """A title of each, and a group by what it is about: FastAPI's own titles Are Written Like This."""
    for path, methods in paths.items():
        for operation in methods.values():
            operation["summary"] = _title(operation["operationId"])
            operation["tags"] = [_title(re.split("[/.]", path.removeprefix("/v1/").strip("/"))[0])]


def _title(name: str) -> str:
    return name.replace("_", " ").replace("-", " ").capitalize()


def _name_channels(components: dict[str, Any], channels: Mapping[str, Channel]) -> None:
    """The models take any channel's name, and the routes refuse those that are none."""
    components["ChannelName"] = {"type": "string", "enum": list(channels)}
    address = components["Addresses"].pop("additionalProperties")
    del components["Addresses"]["propertyNames"]
    components["Addresses"] |= {
        "properties": {name: {**address, "description": channel.address} for name, channel in channels.items()},
        "additionalProperties": False,
    }
    components["ContentByChannel"] = {
        "type": "object",
        "minProperties": 1,
        "additionalProperties": False,
        "properties": {name: _own_content(channel) for name, channel in channels.items()},
    }


def _own_content(channel: Channel) -> dict[str, Any]:
    """The schema of what a request may say for this channel: it needs no message, where there is one for all."""
    schema = content_schema(channel)
    schema.pop("required", None)
    return schema


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A query has no null: a parameter that may be None is one that may be absent."""
    kinds = [kind for kind in schema.get("anyOf", []) if kind != {"type": "null"}]
    return {**{k: v for k, v in schema.items() if k != "anyOf"}, **kinds[0]} if kinds else schema
