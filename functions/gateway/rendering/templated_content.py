"""The texts of a notification that is made of a template: which version, in which locale, with which data.

What is rendered is frozen at accept like any other content.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from functions.gateway.rendering.template_model import TemplateStore, TemplateVersion
from functions.gateway.web.problem_details import FieldError, field_error, invalid
from shared.channels.declaration import Channel

if TYPE_CHECKING:
    from functions.gateway.rendering.template_rendering import Rendered, Renderer

_KEPT = 200


@dataclass(slots=True)
class Templates:
    """Keeps versions, which never change, and the renderer, whose libraries only who uses templates loads."""

    store: TemplateStore
    channels: Mapping[str, Channel]
    _versions: dict[tuple[str, int], TemplateVersion] = field(default_factory=dict)
    _renderer: "Renderer | None" = None

    async def version(self, name: str, number: int | None) -> TemplateVersion:
        """Problem 422: no such template or version, or one that is archived. Raises StoreUnavailable."""
        template = await self.store.template(name)
        if template is None:
            raise invalid(field_error("template.name", "no template has this name"))
        if template.archived_at is not None:
            raise invalid(field_error("template.name", "this template is archived"))
        found = await self.kept_version(name, number or template.latest)
        if found is None:
            raise invalid(field_error("template.version", "the template has no such version"))
        return found

    async def kept_version(self, name: str, number: int) -> TemplateVersion | None:
        if (name, number) in self._versions:
            return self._versions[name, number]
        found = await self.store.template_version(name, number)
        if found is not None:
            if len(self._versions) >= _KEPT:
                self._versions.pop(next(iter(self._versions)))
            self._versions[name, number] = found
        return found

    @property
    def renderer(self) -> "Renderer":
        if self._renderer is None:
            from functions.gateway.rendering.template_rendering import Renderer  # noqa: PLC0415 - a sixth of a second

            self._renderer = Renderer(self.channels)
        return self._renderer


def mistakes(rendered: "Rendered") -> list[FieldError]:
    """What keeps it from being sent."""
    return [*rendered.wrong, *map(_missing, rendered.missing)]


def _missing(name: str) -> FieldError:
    """name: as the template has it; what is the recipient's is in no data"""
    if name == "recipient" or name.startswith(("recipient.", "recipient[")):
        return field_error("recipient", f"the template asks for {name}")
    return field_error(name if name.startswith(("data.", "data[")) else f"data.{name}", "the template asks for it")
