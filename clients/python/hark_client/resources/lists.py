"""Lists of recipients, broadcasts to them, and the operations that work them off."""

from collections.abc import Sequence
from typing import Optional

from typing_extensions import Unpack

from hark_client.models import AddedMembers, BroadcastPlan, Member, Operation, RecipientList
from hark_client.operations import NOTHING, Resource, S, operation, paged
from hark_client.requests import BroadcastFields
from hark_client.sending import Sends


class Lists(Resource[S]):
    @operation("PUT", "/v1/lists/{name}", RecipientList)
    def put(self, name: str, *, description: str = "") -> Sends:
        return Sends(path={"name": name}, json={"description": description})

    @operation("GET", "/v1/lists/{name}", RecipientList)
    def get(self, name: str) -> Sends:
        return Sends(path={"name": name})

    @paged("/v1/lists", RecipientList)
    def list(self, *, limit: Optional[int] = None, cursor: Optional[str] = None) -> Sends:
        return Sends(query={"limit": limit, "cursor": cursor})

    @operation("DELETE", "/v1/lists/{name}", NOTHING)
    def delete(self, name: str) -> Sends:
        return Sends(path={"name": name})

    @paged("/v1/lists/{name}/members", Member)
    def members(self, name: str, *, limit: Optional[int] = None, cursor: Optional[str] = None) -> Sends:
        return Sends(path={"name": name}, query={"limit": limit, "cursor": cursor})

    @operation("POST", "/v1/lists/{name}/members", AddedMembers)
    def add_members(self, name: str, recipients: Sequence[str]) -> Sends:
        """Up to 500, each for itself."""
        return Sends(path={"name": name}, json={"recipients": recipients})

    @operation("PUT", "/v1/lists/{name}/members/{recipient}", NOTHING)
    def add_member(self, name: str, recipient: str) -> Sends:
        return Sends(path={"name": name, "recipient": recipient})

    @operation("DELETE", "/v1/lists/{name}/members/{recipient}", NOTHING)
    def remove_member(self, name: str, recipient: str) -> Sends:
        return Sends(path={"name": name, "recipient": recipient})


class Broadcasts(Resource[S]):
    @operation("POST", "/v1/broadcasts", BroadcastPlan)
    def plan(self, list_name: str, **notification: Unpack[BroadcastFields]) -> Sends:
        """What would go to whom. Nothing is sent; `begin` takes the `plan` of the answer."""
        return Sends(json={"list": list_name, **notification, "dry_run": True})

    @operation("POST", "/v1/broadcasts", Operation)
    def begin(self, plan: str) -> Sends:
        """Send it. The same plan again is the same operation."""
        return Sends(json={"plan": plan})


class Operations(Resource[S]):
    @operation("GET", "/v1/operations/{operation_id}", Operation)
    def get(self, operation_id: str) -> Sends:
        return Sends(path={"operation_id": operation_id})

    @paged("/v1/operations", Operation)
    def list(self, *, limit: Optional[int] = None, cursor: Optional[str] = None) -> Sends:
        """The newest first."""
        return Sends(query={"limit": limit, "cursor": cursor})

    @operation("POST", "/v1/operations/{operation_id}/pause", Operation)
    def pause(self, operation_id: str) -> Sends:
        return Sends(path={"operation_id": operation_id})

    @operation("POST", "/v1/operations/{operation_id}/resume", Operation)
    def resume(self, operation_id: str) -> Sends:
        return Sends(path={"operation_id": operation_id})

    @operation("POST", "/v1/operations/{operation_id}/cancel", Operation)
    def cancel(self, operation_id: str) -> Sends:
        """Nothing more of it is done, for good."""
        return Sends(path={"operation_id": operation_id})
