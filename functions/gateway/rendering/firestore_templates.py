"""Templates on Firestore.

templates/{name}                which version is the latest
templates/{name}/versions/{n}   what was published, as JSON: Firestore takes no list in a list
"""

import json
from collections.abc import Sequence
from typing import Any

from functions.gateway.rendering.template_model import Template, TemplateVersion, body_of
from shared.delivery.store import Page
from shared.google.firestore import pages, queries, writes
from shared.google.firestore.records import document_id, known_values, read_one, readable
from shared.google.firestore.rpc import Rpc, to_version
from shared.google.firestore.value_encoding import decode
from shared.google.rpc_batching import Batches

_AT_ONCE = 100  # templates of a read


class FirestoreTemplates:
    """See `TemplateStore`."""

    def __init__(self, rpc: Rpc) -> None:
        self._rpc = rpc
        # Each request with a template asks which version is the latest: those that ask at the same time share a read,
        # which begins when all of them have asked.
        self._reads: Batches[str, Any] = Batches(self._read, most=_AT_ONCE, most_bytes=_AT_ONCE, size=lambda _: 1)

    async def template(self, name: str) -> Template | None:
        (found,) = await self._reads.send([self._path(name)])
        return None if found is None else read_one(found, _template)

    async def _read(self, paths: Sequence[str]) -> Sequence[Any]:
        found = await self._rpc.batch_get(list(dict.fromkeys(paths)))
        return [found.get(path) for path in paths]

    async def template_version(self, name: str, number: int) -> TemplateVersion | None:
        path = self._path(name, number)
        found = await self._rpc.batch_get([path])
        return read_one(found[path], _version) if path in found else None

    async def templates(self, *, limit: int, after: str | None) -> Page[Template, str]:
        cursor = [] if after is None else [queries.reference(self._path(after))]
        found, more = await pages.first(self._rpc, queries.select("templates", after=cursor), limit)
        items = list(readable(found, _template))
        return Page(items, document_id(found[-1]) if more else None)

    async def publish(self, template: Template, version: TemplateVersion) -> None:
        values = {"body": json.dumps(body_of(version)), "created_at": version.created_at}
        await self._rpc.commit(
            [
                writes.put(self._path(template.name), _values(template), template.version),
                writes.create(self._path(version.name, version.number), values | {"created_by": version.created_by}),
            ]
        )

    async def archive(self, template: Template) -> None:
        await self._rpc.commit([writes.put(self._path(template.name), _values(template), template.version)])

    def _path(self, name: str, number: int | None = None) -> str:
        path = f"{self._rpc.documents}/templates/{name}"
        return path if number is None else f"{path}/versions/{number}"


def _values(t: Template) -> dict[str, Any]:
    return {name: getattr(t, name) for name in ("latest", "created_at", "updated_at", "updated_by", "archived_at")}


def _template(doc: Any) -> Template:
    return Template(name=document_id(doc), **known_values(doc, Template), version=to_version(doc.update_time))


def _version(doc: Any) -> TemplateVersion:
    *_, name, _, number = doc.name.split("/")
    values = {field: decode(value) for field, value in doc.fields.items()}
    body = json.loads(values.pop("body"))
    return TemplateVersion(
        name=name, number=int(number), created_at=values["created_at"], created_by=values["created_by"], **body
    )
