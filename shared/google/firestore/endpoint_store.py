"""Endpoints on Firestore: endpoints/{name}"""

from collections.abc import Mapping
from typing import Any

from shared.delivery.store import Page
from shared.google.firestore import pages, queries, writes
from shared.google.firestore.records import document_id, known_values, read_one, readable
from shared.google.firestore.rpc import Rpc, Write, to_version
from shared.sending.endpoints import Endpoint, EndpointState, Secret


class FirestoreEndpoints:
    """See `shared.sending.endpoints.EndpointStore`."""

    def __init__(self, rpc: Rpc) -> None:
        self._rpc = rpc

    async def endpoint(self, name: str) -> Endpoint | None:
        path = self._name(name)
        found = await self._rpc.batch_get([path])
        return read_one(found[path], _to_endpoint) if path in found else None

    async def put_endpoint(self, endpoint: Endpoint) -> None:
        await self._rpc.commit([writes.put(self._name(endpoint.name), _values(endpoint), endpoint.version)])

    async def delete_endpoint(self, endpoint: Endpoint) -> None:
        at = writes.at_version(endpoint.version)
        await self._rpc.commit([Write(delete=self._name(endpoint.name), current_document=at)])

    async def endpoints(self, *, limit: int, after: str | None) -> Page[Endpoint, str]:
        cursor = [] if after is None else [queries.reference(self._name(after))]
        found, more = await pages.first(self._rpc, queries.select("endpoints", after=cursor), limit)
        return Page(list(readable(found, _to_endpoint)), document_id(found[-1]) if more else None)

    def _name(self, name: str) -> str:
        return f"{self._rpc.documents}/endpoints/{name}"


def _values(e: Endpoint) -> Mapping[str, Any]:
    secrets = [{"salt": s.salt, "key": s.key, **({} if s.until is None else {"until": s.until})} for s in e.secrets]
    return {
        "id": e.id,
        "url": e.url,
        "events": list(e.events),
        "secrets": secrets,
        "state": str(e.state),
        "reason": e.reason,
        "disabled_at": e.disabled_at,
        "created_at": e.created_at,
        "updated_at": e.updated_at,
        "updated_by": e.updated_by,
    }


def _to_endpoint(doc: Any) -> Endpoint:
    values = known_values(doc, Endpoint)
    values["events"] = tuple(values["events"])
    values["secrets"] = tuple(Secret(s["salt"], s["key"], s.get("until")) for s in values["secrets"])
    values["state"] = EndpointState(values["state"])
    return Endpoint(name=document_id(doc), **values, version=to_version(doc.update_time))
