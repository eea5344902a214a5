"""What operators do: statistics, dead letters, duplicates, channels, callers; and what they did."""

from datetime import datetime
from typing import Optional, Union, cast

from typing_extensions import Unpack

from hark_client import models
from hark_client.models import (
    AuditEntry,
    Caller,
    Channel,
    DeadLetter,
    Duplicate,
    NewApiKey,
    NewCaller,
    Notification,
    Operation,
    ReplayPlan,
    Revoked,
    System,
    WouldRevoke,
)
from hark_client.operations import NOTHING, Resource, S, operation, paged
from hark_client.requests import CallerFields, CallerLimits, ReplayFilter
from hark_client.sending import Sends


class Statistics(Resource[S]):
    @operation("GET", "/v1/statistics", models.Statistics)
    def get(self, *, hours: Optional[int] = None) -> Sends:
        """How much was accepted, sent and failed, and what waits and is dead now. hours: 1 (by default), 6 or 24"""
        return Sends(query={"hours": hours})


class DeadLetters(Resource[S]):
    @paged("/v1/dead-letters", DeadLetter)
    def list(
        self, *, channel: Optional[str] = None, limit: Optional[int] = None, cursor: Optional[str] = None
    ) -> Sends:
        """The latest first."""
        return Sends(query={"channel": channel, "limit": limit, "cursor": cursor})

    @operation("POST", "/v1/dead-letters/{notification_id}/{channel}/replay", Notification, repeatable=False)
    def replay(self, notification_id: str, channel: str) -> Sends:
        """Send it again, with a fresh set of attempts. After NoAnswer look at the notification before calling again."""
        return Sends(path={"notification_id": notification_id, "channel": channel})

    @operation("DELETE", "/v1/dead-letters/{notification_id}/{channel}", NOTHING)
    def discard(self, notification_id: str, channel: str) -> Sends:
        """Give it up. Conflict: it is not dead, perhaps as an earlier try of this call has done it."""
        return Sends(path={"notification_id": notification_id, "channel": channel})

    @operation("POST", "/v1/dead-letters/replay", ReplayPlan)
    def plan_replay(self, wanted: Optional[ReplayFilter] = None, *, per_second: Optional[int] = None) -> Sends:
        """What would be replayed, by default all that are dead. Nothing is; `begin_replay` takes the `plan`."""
        pace = {} if per_second is None else {"per_second": per_second}
        return Sends(json={"filter": wanted or {}, **pace, "dry_run": True})

    @operation("POST", "/v1/dead-letters/replay", Operation)
    def begin_replay(self, plan: str) -> Sends:
        """Replay it. The same plan again is the same operation."""
        return Sends(json={"plan": plan})


class Duplicates(Resource[S]):
    @paged("/v1/duplicates", Duplicate)
    def list(
        self,
        *,
        from_: Union[datetime, str, None] = None,
        to: Union[datetime, str, None] = None,
        limit: Optional[int] = None,
        cursor: Optional[str] = None,
    ) -> Sends:
        """Each delivery that a person may have got twice, the latest first."""
        return Sends(query={"from": from_, "to": to, "limit": limit, "cursor": cursor})


class Channels(Resource[S]):
    @paged("/v1/channels", Channel)
    def list(self) -> Sends:
        """All on one page."""
        return Sends()

    @operation("POST", "/v1/channels/{name}/pause", Channel)
    def pause(self, name: str, *, reason: str, dry_run: bool = False) -> Sends:
        """Hold back what goes over it. dry_run: only say in `would_hold` how much that is"""
        return Sends(path={"name": name}, json={"reason": reason, "dry_run": dry_run})

    @operation("POST", "/v1/channels/{name}/resume", Channel)
    def resume(self, name: str) -> Sends:
        return Sends(path={"name": name})


class Callers(Resource[S]):
    @operation("POST", "/v1/callers", NewCaller, repeatable=False)
    def create(self, **caller: Unpack[CallerFields]) -> Sends:
        """The answer has the API key, this once. After NoAnswer there may be a caller whose key nobody has."""
        return Sends(json=caller)

    @operation("GET", "/v1/callers/self", Caller)
    def me(self) -> Sends:
        """The caller that asks: what it may do."""
        return Sends()

    @operation("GET", "/v1/callers/{caller_id}", Caller)
    def get(self, caller_id: str) -> Sends:
        return Sends(path={"caller_id": caller_id})

    @paged("/v1/callers", Caller)
    def list(self, *, limit: Optional[int] = None, cursor: Optional[str] = None) -> Sends:
        return Sends(query={"limit": limit, "cursor": cursor})

    @operation("PUT", "/v1/callers/{caller_id}", Caller)
    def change(self, caller_id: str, **limits: Unpack[CallerLimits]) -> Sends:
        """Replaces its name, scopes and limits."""
        return Sends(path={"caller_id": caller_id}, json=limits)

    @operation("DELETE", "/v1/callers/{caller_id}", cast("type[Optional[Revoked]]", Revoked))
    def revoke(self, caller_id: str, *, cascade: bool = False, stop: bool = False) -> Sends:
        """None when it is done; else what this request did of it: call again.

        cascade: what it made is revoked, too; stop: what they have queued is cancelled
        """
        return Sends(path={"caller_id": caller_id}, query={"cascade": cascade, "stop": stop})

    @operation("DELETE", "/v1/callers/{caller_id}", WouldRevoke, plans=True)
    def plan_revocation(self, caller_id: str, *, cascade: bool = False, stop: bool = False) -> Sends:
        """Whom and what a revocation would stop. Nothing is done."""
        return Sends(path={"caller_id": caller_id}, query={"cascade": cascade, "stop": stop, "dry_run": True})

    @operation("POST", "/v1/callers/{caller_id}/keys", NewApiKey, repeatable=False)
    def add_key(self, caller_id: str) -> Sends:
        """A further key; the answer has it this once."""
        return Sends(path={"caller_id": caller_id})

    @operation("DELETE", "/v1/callers/{caller_id}/keys/{key_id}", NOTHING)
    def revoke_key(self, caller_id: str, key_id: str) -> Sends:
        return Sends(path={"caller_id": caller_id, "key_id": key_id})


class Audit(Resource[S]):
    @paged("/v1/audit", AuditEntry)
    def list(
        self,
        *,
        actor: Optional[str] = None,
        action: Optional[str] = None,
        from_: Union[datetime, str, None] = None,
        to: Union[datetime, str, None] = None,
        limit: Optional[int] = None,
        cursor: Optional[str] = None,
    ) -> Sends:
        """Who did what, refusals too, the latest first. `audit_chain.verify` wants all of a time, without actor and
        action."""
        query = {"actor": actor, "action": action, "from": from_, "to": to, "limit": limit, "cursor": cursor}
        return Sends(query=query)


class Systems(Resource[S]):
    @operation("GET", "/v1/system", System)
    def get(self) -> Sends:
        """How the deployment is: its clock, when its relay last ran, and which settings are missing."""
        return Sends()
