"""The JSON of /v1/callers, in and out, and what becomes of a request."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from typing_extensions import TypedDict

from functions.gateway.access import api_keys
from functions.gateway.access.authentication import identity_id
from functions.gateway.access.caller import KEY_KINDS, Caller, CallerKind, Key, Scope
from functions.gateway.access.certificate_names import is_certificate_name
from functions.gateway.channels.addresses import normalised, unknown_channel
from functions.gateway.notifications.stopping import WouldStopJson
from functions.gateway.web.common_fields import NAME, Address, ChannelName, ChannelNames, Entries, Names
from functions.gateway.web.problem_details import field_error, invalid
from shared.channels.content import ONE_LINE, said
from shared.channels.declaration import Channel
from shared.channels.text_checks import one_line

Prefix = Annotated[str, StringConstraints(pattern=NAME)]
Line = Annotated[str, StringConstraints(min_length=1, max_length=256), AfterValidator(one_line), said(pattern=ONE_LINE)]


def _of_kind(*kinds: CallerKind, **more: Any) -> dict[str, Any]:
    """What one kind of caller must have, and cannot have."""
    null = {name: {"type": "null"} for name in ("addresses", "identity", "issuer")}
    return {"properties": {**null, "kind": {"enum": list(kinds)}, **more}, "required": ["kind", *more]}


_IDENTITY = {"type": "string", "pattern": "^[^ ]+$"}
_BY_KIND: dict[str, Any] = {
    "oneOf": [
        _of_kind(CallerKind.LIVE, CallerKind.TEST),
        _of_kind(CallerKind.TEAM, addresses={"type": "object"}),
        _of_kind(CallerKind.CERTIFICATE, identity=_IDENTITY),
        _of_kind(CallerKind.TOKEN, identity=_IDENTITY),
    ]
}


class CallerChange(BaseModel):
    """What of a caller can be changed. A limit that is null is none."""

    model_config = ConfigDict(strict=True, extra="forbid")

    name: Line = Field(description="For people: who or what calls.")
    scopes: Names[Scope]
    channels: ChannelNames | None = Field(default=None, description="The only channels that it may send over.")
    recipients: Names[Prefix] | None = Field(
        default=None,
        description="Prefixes of recipients' names: it reads, writes and sends to these, and to no bare address.",
    )
    addresses: Annotated[dict[ChannelName, Annotated[list[Address], Entries(100)]], Entries(20, least=1)] | None = (
        Field(default=None, description="Of a team key: the only addresses that it sends to.")
    )
    requests_per_minute: Annotated[int, Field(ge=1, le=1_000_000)] | None = 3_000
    notifications_per_day: Annotated[int, Field(ge=1, le=1_000_000_000)] | None = 100_000
    segments_per_day: Annotated[int, Field(ge=1, le=1_000_000_000)] | None = Field(
        default=100_000, description="Of text messages, which are paid by the segment."
    )


class CallerRequest(CallerChange):
    """A new caller. `identity` is, of a certificate, its SPIFFE id, another URI, a host name, or `sha256:` and its
    fingerprint in hex; of a token its subject, or `email:` and its verified e-mail address.
    """

    model_config = ConfigDict(json_schema_extra=_BY_KIND)

    kind: CallerKind
    identity: Line | None = None
    issuer: Line | None = Field(
        default=None,
        description="Of a token; by default the first of OIDC_ISSUERS. Identity-Aware Proxy's is https://cloud.google.com/iap.",
    )


class KeyJson(TypedDict):
    id: str
    created_at: datetime
    revoked_at: datetime | None


class CallerJson(TypedDict):
    id: str
    kind: CallerKind
    name: str
    scopes: list[Scope]
    channels: list[str] | None
    recipients: list[str] | None
    addresses: dict[str, list[str]] | None
    requests_per_minute: int | None
    notifications_per_day: int | None
    segments_per_day: int | None
    identity: str | None
    issuer: str | None
    keys: list[KeyJson]
    created_at: datetime
    created_by: str | None
    revoked_at: datetime | None
    last_used_at: datetime | None


class NewCallerJson(CallerJson):
    key: str | None


class NewKeyJson(KeyJson):
    key: str


class CallersJson(TypedDict):
    items: list[CallerJson]
    next_cursor: str | None


class RevokedJson(TypedDict):
    """What one request did of a revocation that is not at its end.

    revoked: callers that it made, revoked now; cancelled: deliveries; under_way: those that somebody may be sending now
    """

    revoked: int
    cancelled: int
    under_way: int


class WouldRevokeJson(TypedDict):
    """What a revocation would come to.

    callers: the ids of those that would be revoked; stopped: what `stop` would cancel of theirs; null without it
    """

    callers: list[str]
    stopped: WouldStopJson | None


def new_caller(
    request: CallerRequest,
    channels: Mapping[str, Channel],
    issuers: Sequence[str],
    now: datetime,
    key: str | None = None,
) -> tuple[Caller, str | None]:
    """The caller asked for, and its API key if it has one. Problem 422.

    key: one that was made before, instead of a new one.
    """
    if request.kind in KEY_KINDS:
        if request.identity is not None or request.issuer is not None:
            raise invalid(field_error("identity", f"a {request.kind} caller is known by its key alone"))
        parsed = api_keys.parse(key) if key is not None else (request.kind, api_keys.new_caller_id())
        if parsed is None or parsed[0] is not request.kind:
            raise invalid(field_error("key", f"must have the form of a {request.kind} key"))
        key = key or api_keys.new_key(parsed[1], request.kind)
        caller = Caller(parsed[1], request.kind, frozenset(), keys=(api_keys.kept(key, now),), created_at=now)
    else:
        identity = _identity(request, issuers)
        caller = Caller(
            identity_id(request.kind, identity), request.kind, frozenset(), identity=identity, created_at=now
        )
    return changed(caller, request, channels), key


def changed(caller: Caller, change: CallerChange, channels: Mapping[str, Channel]) -> Caller:
    """The caller with all that a change names. Problem 422."""
    asked = enumerate(change.channels or ())
    unknown = [unknown_channel(f"channels.{i}", channels) for i, name in asked if name not in channels]
    if unknown:
        raise invalid(*unknown)
    if (change.addresses is not None) != (caller.kind is CallerKind.TEAM):
        raise invalid(field_error("addresses", "a team key must have them, and no other caller can"))
    listed = {channel: dict.fromkeys(many) for channel, many in (change.addresses or {}).items()}
    return replace(
        caller,
        name=change.name,
        scopes=frozenset(change.scopes),
        channels=None if change.channels is None else frozenset(change.channels),
        recipients=None if change.recipients is None else tuple(change.recipients),
        addresses={
            channel: tuple(normalised(channels, {channel: address}, "addresses")[channel] for address in many)
            for channel, many in listed.items()
        },
        requests_per_minute=change.requests_per_minute,
        notifications_per_day=change.notifications_per_day,
        segments_per_day=change.segments_per_day,
    )


def caller_json(caller: Caller, created_by: str | None, last_used_at: datetime | None) -> CallerJson:
    """Without anything that opens a door.

    created_by: None also where the reader may not see that caller
    """
    issuer, _, subject = (caller.identity or "").rpartition(" ")
    assert caller.created_at is not None  # noqa: S101 - every record has it
    return CallerJson(
        id=caller.id,
        kind=caller.kind,
        name=caller.name,
        scopes=sorted(caller.scopes),
        channels=None if caller.channels is None else sorted(caller.channels),
        recipients=None if caller.recipients is None else list(caller.recipients),
        addresses={c: list(many) for c, many in caller.addresses.items()} or None,
        requests_per_minute=caller.requests_per_minute,
        notifications_per_day=caller.notifications_per_day,
        segments_per_day=caller.segments_per_day,
        identity=subject or None,
        issuer=issuer or None,
        keys=[key_json(key) for key in caller.keys],
        created_at=caller.created_at,
        created_by=created_by,
        revoked_at=caller.revoked_at,
        last_used_at=last_used_at,
    )


def key_json(key: Key) -> KeyJson:
    return KeyJson(id=key.id, created_at=key.created_at, revoked_at=key.revoked_at)


def _identity(request: CallerRequest, issuers: Sequence[str]) -> str:
    identity = request.identity
    if identity is None or " " in identity:
        raise invalid(field_error("identity", f"a {request.kind} caller needs one, without spaces"))
    if request.kind is CallerKind.TOKEN:
        issuer = request.issuer or next(iter(issuers), "")
        if issuer not in issuers:
            raise invalid(
                field_error("issuer", "must be one of OIDC_ISSUERS, or with IAP_AUDIENCE Identity-Aware Proxy's")
            )
        return f"{issuer} {identity}"
    if request.issuer is not None:
        raise invalid(field_error("issuer", "is for tokens"))
    if not is_certificate_name(identity):
        forms = "spiffe://…, another URI, a host name in lower case, or sha256: and 64 hexadecimal digits"
        raise invalid(field_error("identity", f"must be {forms}"))
    return identity
