"""Templates in memory."""

import asyncio
from dataclasses import replace

from functions.gateway.rendering.template_model import Template, TemplateVersion
from shared.delivery.errors import AlreadyExists, Conflict, NotFound
from shared.delivery.store import Page


class MemoryTemplates:
    """See `functions.gateway.rendering.template_model.TemplateStore`."""

    def __init__(self) -> None:
        self.records: dict[str, Template] = {}
        self.versions: dict[tuple[str, int], TemplateVersion] = {}
        self.reads = 0

    async def template(self, name: str) -> Template | None:
        self.reads += 1
        await asyncio.sleep(0)
        return self.records.get(name)

    async def template_version(self, name: str, number: int) -> TemplateVersion | None:
        self.reads += 1
        await asyncio.sleep(0)
        return self.versions.get((name, number))

    async def templates(self, *, limit: int, after: str | None) -> Page[Template, str]:
        names = sorted(name for name in self.records if after is None or name > after)
        return Page([self.records[name] for name in names[:limit]], names[limit - 1] if len(names) > limit else None)

    async def publish(self, template: Template, version: TemplateVersion) -> None:
        await asyncio.sleep(0)
        if (version.name, version.number) in self.versions:
            raise AlreadyExists(version.name)
        if template.version is None and template.name in self.records:
            raise AlreadyExists(template.name)
        self._put(template)
        self.versions[version.name, version.number] = version

    async def archive(self, template: Template) -> None:
        await asyncio.sleep(0)
        if template.name not in self.records:
            raise NotFound(template.name)
        self._put(template)

    def _put(self, template: Template) -> None:
        there = self.records.get(template.name)
        if there is not None and there.version != template.version:
            raise Conflict(template.name)
        self.records[template.name] = replace(template, version=(template.version or 0) + 1)
