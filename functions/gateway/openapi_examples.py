"""An example of each operation for /openapi.json: what is asked, and what is answered when it goes well.

tests/integration/test_examples.py sends each of them and compares the answers. Ids and times are made up.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_AT = "2026-11-25T09:00:00Z"
_ID = "6ba95bd8-6a68-49cb-a4fb-9d8f2ac7c1b4"
_CALLER_ID, _KEY_ID = "0123456789abcdef", "01234567"
_KEY = "hark_live_0123456789abcdef_…"


@dataclass(frozen=True, slots=True)
class Example:
    """path: parameters of the path; body: of the request; answer: None where it has no body"""

    status: int
    answer: Any = None
    path: Mapping[str, str] = field(default_factory=dict)
    body: Any = None


def _delivery(channel: str, address: str, **changes: Any) -> dict[str, Any]:
    return {
        "channel": channel,
        "address": address,
        "status": "queued",
        "provider": None,
        "provider_message_id": None,
        "error": None,
        "updated_at": _AT,
        "attempts": [],
        **changes,
    }


def _notification(status: str, *deliveries: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": _ID,
        "status": status,
        "recipient": None,
        "subject": "Deploy",
        "message": "Build 42 is live",
        "tags": {"team": "infra"},
        "created_at": _AT,
        "deliveries": list(deliveries),
    }


_QUEUED = _notification(
    "queued",
    _delivery("email", "a@example.com"),
    _delivery("sms", "+14155552671", segments=1, encoding="GSM-7"),
)
_ACCEPTED = {"number": 1, "at": _AT, "outcome": "accepted", "error": None, "duration_ms": 120}
_SENT = _notification(
    "sent",
    _delivery(
        "email",
        "a@example.com",
        status="sent",
        provider="sendgrid",
        provider_message_id="14c5d75ce93",
        attempts=[_ACCEPTED],
    ),
)
_RETRYABLE = {"number": 1, "at": _AT, "outcome": "retryable", "error": "503", "duration_ms": 12}
_REPLAYED = _notification("queued", _delivery("email", "a@example.com", attempts=[_RETRYABLE]))

_RECIPIENT = {
    "name": "alice",
    "addresses": {"email": "alice@example.com", "slack": "#alice"},
    "created_at": _AT,
    "updated_at": _AT,
    "updated_by": _CALLER_ID,
}
_DEAD_LETTER = {
    "notification_id": _ID,
    "channel": "email",
    "error": "attempts used up",
    "attempts": 1,
    "dead_at": _AT,
}

_CHANGE = {
    "name": "billing",
    "scopes": ["notifications:read", "notifications:send"],
    "channels": ["email"],
    "requests_per_minute": 600,
    "notifications_per_day": 10_000,
}
_SHOWN_KEY = {"id": _KEY_ID, "created_at": _AT, "revoked_at": None}
_CALLER = {
    **_CHANGE,
    "id": _CALLER_ID,
    "kind": "live",
    "recipients": None,
    "addresses": None,
    "segments_per_day": 100_000,
    "identity": None,
    "issuer": None,
    "keys": [_SHOWN_KEY],
    "created_at": _AT,
    "created_by": _CALLER_ID,
    "revoked_at": None,
    "last_used_at": None,
}

_OF_NOTIFICATION = {"notification_id": _ID}
_OF_DELIVERY = {**_OF_NOTIFICATION, "channel": "email"}
_OF_RECIPIENT = {"name": "alice"}
_OF_CALLER = {"caller_id": _CALLER_ID}

EXAMPLES: Mapping[str, Example] = {
    "send_notification": Example(
        202,
        _QUEUED,
        body={
            "to": {"email": "a@example.com", "sms": "+14155552671"},
            "subject": "Deploy",
            "message": "Build 42 is live",
            "tags": {"team": "infra"},
        },
    ),
    "list_notifications": Example(200, {"items": [_SENT], "next_cursor": None}),
    "read_notification": Example(200, _SENT, _OF_NOTIFICATION),
    "list_channels": Example(
        200,
        {"items": [{"name": "email", "address": "e-mail address", "max_length": 100_000, "measure": "bytes of UTF-8"}]},
    ),
    "put_recipient": Example(201, _RECIPIENT, _OF_RECIPIENT, {"addresses": _RECIPIENT["addresses"]}),
    "list_recipients": Example(200, {"items": [_RECIPIENT], "next_cursor": None}),
    "read_recipient": Example(200, _RECIPIENT, _OF_RECIPIENT),
    "delete_recipient": Example(204, path=_OF_RECIPIENT),
    "list_dead_letters": Example(200, {"items": [_DEAD_LETTER], "next_cursor": None}),
    "replay": Example(202, _REPLAYED, _OF_DELIVERY),
    "discard": Example(204, path=_OF_DELIVERY),
    "create_caller": Example(201, {**_CALLER, "key": _KEY}, body={**_CHANGE, "kind": "live"}),
    "list_callers": Example(200, {"items": [_CALLER], "next_cursor": None}),
    "read_caller": Example(200, _CALLER, _OF_CALLER),
    "change_caller": Example(200, _CALLER, _OF_CALLER, _CHANGE),
    "revoke_caller": Example(204, path=_OF_CALLER),
    "add_key": Example(201, {**_SHOWN_KEY, "key": _KEY}, _OF_CALLER),
    "revoke_key": Example(204, path={**_OF_CALLER, "key_id": _KEY_ID}),
    "healthz": Example(200, "ok"),
    "twilio_receipts": Example(204),
    "sendgrid_receipts": Example(204),
}


def add_examples(paths: Mapping[str, Mapping[str, Any]]) -> None:
    """To each operation of these paths."""
    for operation in (o for methods in paths.values() for o in methods.values()):
        # One that is missing is seen by a test; the document is made all the same.
        example = EXAMPLES.get(operation["operationId"])
        if example is None:
            continue
        for parameter in operation.get("parameters", []):
            if parameter["name"] in example.path:
                parameter["example"] = example.path[parameter["name"]]
        if example.body is not None:
            operation["requestBody"]["content"]["application/json"]["example"] = example.body
        if example.answer is not None:
            for content in operation["responses"][str(example.status)]["content"].values():
                content["example"] = example.answer
