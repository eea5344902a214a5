"""What both Slack providers make of a notification, and what Slack's error codes mean."""

import re
from collections.abc import Mapping
from enum import Enum, auto
from typing import Any

from functions.slack.channel import MAX_LENGTH, escaped
from shared.delivery.errors import Permanent, Refused, Retryable, SendError, Throttled, Unknown
from shared.http.client import of_status
from shared.sending.provider import Outgoing

LARGEST_ANSWER = MAX_LENGTH * 128 + 64 * 1024
"""In bytes. chat.postMessage answers with the message as it was posted: its text, where JSON spells a character in up
to 12 bytes (`\\ud83d\\ude80`), and once more as blocks, where an emoji is an element of up to 105
(`{"type":"emoji","name":"rocket","unicode":"1f680"}`, some names are long). The rest is a few thousand."""

_CODE = re.compile(r"[a-z][a-z0-9_]{0,63}")


class Means(Enum):
    """Whose fault it is, or what else it means."""

    ADDRESS = auto()  # there is no such channel or person; where the operator has named the channel, it is theirs
    MESSAGE = auto()  # this text will never go
    OPERATOR = auto()  # somebody has to change something, which the words name; until then it is in vain
    CREDENTIALS = auto()  # our token or URL is not taken: every message meets it, whatever a caller asks for
    LATER = auto()  # nothing was posted, and it may mend by itself
    PACE = auto()  # too fast
    UNSURE = auto()  # it may have been posted


_OURS = "Hark asked for what Slack does not take: look for a newer Hark, then replay"
_THREADS = "the channel or its thread takes no replies: change its posting permissions, then replay"

# All that https://docs.slack.dev/reference/methods/chat.postMessage#errors names, what chat.update has besides, and
# https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks#handling_errors.
# What is not here is retried: `ok: false` says that nothing was posted, and after its attempts an operator sees it.
ERRORS: Mapping[str, tuple[Means, str]] = {
    "channel_is_archived": (Means.ADDRESS, "the channel is archived"),
    # Slack says the same of a private channel that it keeps from the app.
    "channel_not_found": (Means.ADDRESS, "there is no such channel, or it is private and the app is not in it"),
    "is_archived": (Means.ADDRESS, "the channel is archived"),
    "user_not_found": (Means.ADDRESS, "there is no such user"),
    "attachment_payload_limit_exceeded": (Means.MESSAGE, "the message is too long"),
    "msg_blocks_too_long": (Means.MESSAGE, "the message is too long"),
    "msg_too_long": (Means.MESSAGE, "the message is too long"),
    "no_text": (Means.MESSAGE, "the message has no text"),
    "cannot_reply_to_message": (Means.MESSAGE, "the earlier message takes no replies"),
    "invalid_blocks": (Means.MESSAGE, "it does not take these blocks"),
    "invalid_blocks_format": (Means.MESSAGE, "it does not take these blocks"),
    # Of chat.update: https://docs.slack.dev/reference/methods/chat.update#errors
    "block_mismatch": (Means.MESSAGE, "blocks of rich text take the place of such blocks alone"),
    "edit_window_closed": (Means.MESSAGE, "the workspace lets no message be changed any more that is so old"),
    "is_inactive": (Means.MESSAGE, "the channel is frozen or deleted"),
    "message_not_found": (Means.MESSAGE, "the message to update is gone"),
    "too_many_attachments": (Means.MESSAGE, "the message has too many attachments"),
    "too_many_contact_cards": (Means.MESSAGE, "the message has too many contact cards"),
    # An invitation, a permission, a policy: of some channels, so any caller can name one.
    "access_denied": (Means.OPERATOR, "let the app into the channel, then replay"),
    "action_prohibited": (Means.OPERATOR, "an admin restricts posting to the channel: allow the app, then replay"),
    "ekm_access_denied": (Means.OPERATOR, "an admin has suspended posting: have it resumed, then replay"),
    "messages_tab_disabled": (Means.OPERATOR, "enable the Messages tab in the app's App Home, then replay"),
    "no_permission": (Means.OPERATOR, "invite the app to the channel, or give it the permission, then replay"),
    "not_in_channel": (Means.OPERATOR, "invite the app to the channel, then replay"),
    "posting_to_general_channel_denied": (Means.OPERATOR, "an admin restricts #general: allow the app, then replay"),
    "restricted_action": (Means.OPERATOR, "a workspace preference forbids it: allow the app, then replay"),
    "restricted_action_non_threadable_channel": (Means.OPERATOR, _THREADS),
    "restricted_action_read_only_channel": (Means.OPERATOR, "the channel is read-only: allow the app, then replay"),
    "restricted_action_thread_locked": (Means.OPERATOR, _THREADS),
    "restricted_action_thread_only_channel": (
        Means.OPERATOR,
        "the channel takes replies only: change its posting permissions, then replay",
    ),
    "slack_connect_canvas_sharing_blocked": (
        Means.OPERATOR,
        "an admin forbids canvases in Slack Connect channels: allow them, then replay",
    ),
    "slack_connect_file_link_sharing_blocked": (
        Means.OPERATOR,
        "an admin forbids links to files in Slack Connect channels: allow them, then replay",
    ),
    "slack_connect_lists_sharing_blocked": (
        Means.OPERATOR,
        "an admin forbids lists in Slack Connect channels: allow them, then replay",
    ),
    "team_access_not_granted": (Means.OPERATOR, "grant the app access to the channel's workspace, then replay"),
    "team_not_found": (Means.OPERATOR, "SLACK_BOT_TOKEN is of an organisation: take a workspace's, then replay"),
    "cant_update_message": (Means.OPERATOR, "another app has posted it: take that app's SLACK_BOT_TOKEN, then replay"),
    # What Hark asks for is wrong, and the message is good.
    **dict.fromkeys(
        [
            "as_user_not_supported",
            "deprecated_endpoint",
            "draft_already_deleted",
            "draft_already_sent",
            "draft_has_conflict",
            "draft_not_found",
            "duplicate_channel_not_found",
            "duplicate_message_not_found",
            "invalid_arg_name",
            "invalid_arguments",
            "invalid_array_arg",
            "invalid_charset",
            "invalid_form_data",
            "invalid_metadata_format",
            "invalid_metadata_schema",
            "invalid_payload",
            "invalid_post_type",
            "markdown_text_conflict",
            "metadata_too_large",
            "method_deprecated",
            "missing_file_data",
            "missing_post_type",
        ],
        (Means.OPERATOR, _OURS),
    ),
    # The token's: no caller can bring these about.
    "accesslimited": (Means.CREDENTIALS, "the token is not taken from this network"),
    "account_inactive": (Means.CREDENTIALS, "the token is of a deleted user or workspace"),
    "enterprise_is_restricted": (Means.CREDENTIALS, "the token is of an enterprise, which may not post"),
    "invalid_auth": (Means.CREDENTIALS, "the token is wrong, or not taken from this network"),
    "metadata_must_be_sent_from_app": (Means.CREDENTIALS, "the token is not an app's"),
    "missing_scope": (Means.CREDENTIALS, "the token lacks the scope chat:write"),
    "not_allowed_token_type": (Means.CREDENTIALS, "the token is of a kind that may not post"),
    "not_authed": (Means.CREDENTIALS, "there is no token"),
    "token_expired": (Means.CREDENTIALS, "the token has expired"),
    "token_revoked": (Means.CREDENTIALS, "the token was revoked"),
    "two_factor_setup_required": (Means.CREDENTIALS, "the token's user has to set up a second factor"),
    # The webhook's URL is its credential.
    "invalid_token": (Means.CREDENTIALS, "the webhook's URL is wrong"),
    "no_active_hooks": (Means.CREDENTIALS, "the webhook is disabled"),
    "no_service": (Means.CREDENTIALS, "the webhook is disabled or removed"),
    "no_service_id": (Means.CREDENTIALS, "the webhook's URL is wrong"),
    "no_team": (Means.CREDENTIALS, "the webhook's workspace is not there"),
    "team_disabled": (Means.CREDENTIALS, "the webhook's workspace is not active"),
    "external_channel_migrating": (Means.LATER, "the channel is being moved"),
    "update_failed": (Means.LATER, "it could not change the message now"),
    "org_login_required": (Means.LATER, "the workspace is being moved"),
    "request_timeout": (Means.LATER, "Slack did not get the whole request"),
    "service_unavailable": (Means.LATER, "Slack is not available"),
    "team_added_to_org": (Means.LATER, "the workspace is being moved"),
    "message_limit_exceeded": (Means.PACE, "the workspace has sent too many messages"),
    "rate_limited": (Means.PACE, "too fast"),
    "ratelimited": (Means.PACE, "too fast"),
    "fatal_error": (Means.UNSURE, "it may have been posted"),  # "could have already happened", says the method's page
    "internal_error": (Means.UNSURE, "it may have been posted"),  # likewise
    "rollup_error": (Means.UNSURE, "it may have been posted"),
}


def payload(outgoing: Outgoing) -> dict[str, Any]:
    """What both providers post: the text as it is, neither formatted nor, unless it is asked for, with previews of what
    it links to. With blocks it stands for them where they are not shown.

    https://docs.slack.dev/messaging/formatting-message-text, https://docs.slack.dev/messaging/unfurling-links-in-messages;
    the metadata finds the message again (https://docs.slack.dev/messaging/message-metadata).
    """
    return {
        "text": escaped(outgoing.text),
        "mrkdwn": False,
        "unfurl_links": outgoing.parts.get("unfurl_links", False),
        "unfurl_media": outgoing.parts.get("unfurl_media", False),
        "metadata": _metadata(outgoing),
        **({"blocks": outgoing.parts["blocks"]} if "blocks" in outgoing.parts else {}),
    }


def changed(outgoing: Outgoing) -> dict[str, Any]:
    """What chat.update is given. Slack formats its text (`*bold*`), and lets nobody say otherwise."""
    # Without blocks, those of the message might stay: https://docs.slack.dev/reference/methods/chat.update#arg_blocks
    blocks = outgoing.parts.get("blocks", [])
    return {"text": escaped(outgoing.text), "blocks": blocks, "metadata": _metadata(outgoing)}


def _metadata(outgoing: Outgoing) -> dict[str, Any]:
    payload = {"notification_id": outgoing.notification_id}
    return {"event_type": "hark_notification", "event_payload": payload}


def of_error(status: int, code: str | None, retry_after: float | None, *, ours_to_name: bool = False) -> SendError:
    """The error that Slack's answer means: by its code, or by the HTTP status where it gives none.

    ours_to_name: the operator has named the channel, by the webhook, and not the caller by an address.
    """
    if code is None or status == 429 or not _CODE.fullmatch(code):
        # What is no code may be a proxy's words, and those may repeat the address.
        return of_status("Slack", status, retry_after=None if retry_after is None else str(retry_after))
    if code not in ERRORS:
        return Retryable(f'Slack answered "{code}"') if status < 400 else of_status("Slack", status, code)
    means, words = ERRORS[code]
    text = f'Slack answered "{code}": {words}'
    match means:
        case Means.ADDRESS if ours_to_name:
            return Refused(f"{text}. The webhook's own: make another for SLACK_WEBHOOK_URL, then replay")
        case Means.ADDRESS | Means.MESSAGE:
            return Permanent(text)
        case Means.OPERATOR:
            return Refused(text)
        case Means.CREDENTIALS:
            return Retryable(text, credentials=True)
        case Means.LATER:
            return Retryable(text)
        case Means.PACE:
            return Throttled(text, retry_after=retry_after)
        case Means.UNSURE:
            return Unknown(text)
