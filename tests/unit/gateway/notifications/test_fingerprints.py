"""Which requests count as the same one under an idempotency key."""

from typing import Any

import pytest

from functions.gateway.notifications.idempotency import fingerprint
from functions.gateway.notifications.schemas import NotificationRequest

PLAIN = {"to": {"sms": "+14155552671"}, "message": "hello"}
WHOLE = {"recipient": "alice", "channels": ["email", "sms"], "subject": "Hi", "message": "hello", "tags": {"team": "a"}}
OF_TEMPLATE = {"to": PLAIN["to"], "template": {"name": "order"}, "data": {"order": 1}}


def of(request: Any) -> str:
    return fingerprint(NotificationRequest.model_validate(request))


@pytest.mark.parametrize(
    ("request_", "on_record"),
    [
        (PLAIN, "78391bfe335135fc667f39487db6435310242e1891e9472f005b50b27e77ccb7"),  # pragma: allowlist secret
        (WHOLE, "5a9df7e74e986abc96c5b772733df19f0eab25e5e2debb31d65217e160687b95"),  # pragma: allowlist secret
    ],
)
def test_a_request_of_an_earlier_release_keeps_its_fingerprint(request_: Any, on_record: str) -> None:
    """As the release before templates, schedules and contents by channel made it: clients ask again after an update."""
    assert of(request_) == on_record
    assert of({**request_, "template": None, "data": None, "send_at": None}) == on_record


@pytest.mark.parametrize(
    "changes",
    [
        {"data": {"order": 2}},
        {"data": None},
        {"template": {"name": "other"}},
        {"template": {"name": "order", "version": 1}},
        {"template": {"name": "order", "locale": "de"}},
        {"content": {"sms": {"message": "x"}}},
    ],
)
def test_what_a_template_is_filled_with_counts(changes: Any) -> None:
    assert of({**OF_TEMPLATE, **changes}) != of(OF_TEMPLATE)


def test_the_order_of_its_fields_does_not_count() -> None:
    assert of(dict(reversed(OF_TEMPLATE.items()))) == of(OF_TEMPLATE)
