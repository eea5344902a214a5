"""Accepting as the samples have it: a batch of the official Firestore client, and a publish whose result is waited for.

https://cloud.google.com/firestore/docs/manage-data/transactions#batched-writes
https://cloud.google.com/pubsub/docs/publisher#publish_messages
"""

import json
import os
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import flask
import functions_framework
from google.cloud import firestore, pubsub_v1  # type: ignore[attr-defined] # a namespace of several packages

_clients: tuple[Any, Any] | None = None


def _open() -> tuple[Any, Any]:
    global _clients  # noqa: PLW0603 - made once, in the worker: gRPC does not live through a fork
    if _clients is None:
        _clients = firestore.Client(), pubsub_v1.PublisherClient()
    return _clients


@functions_framework.http
def accept(request: flask.Request) -> flask.typing.ResponseReturnValue:
    if request.method != "POST":
        return "", 204
    records, publisher = _open()
    asked = request.get_json()
    ident, time = str(uuid.uuid4()), datetime.now(UTC)
    expires = time + timedelta(days=30)
    notification = {
        "channels": ["sms"],
        "message": asked["message"],
        "created_at": time,
        "expire_at": expires,
        "fingerprint": "",
        "shard": 1,
        "caller": "bench",
        "simulated": False,
        "tags": asked["tags"],
    }
    delivery = {
        "notification_id": ident,
        "channel": "sms",
        "address": asked["to"]["sms"],
        "created_at": time,
        "caller": "bench",
        "simulated": False,
        "shard": 1,
        "expire_at": expires,
        "traceparent": request.headers.get("traceparent", ""),
        "status": "queued",
        "attempts": [],
        "round_start": 0,
        "queued_at": time,
        "updated_at": time,
        "due_at": time + timedelta(seconds=60),
        "relays": 0,
    }
    record = records.collection("notifications").document(ident)
    batch = records.batch()
    batch.create(record, notification)
    batch.create(record.collection("deliveries").document("sms"), delivery)
    batch.commit()
    topic = publisher.topic_path(os.environ["GOOGLE_CLOUD_PROJECT"], "notifications-sms")
    data = json.dumps({"id": ident, "address": asked["to"]["sms"], "message": asked["message"]}).encode()
    publisher.publish(topic, data, notification_id=ident, channel="sms").result()
    answer = {
        "id": ident,
        "status": "queued",
        "message": asked["message"],
        "tags": asked["tags"],
        "created_at": time.isoformat(),
        "deliveries": [{"channel": "sms", "address": asked["to"]["sms"], "status": "queued", "attempts": []}],
    }
    return answer, 202, {"Location": f"/v1/notifications/{ident}"}
