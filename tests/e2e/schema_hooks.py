"""What Schemathesis, which imports this file, cannot know of the gateway by itself (see schemathesis.toml)."""

import os
from collections.abc import Mapping
from typing import Any

import schemathesis
from schemathesis import Case, CheckContext, HookContext, Response
from schemathesis.core.failures import Failure
from schemathesis.openapi.checks import EnsureResourceAvailability

_OWN_ID = os.environ["HARK_API_KEY"].split("_")[2]
_NOBODY = "0" * 16
_NUMBERS = {"requests_per_minute", "notifications_per_day", "segments_per_day"}

# A time may be past, and a category must be there; content is its channel's to judge, and how an escalation's steps
# go together is code's.
_OF_A_REQUEST = {"to", "recipient", "channels", "message", "template", "data", "subject", "content", "body"}
_OF_A_REQUEST |= {"send_at", "deliver_by", "escalation", "category"}

_FILTERS = {"recipient", "status", "caller", "channel", "address", "tag", "template", "version", "message_id"}
_FILTERS |= {"from", "to"}
_BESIDE_A_PLAN = {"tags", "per_second", "dry_run", "collapse_key", "ordering_key"}

_JUDGED_BY_CODE: Mapping[str, set[str]] = {
    # A cursor must be one that we gave out; and which filters go together is code's to say.
    "list_notifications": {"cursor", *_FILTERS},
    "list_recipients": {"cursor"},
    "list_dead_letters": {"cursor"},
    "list_duplicates": {"cursor", "from"},
    "list_audit_entries": {"cursor", "from"},
    # A plan must be there, and comes alone; JSON Schema takes 100.0 for an integer.
    "replay_by_plan": {"plan", "dry_run", "filter", "per_second"},
    "list_callers": {"cursor"},
    "list_templates": {"cursor"},
    "list_operations": {"cursor"},
    "list_categories": {"cursor"},
    # Whether a text is an address is its channel's to say, and without the channel nobody's.
    "list_suppressions": {"cursor", "channel", "address"},
    "export_suppressions": {"cursor"},
    "read_suppression": {"address"},
    "put_suppression": {"address", "at"},
    "delete_suppression": {"address"},
    # JSON Schema takes 2.0 for an integer.
    "put_category": {"max_per_day"},
    "list_lists": {"cursor"},
    "list_members": {"cursor"},
    # Where a URL leads is code's to judge, and which time is past; a key is for one endpoint.
    "put_endpoint": {"url", "name"},
    "list_endpoints": {"cursor"},
    "list_event_deliveries": {"cursor"},
    "rotate_secret": {"old_secret_seconds"},
    "test_endpoint": {"Idempotency-Key"},
    "replay_events": {"from", "to", "Idempotency-Key"},
    # A recipient must be there.
    "put_member": {"recipient"},
    # Whether a text is Liquid, an object a JSON Schema and a word a locale; and what a channel's parts must be.
    "publish_template": {"schema", "default_locale", "locales"},
    "preview_template": {"data", "recipient", "content", "template", "version"},
    "recall_template": {"version", "Idempotency-Key"},
    # Whether a text is an address is its channel's to say; and a recipient must be there, a message not blank and
    # short enough for its channels, which must have addresses; a key is for one body.
    "send_notification": {*_OF_A_REQUEST, "Idempotency-Key"},
    "explain_request": _OF_A_REQUEST,
    # A list, a category and a template must be there, and a plan comes alone.
    "broadcast_to_list": {"list", "plan", *_OF_A_REQUEST, *_BESIDE_A_PLAN},
    # Quiet hours must begin and end at two times, and leave some of the week.
    "put_recipient": {"addresses", "name", "time_zone", "locale", "quiet_hours"},
    # Which issuers are trusted is a setting; only a team key has addresses; JSON Schema takes 1715.0 for an integer.
    "create_caller": {"addresses", "identity", "issuer", *_NUMBERS},
    "change_caller": {"addresses", *_NUMBERS},
}
"""By operation, the fields that may be refused although they are what the document says."""


@schemathesis.serializer("text/csv")
def csv(_: Any, value: Any) -> bytes:
    return str(value).encode()


@schemathesis.hook
def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
    """Nobody revokes the caller that asks, whose id GET /v1/callers gives away: after that all answers were 401."""
    if case.path_parameters.get("caller_id") == _OWN_ID:
        case.path_parameters["caller_id"] = _NOBODY
    if case.operation.definition.raw["operationId"] == "pause_channel":  # nor what all others send over
        case.path_parameters["name"] = "none"


@schemathesis.hook
def filter_failure(context: HookContext, failure: Failure, case: Case[Any], response: Response) -> bool:
    """Who is put in the place of a caller, above, is not there."""
    is_nobody = case.path_parameters.get("caller_id") == _NOBODY
    return not (is_nobody and isinstance(failure, EnsureResourceAvailability))


@schemathesis.check
def refusals_name_what_only_code_can_judge(ctx: CheckContext, response: Response, case: Case[Any]) -> None:
    """A valid request may be a 422 (schemathesis.toml), but only for fields that the document cannot describe."""
    if case.meta is None or not case.meta.generation.mode.is_positive or response.status_code != 422:
        return
    if case.operation.definition.raw["operationId"] == "import_suppressions":
        return  # CSV, of which the document can say nothing
    refused = {error["field"].partition(".")[0] for error in response.json()["errors"]}
    judged = _JUDGED_BY_CODE.get(case.operation.definition.raw["operationId"], set())
    assert refused <= judged, f"the document allows what is refused: {refused - judged}"
