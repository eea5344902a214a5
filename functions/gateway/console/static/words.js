// The API's words, as README and /openapi.json have them; a test compares them.

export const PENDING = ["scheduled", "queued", "sending", "retrying", "deferred"];
export const DELIVERY_STATUSES = [
  ...PENDING,
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
];
export const SCOPES = [
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
];
export const SUPPRESSION_REASONS = ["manual", "hard_bounce", "invalid", "complaint", "stop", "unsubscribed"];
