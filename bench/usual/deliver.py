"""Delivering as the samples have it: claimed in a transaction, sent by Twilio's blocking client, then updated.

https://cloud.google.com/firestore/docs/manage-data/transactions
https://cloud.google.com/run/docs/tutorials/pubsub
https://www.twilio.com/docs/messaging/quickstart/python
"""

import base64
import json
import os
from datetime import UTC, datetime, timedelta
from typing import Any

import flask
import functions_framework
from google.cloud import firestore
from twilio.rest import Client

_clients: tuple[Any, Any] | None = None


def _open() -> tuple[Any, Any]:
    global _clients  # noqa: PLW0603 - made once, in the worker: gRPC does not live through a fork
    if _clients is None:
        twilio = Client(os.environ["TWILIO_ACCOUNT_SID"], os.environ["TWILIO_AUTH_TOKEN"])
        twilio.api.base_url = os.environ["TWILIO_BASE_URL"]
        _clients = firestore.Client(), twilio
    return _clients


@firestore.transactional
def _claim(transaction: Any, record: Any, now: datetime) -> bool:
    """False: somebody else has it, or it is done."""
    if record.get(transaction=transaction).get("status") != "queued":
        return False
    lease = now + timedelta(seconds=15)
    transaction.update(
        record,
        {"status": "sending", "claimed_at": now, "lease_until": lease, "due_at": lease, "updated_at": now},
    )
    return True


@functions_framework.http
def deliver(request: flask.Request) -> flask.typing.ResponseReturnValue:
    if request.method != "POST":
        return "", 204
    records, twilio = _open()
    message = json.loads(base64.b64decode(request.get_json()["message"]["data"]))
    record = records.collection("notifications").document(message["id"]).collection("deliveries").document("sms")
    began = datetime.now(UTC)
    if not _claim(records.transaction(), record, began):
        return "", 204
    sent = twilio.messages.create(to=message["address"], from_=os.environ["TWILIO_FROM"], body=message["message"])
    ended = datetime.now(UTC)
    attempt = {
        "number": 1,
        "at": began,
        "outcome": "accepted",
        "duration_ms": round((ended - began).total_seconds() * 1000),
    }
    record.update(
        {
            "status": "sent",
            "attempts": [attempt],
            "updated_at": ended,
            "provider": "twilio",
            "provider_message_id": sent.sid,
            "due_at": firestore.DELETE_FIELD,
            "lease_until": firestore.DELETE_FIELD,
        }
    )
    return "", 204
