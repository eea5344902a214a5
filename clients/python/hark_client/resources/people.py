"""Recipients, categories, suppressions."""

from datetime import datetime
from typing import Literal, Optional, Union

import httpx
from typing_extensions import Unpack

from hark_client.models import Category, ImportedSuppressions, Operation, Page, Recipient, Suppression
from hark_client.models.words import CategoryClass, SuppressionReason
from hark_client.operations import NOTHING, Paged, Resource, S, operation, paged
from hark_client.requests import RecipientFields
from hark_client.sending import Endpoint, Sends


class Recipients(Resource[S]):
    @operation("PUT", "/v1/recipients/{name}", Recipient)
    def put(self, name: str, **recipient: Unpack[RecipientFields]) -> Sends:
        """Register or replace it; its `preferences` stay where nothing is said of them."""
        return Sends(path={"name": name}, json=recipient)

    @operation("GET", "/v1/recipients/{name}", Recipient)
    def get(self, name: str) -> Sends:
        return Sends(path={"name": name})

    @paged("/v1/recipients", Recipient)
    def list(self, *, limit: Optional[int] = None, cursor: Optional[str] = None) -> Sends:
        return Sends(query={"limit": limit, "cursor": cursor})

    @operation("DELETE", "/v1/recipients/{name}", NOTHING)
    def delete(self, name: str) -> Sends:
        return Sends(path={"name": name})

    @operation("POST", "/v1/recipients/{name}/erase", Operation)
    def erase(self, name: str) -> Sends:
        """Take texts and addresses out of all records of this person. While it runs, the same call is the same one."""
        return Sends(path={"name": name})


class Categories(Resource[S]):
    @operation("PUT", "/v1/categories/{name}", Category)
    def put(
        self, name: str, *, class_: CategoryClass, description: Optional[str] = None, max_per_day: Optional[int] = None
    ) -> Sends:
        body = {"class": class_, "description": description, "max_per_day": max_per_day}
        return Sends(path={"name": name}, json={k: v for k, v in body.items() if v is not None})

    @operation("GET", "/v1/categories/{name}", Category)
    def get(self, name: str) -> Sends:
        return Sends(path={"name": name})

    @paged("/v1/categories", Category)
    def list(self, *, limit: Optional[int] = None, cursor: Optional[str] = None) -> Sends:
        return Sends(query={"limit": limit, "cursor": cursor})

    @operation("DELETE", "/v1/categories/{name}", NOTHING)
    def delete(self, name: str) -> Sends:
        return Sends(path={"name": name})


_EXPORT = Endpoint("GET", "/v1/suppressions.csv")


def _csv_page(response: httpx.Response) -> Page[str]:
    """The next page is in its header Link."""
    following = response.links.get("next", {}).get("url")
    cursor = None if following is None else httpx.URL(following).params.get("cursor")
    return Page[str](items=[response.text], next_cursor=cursor)


class Suppressions(Resource[S]):
    @paged("/v1/suppressions", Suppression)
    def list(
        self,
        *,
        channel: Optional[str] = None,
        address: Optional[str] = None,
        limit: Optional[int] = None,
        cursor: Optional[str] = None,
    ) -> Sends:
        return Sends(query={"channel": channel, "address": address, "limit": limit, "cursor": cursor})

    @operation("GET", "/v1/suppressions/{channel}/{address}", Suppression)
    def get(self, channel: str, address: str) -> Sends:
        return Sends(path={"channel": channel, "address": address})

    @operation("PUT", "/v1/suppressions/{channel}/{address}", Suppression)
    def put(
        self,
        channel: str,
        address: str,
        *,
        reason: Optional[SuppressionReason] = None,
        class_: Optional[Literal["all", "marketing"]] = None,
        at: Union[datetime, str, None] = None,
        evidence: Optional[str] = None,
    ) -> Sends:
        body = {"reason": reason, "class": class_, "at": at, "evidence": evidence}
        said = {name: value for name, value in body.items() if value is not None}
        return Sends(path={"channel": channel, "address": address}, json=said)

    @operation("DELETE", "/v1/suppressions/{channel}/{address}", NOTHING)
    def delete(self, channel: str, address: str) -> Sends:
        return Sends(path={"channel": channel, "address": address})

    def _export(self, *, channel: Optional[str] = None, cursor: Optional[str] = None) -> Sends:
        """All of them as CSV: an iterator of pages, each a text that begins with the header's row."""
        return Sends(query={"channel": channel, "cursor": cursor})

    export = Paged(_export, _EXPORT, str, _csv_page)

    @operation("POST", "/v1/suppressions/import", ImportedSuppressions)
    def import_csv(self, csv: str) -> Sends:
        """Rows of CSV, each for itself; a row that is there already changes nothing."""
        return Sends(text=csv)
