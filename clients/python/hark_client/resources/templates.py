"""Templates and their versions."""

from collections.abc import Mapping
from typing import Any, Optional

from hark_client.models import Operation, Preview, Published, Template, TemplateVersion, WouldStop
from hark_client.operations import NOTHING, Resource, S, operation, paged
from hark_client.sending import Sends


class Templates(Resource[S]):
    @operation("PUT", "/v1/templates/{name}", Published)
    def publish(
        self,
        name: str,
        *,
        default_locale: str,
        locales: Mapping[str, Mapping[str, Mapping[str, Any]]],
        schema: Optional[Mapping[str, Any]] = None,
    ) -> Sends:
        """A new version; what the latest has already is that version again. locales: parts by locale and channel"""
        body: dict[str, Any] = {"default_locale": default_locale, "locales": locales}
        return Sends(path={"name": name}, json=body if schema is None else {"schema": schema, **body})

    @operation("GET", "/v1/templates/{name}", TemplateVersion)
    def get(self, name: str) -> Sends:
        """Its latest version."""
        return Sends(path={"name": name})

    @operation("GET", "/v1/templates/{name}/versions/{version}", TemplateVersion)
    def get_version(self, name: str, version: int) -> Sends:
        return Sends(path={"name": name, "version": version})

    @paged("/v1/templates", Template)
    def list(self, *, limit: Optional[int] = None, cursor: Optional[str] = None) -> Sends:
        return Sends(query={"limit": limit, "cursor": cursor})

    @operation("DELETE", "/v1/templates/{name}", NOTHING)
    def archive(self, name: str) -> Sends:
        """Nothing new is made of it; publishing brings it back."""
        return Sends(path={"name": name})

    @operation("POST", "/v1/templates/{name}/preview", Preview)
    def preview(
        self,
        name: str,
        *,
        data: Optional[Mapping[str, Any]] = None,
        locale: Optional[str] = None,
        version: Optional[int] = None,
        recipient: Optional[str] = None,
    ) -> Sends:
        body = {"data": data, "locale": locale, "version": version, "recipient": recipient}
        return Sends(path={"name": name}, json={k: v for k, v in body.items() if v is not None})

    @operation("POST", "/v1/templates/{name}/recall", Operation, takes_key=True)
    def recall(self, name: str, *, version: int, idempotency_key: Optional[str] = None) -> Sends:
        """Cancel all that is made of this version and has not gone."""
        return Sends(path={"name": name}, json={"version": version}, idempotency_key=idempotency_key)

    @operation("POST", "/v1/templates/{name}/recall", WouldStop)
    def plan_recall(self, name: str, *, version: int) -> Sends:
        """What a recall would cancel. Nothing is."""
        return Sends(path={"name": name}, json={"version": version, "dry_run": True})
