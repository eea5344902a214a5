"""Webhooks, signed as Standard Webhooks says."""

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import pytest

from hark_client.errors import InvalidWebhook, NotConfigured
from hark_client.webhooks import verify

NEW, OLD, OTHER = (f"whsec_{base64.b64encode(name * 8).decode()}" for name in (b"new", b"old", b"oth"))
EVENT = {"type": "delivery.delivered", "timestamp": "2026-01-02T03:04:05Z", "data": {"id": "n-1"}, "more": 1}


def signed(body: bytes, *secrets: str, at: float | None = None) -> dict[str, str]:
    """Signed here by the specification, and not by the library that verifies."""
    sent = str(int(time.time() if at is None else at))
    signatures = []
    for secret in secrets:
        key = base64.b64decode(secret.removeprefix("whsec_"))
        mac = hmac.new(key, b".".join([b"msg_1", sent.encode(), body]), hashlib.sha256)
        signatures.append("v1," + base64.b64encode(mac.digest()).decode())
    return {"Webhook-Id": "msg_1", "Webhook-Timestamp": sent, "Webhook-Signature": " ".join(signatures)}


def a_body(event: Any = EVENT) -> bytes:
    return json.dumps(event).encode()


@pytest.mark.parametrize("signers", [[NEW], [OLD], [NEW, OLD], [OTHER, OLD]])
def test_any_of_the_secrets_is_enough(signers: list[str]) -> None:
    event = verify(a_body(), signed(a_body(), *signers), [NEW, OLD])
    assert (event.type, event.timestamp.year, event.data) == ("delivery.delivered", 2026, {"id": "n-1"})


def test_a_single_secret_may_stand_by_itself() -> None:
    assert verify(a_body().decode(), signed(a_body(), NEW), NEW).type == "delivery.delivered"


def test_another_secret_is_none() -> None:
    with pytest.raises(InvalidWebhook):
        verify(a_body(), signed(a_body(), OTHER), [NEW, OLD])


def test_a_changed_body_is_refused() -> None:
    with pytest.raises(InvalidWebhook):
        verify(a_body() + b" ", signed(a_body(), NEW), NEW)


@pytest.mark.parametrize("seconds", [-3600, 3600])
def test_what_is_too_old_or_of_the_future_is_refused(seconds: float) -> None:
    with pytest.raises(InvalidWebhook):
        verify(a_body(), signed(a_body(), NEW, at=time.time() + seconds), NEW)


@pytest.mark.parametrize("name", ["Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"])
@pytest.mark.parametrize("value", [None, "", "x", "v1", "v1,a", "v1,ä", ",,,", "nan"])
def test_headers_that_are_no_good_are_refused(name: str, value: str | None) -> None:
    headers = signed(a_body(), NEW)
    del headers[name]
    if value is not None:
        headers[name] = value
    with pytest.raises(InvalidWebhook):
        verify(a_body(), headers, NEW)


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b"\xff", a_body({**EVENT, "data": 1}), a_body({**EVENT, "type": 1})]
)
def test_a_signed_body_that_is_no_event_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidWebhook):
        verify(body, signed(body, NEW), NEW)


@pytest.mark.parametrize("secrets", ["", [], [""], "whsec_ä", "whsec_x"])
def test_a_secret_that_is_none_is_the_callers_mistake(secrets: Any) -> None:
    with pytest.raises(NotConfigured):
        verify(a_body(), signed(a_body(), NEW), secrets)
