"""The idempotency key: how a client sends it, and which notification it stands for."""

import hashlib
import json
import re
import uuid

from starlette.requests import Request

from functions.gateway.notifications.schemas import NotificationRequest
from functions.gateway.web.problem_details import Problem, field_error, invalid

KEYS = uuid.UUID("6ba95bd8-6a68-49cb-a4fb-9d8f2ac7c1b4")
"""Namespace of the ids that idempotency keys make. Changing it would forget every key in use."""

_FIRST_FIELDS = frozenset({"recipient", "to", "channels", "subject", "message", "tags"})
KEY = "^[!-~]{1,255}$"
_KEY = re.compile(KEY)


def idempotency_key(request: Request) -> str | None:
    """The header's value, None without one. Problem 422 when it is none."""
    keys = request.headers.getlist("idempotency-key")
    if not keys:
        return None
    key = keys[0].strip(" \t")  # a value ends before its blanks: RFC 9110, 5.5
    if len(keys) > 1 or not is_key(key):
        raise invalid(field_error("Idempotency-Key", "must be one value of 1 to 255 visible ASCII characters"))
    return key


def is_key(key: object) -> bool:
    return isinstance(key, str) and _KEY.fullmatch(key) is not None


def used_for_another(field: str) -> Problem:
    """field: where the key came"""
    return invalid(field_error(field, "was used for another request"))


def new_notification_id(caller_id: str, key: str | None) -> str:
    """With a key always the same one, of this caller's."""
    return str(uuid.uuid5(KEYS, f"{caller_id}\n{key}") if key is not None else uuid.uuid4())


def fingerprint(request: NotificationRequest) -> str:
    """The same for two requests that ask for the same, however their JSON is spelt."""
    asked = {name: getattr(request, name) for name in _FIRST_FIELDS}
    # What came later counts where it is there: records of before have fingerprints without it.
    later = {name for name in request.model_fields_set - _FIRST_FIELDS if getattr(request, name) is not None}
    if later:
        asked |= request.model_dump(mode="json", include=later)
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
