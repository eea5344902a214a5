"""Publishing a version of a template, and archiving one.

What if the process dies: a version and that it is the latest are one commit, and the same body again finds it.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from functions.gateway.channels.addresses import unknown_channel
from functions.gateway.rendering.template_model import Template, TemplateStore, TemplateVersion, body_of, same_locale
from functions.gateway.templates.schemas import TemplateRequest
from functions.gateway.web.problem_details import RETRY_LATER, FieldError, Problem, field_error, invalid
from shared.channels.content import content_schema, takes
from shared.channels.declaration import Channel
from shared.delivery.errors import AlreadyExists, Conflict, NotFound
from shared.runtime.logs import get_logger

log = get_logger(__name__)

_TRIES = 5


def check(request: TemplateRequest, channels: Mapping[str, Channel]) -> None:
    """Problem 422 that names the place."""
    from functions.gateway.rendering import template_rendering as rendering  # noqa: PLC0415 - loads what only templates need
    from functions.gateway.rendering.data_schema import DataSchema  # noqa: PLC0415
    from functions.gateway.rendering.liquid_filters import babel_locale  # noqa: PLC0415

    wrong: list[FieldError] = []
    if request.default_locale not in request.locales:
        wrong.append(field_error("default_locale", "must be one of locales"))
    if request.schema_ is not None:
        try:
            DataSchema(request.schema_)
        except ValueError as error:
            wrong.append(field_error("schema", str(error)))
    if rendering.costs_too_much(request.locales):
        raise invalid(field_error("locales", "have too many tags or parts, or too much text with tags in it"))
    spelt: set[str] = set()
    kinds: dict[str, Mapping[str, Collection[str]]] = {}
    for locale, by_channel in request.locales.items():
        place = f"locales.{locale}"
        if same_locale(locale) in spelt:
            wrong.append(field_error(place, "is there in another spelling, too"))
        spelt.add(same_locale(locale))
        try:
            babel_locale(locale)
        except ValueError as error:
            wrong.append(field_error(place, str(error)))
        for name, parts in by_channel.items():
            if name not in channels:
                wrong.append(unknown_channel(f"{place}.{name}", channels))
                continue
            unknown = [part for part in parts if not takes(channels[name], part)]
            wrong += [field_error(f"{place}.{name}.{part}", "there is no such part") for part in unknown]
            kinds[name] = kinds.get(name) or _kinds(channels[name])
            wrong += _of_wrong_kinds(kinds[name], parts, f"{place}.{name}")
            wrong += rendering.check_texts(channels[name], parts, f"{place}.{name}")
    if wrong:
        raise invalid(*wrong)


def _kinds(channel: Channel) -> Mapping[str, Collection[str]]:
    """By part, what it may be of JSON."""
    declared = content_schema(channel)["properties"].items()
    return {part: {each["type"] for each in (s, *s.get("anyOf", ())) if "type" in each} for part, s in declared}


def _of_wrong_kinds(kinds: Mapping[str, Collection[str]], parts: Mapping[str, Any], place: str) -> list[FieldError]:
    """A text where a list belongs, or a number where a text does: what Liquid makes of it is judged when it is sent."""
    return [
        field_error(f"{place}.{part}", f"must be {' or '.join(sorted(set(kinds[part]) - {'null'}))}")
        for part, value in parts.items()
        if kinds.get(part) and _kind(value) not in kinds[part]
    ]


def _kind(value: object) -> str:
    """In JSON Schema's words."""
    names = {bool: "boolean", str: "string", int: "integer", float: "number", list: "array", dict: "object"}
    return names.get(type(value), "null")


async def publish(
    store: TemplateStore, name: str, request: TemplateRequest, caller_id: str, now: datetime
) -> tuple[Template, TemplateVersion, bool]:
    """The template and the version as they are now, and whether the version is new. Problem 503 when others are always
    faster.
    """
    for _ in range(_TRIES):
        there = await store.template(name)
        latest = None if there is None else await store.template_version(name, there.latest)
        number = 1 if there is None else there.latest + 1
        new = TemplateVersion(
            name, number, request.default_locale, request.locales, request.schema_, created_at=now, created_by=caller_id
        )
        same = latest is not None and body_of(latest) == body_of(new)
        if there is not None and latest is not None and same and there.archived_at is None:
            return there, latest, False
        template = Template(name, there.latest if there and same else number, now, now, caller_id)
        if there is not None:
            template = replace(template, created_at=there.created_at, version=there.version)
        try:
            if same and latest is not None:  # archived: it is used again
                await store.archive(template)
                return template, latest, False
            await store.publish(template, new)
        except (AlreadyExists, Conflict, NotFound):
            continue
        log.info("template published", template=name, version=number, by=caller_id)
        return template, new, True
    raise Problem(503, "others are changing this template; try again", headers=RETRY_LATER)


async def archive(store: TemplateStore, name: str, caller_id: str, now: datetime) -> None:
    """Problem 404; 503 when others are always faster."""
    for _ in range(_TRIES):
        there = await store.template(name)
        if there is None:
            raise Problem(404, "no template has this name")
        if there.archived_at is not None:
            return
        try:
            await store.archive(replace(there, archived_at=now, updated_at=now, updated_by=caller_id))
        except (Conflict, NotFound):
            continue
        log.info("template archived", template=name, by=caller_id)
        return
    raise Problem(503, "others are changing this template; try again", headers=RETRY_LATER)
