"""The API's words. A newer server may answer others: where a model has one, it takes any text."""

from typing import Literal

AuditResult = Literal["done", "refused", "unknown"]
CallerKind = Literal["live", "test", "team", "certificate", "token"]
CategoryClass = Literal["transactional", "service", "marketing"]
DeliveryStatus = Literal[
    "scheduled",
    "queued",
    "sending",
    "retrying",
    "deferred",
    "sent",
    "delivered",
    "undelivered",
    "failed",
    "dead",
    "expired",
    "cancelled",
    "superseded",
    "suppressed",
    "discarded",
]
DuplicateReason = Literal[
    "unknown_outcome", "lease_expired", "failover_after_unknown", "replay", "escalation_after_receipt"
]
NotificationStatus = Literal[
    "scheduled", "queued", "sending", "sent", "failed", "partial", "expired", "cancelled", "superseded", "suppressed"
]
EndpointState = Literal["active", "disabled"]
OperationState = Literal["running", "paused", "cancelled", "done", "failed"]
Outcome = Literal["accepted", "retryable", "throttled", "permanent", "refused", "unknown"]
SettingState = Literal["missing", "wrong", "suspicious"]
Scope = Literal[
    "notifications:send",
    "notifications:read",
    "notifications:read:all",
    "recipients:read",
    "recipients:write",
    "templates:read",
    "templates:write",
    "categories:read",
    "categories:write",
    "suppressions:read",
    "suppressions:write",
    "lists:read",
    "lists:write",
    "channels:write",
    "dead-letters:manage",
    "callers:manage",
    "endpoints:manage",
    "audit:read",
]
SuppressionClass = Literal["all", "marketing", "category"]
SuppressionReason = Literal["hard_bounce", "invalid", "complaint", "stop", "unsubscribed", "manual"]
Told = Literal["reconciled", "not_there", "cannot_tell"]
Verdict = Literal["cancelled", "already_cancelled", "too_late", "stopped_retrying"]
ChannelName = str
"""One of a deployment's channels: which there are, `channels.list` says."""
KNOWN_CHANNELS = (
    *("email", "sms", "slack", "whatsapp", "voice", "push", "webpush", "telegram", "teams", "discord", "googlechat"),
    "apprise",
)
"""Those that Hark comes with."""

PENDING = frozenset({"scheduled", "queued", "sending", "retrying", "deferred"})
"""The statuses of a delivery that has not ended. Any other, one that this client does not know included, has."""
