"""Who may call, and what each may do.

A caller is known by an API key, a client certificate or an OIDC token (`authentication.py`); all three end here. What
it may do is its scopes, narrowed by limits to channels and to recipients' names. Nobody can make, change or take over a
caller that may do more than they may (`exceeds`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from shared.delivery.model import Notification


class Scope(StrEnum):
    NOTIFICATIONS_SEND = "notifications:send"
    NOTIFICATIONS_READ = "notifications:read"  # one's own
    NOTIFICATIONS_READ_ALL = "notifications:read:all"  # everybody's, besides
    RECIPIENTS_READ = "recipients:read"
    RECIPIENTS_WRITE = "recipients:write"
    TEMPLATES_READ = "templates:read"
    TEMPLATES_WRITE = "templates:write"
    CATEGORIES_READ = "categories:read"
    CATEGORIES_WRITE = "categories:write"
    SUPPRESSIONS_READ = "suppressions:read"
    SUPPRESSIONS_WRITE = "suppressions:write"
    LISTS_READ = "lists:read"
    LISTS_WRITE = "lists:write"
    CHANNELS_WRITE = "channels:write"
    DEAD_LETTERS_MANAGE = "dead-letters:manage"
    CALLERS_MANAGE = "callers:manage"
    ENDPOINTS_MANAGE = "endpoints:manage"  # and so be told of everybody's deliveries
    AUDIT_READ = "audit:read"  # what everybody did


class CallerKind(StrEnum):
    LIVE = "live"  # an API key
    TEST = "test"  # an API key whose notifications go the whole way but for the provider
    TEAM = "team"  # an API key that sends only to listed addresses
    CERTIFICATE = "certificate"  # a client certificate that the load balancer has verified
    TOKEN = "token"  # noqa: S105 - an OIDC token of a trusted issuer


KEY_KINDS = frozenset({CallerKind.LIVE, CallerKind.TEST, CallerKind.TEAM})


@dataclass(frozen=True, slots=True)
class Key:
    """One API key of a caller, as it is kept: `hash` is the SHA-256 of the whole key, in hex."""

    id: str
    hash: str
    created_at: datetime
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """scopes, channels, recipients: what it may do; None is no limit, `recipients` are prefixes of names.

    addresses: of a team key, by channel: the only ones that it sends to
    requests_per_minute, notifications_per_day, segments_per_day: None is no limit
    identity: of a certificate or token (`authentication.py`); keys: of the other kinds, the last is the newest
    created_by: the id of the caller that made it; None: whoever may write to the database, or nobody knows any more
    key_makers: who added a key later, by the key's id
    version: of the record as read
    """

    id: str
    kind: CallerKind
    scopes: frozenset[Scope]
    channels: frozenset[str] | None = None
    recipients: tuple[str, ...] | None = None
    addresses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    requests_per_minute: int | None = None
    notifications_per_day: int | None = None
    segments_per_day: int | None = None
    name: str = ""
    identity: str | None = None
    keys: tuple[Key, ...] = ()
    key_makers: Mapping[str, str] = field(default_factory=dict)
    created_at: datetime | None = None
    created_by: str | None = None
    revoked_at: datetime | None = None
    version: int | None = None

    def may_use(self, channel: str) -> bool:
        return self.channels is None or channel in self.channels

    def may_name(self, recipient: str) -> bool:
        return self.recipients is None or recipient.startswith(self.recipients)

    def may_reach(self, channel: str, address: str) -> bool:
        return self.kind is not CallerKind.TEAM or address in self.addresses.get(channel, ())

    @property
    def reaches_all(self) -> bool:
        """Whether there is no address that `may_use` or `may_reach` refuses."""
        return self.channels is None and self.kind is not CallerKind.TEAM

    @property
    def sees_all(self) -> bool:
        """Whether notifications:read:all counts. With limits, or a key that reaches less, one sees but one's own."""
        return (
            Scope.NOTIFICATIONS_READ_ALL in self.scopes
            and self.kind not in {CallerKind.TEST, CallerKind.TEAM}
            and self.channels is None
            and self.recipients is None
        )

    @property
    def is_administrator(self) -> bool:
        """Whether it may do whatever a caller can. How often it may is no matter."""
        return self.sees_all and self.scopes >= frozenset(Scope)

    def may_see(self, notification: Notification) -> bool:
        return notification.caller == self.id or self.sees_all

    def may_see_addresses(self, notification: Notification) -> bool:
        """Those that stood in its request; those that came from a recipient, if one may read that recipient."""
        recipient = notification.recipient
        return recipient is None or (Scope.RECIPIENTS_READ in self.scopes and self.may_name(recipient))


def exceeds(wanted: Caller, granter: Caller) -> str | None:
    """What `wanted` may do that `granter` may not, in words; None when it is nothing."""
    missing = wanted.scopes - granter.scopes
    if missing:
        return f"the scope {min(missing)}"
    if not _within(wanted.channels, granter.channels):
        return "channels beyond your own"
    if granter.recipients is not None and not all(
        prefix.startswith(granter.recipients) for prefix in wanted.recipients or ("",)
    ):
        return "recipients beyond your own"
    if granter.kind is CallerKind.TEST and wanted.kind is not CallerKind.TEST:
        return f"a {wanted.kind} caller, with a test key"
    if granter.kind is CallerKind.TEAM and wanted.kind not in {CallerKind.TEST, CallerKind.TEAM}:
        return f"a {wanted.kind} caller, with a team key"
    if granter.kind is CallerKind.TEAM and not all(
        granter.may_reach(channel, address) for channel, many in wanted.addresses.items() for address in many
    ):
        return "addresses beyond your own"
    if not _most(wanted.requests_per_minute, granter.requests_per_minute):
        return "more requests a minute than your own"
    if not _most(wanted.notifications_per_day, granter.notifications_per_day):
        return "more notifications a day than your own"
    if not _most(wanted.segments_per_day, granter.segments_per_day):
        return "more segments a day than your own"
    return None


def _within(wanted: frozenset[str] | None, granted: frozenset[str] | None) -> bool:
    return granted is None or (wanted is not None and wanted <= granted)


def _most(wanted: int | None, granted: int | None) -> bool:
    return granted is None or (wanted is not None and wanted <= granted)
