"""What both Slack providers make of a notification, and what Slack's error codes mean."""

import re
from collections.abc import Mapping
from typing import Any

from shared.errors import Permanent, Retryable, SendError, Throttled, Unknown
from shared.http import of_status

_CREDENTIALS = "credentials"
_CODE = re.compile(r"[a-z][a-z0-9_]{0,63}")

ERRORS: Mapping[str, type[SendError] | str] = {
    # https://api.slack.com/methods/chat.postMessage#errors and
    # https://api.slack.com/messaging/webhooks#handling_errors. What is not here is retried: `ok: false` says that
    # nothing was posted, and after its attempts an operator sees the code.
    "accesslimited": _CREDENTIALS,
    "account_inactive": _CREDENTIALS,
    "action_prohibited": _CREDENTIALS,
    "access_denied": _CREDENTIALS,
    "invalid_auth": _CREDENTIALS,
    "invalid_token": _CREDENTIALS,
    "missing_scope": _CREDENTIALS,
    "no_active_hooks": _CREDENTIALS,
    "no_permission": _CREDENTIALS,
    "no_service": _CREDENTIALS,
    "no_service_id": _CREDENTIALS,
    "not_allowed_token_type": _CREDENTIALS,
    "not_authed": _CREDENTIALS,
    "not_in_channel": _CREDENTIALS,  # somebody has to invite the app
    "org_login_required": _CREDENTIALS,
    "team_access_not_granted": _CREDENTIALS,
    "token_expired": _CREDENTIALS,
    "token_revoked": _CREDENTIALS,
    "cannot_reply_to_message": Permanent,
    "channel_is_archived": Permanent,
    "channel_not_found": Permanent,
    "invalid_arguments": Permanent,
    "invalid_payload": Permanent,
    "is_archived": Permanent,
    "messages_tab_disabled": Permanent,
    "msg_too_long": Permanent,
    "no_text": Permanent,
    "posting_to_general_channel_denied": Permanent,
    "restricted_action": Permanent,
    "too_many_attachments": Permanent,
    "user_not_found": Permanent,
    "message_limit_exceeded": Throttled,
    "rate_limited": Throttled,
    "ratelimited": Throttled,
    "service_unavailable": Retryable,
    "team_added_to_org": Retryable,
    "request_timeout": Retryable,  # Slack did not get the whole request
    "fatal_error": Unknown,  # "could have already happened", says the method's page
    "internal_error": Unknown,  # likewise
    "rollup_error": Unknown,
}


def escaped(text: str) -> str:
    """The text with Slack's three control characters as entities, so that `<!channel>` stays words.

    https://api.slack.com/reference/surfaces/formatting#escaping
    """
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def metadata(notification_id: str) -> dict[str, Any]:
    """https://api.slack.com/metadata"""
    return {"event_type": "hark_notification", "event_payload": {"notification_id": notification_id}}


def of_error(status: int, code: str | None, retry_after: float | None) -> SendError:
    """The error that Slack's answer means: by its code, or by the HTTP status where it gives none."""
    if code is None or status == 429 or not _CODE.fullmatch(code):
        # What is no code may be a proxy's words, and those may repeat the address.
        return of_status("Slack", status, retry_after=None if retry_after is None else str(retry_after))
    text = f'Slack answered "{code}"'
    kind = ERRORS.get(code)
    if kind is None:
        return Retryable(text) if status < 400 else of_status("Slack", status)
    if isinstance(kind, str):
        return Retryable(text, credentials=True)
    if kind is Throttled:
        return Throttled(text, retry_after=retry_after)
    return kind(text)
