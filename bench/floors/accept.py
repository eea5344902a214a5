"""The raw floor of accepting: two documents and a message like the gateway's, by one Commit and one Publish."""

import json
import os
import random
import uuid
from typing import Any

import functions_framework.aio
import grpc.aio
from google.pubsub_v1.types import pubsub
from starlette.requests import Request
from starlette.responses import Response

from bench.floors.protobufs import (
    DATABASE,
    DOCUMENTS,
    PROJECT,
    ROUTING,
    CommitRequest,
    Document,
    Precondition,
    Value,
    Write,
    at,
    list_of,
    map_of,
    now,
    number,
    open_commit,
    text,
)

PublishRequest = pubsub.PublishRequest.pb()
PubsubMessage = pubsub.PubsubMessage.pb()
PublishResponse = pubsub.PublishResponse.pb()

TOPIC = f"projects/{PROJECT}/topics/notifications-sms"
TOPIC_ROUTING = (("x-goog-request-params", f"topic={TOPIC}"),)
NEW = Precondition(exists=False)

_commit: Any = None
_publish: Any = None


def _open() -> None:
    global _commit, _publish  # noqa: PLW0603 - connections belong to the loop of the first request
    _commit = open_commit()
    _publish = grpc.aio.insecure_channel(os.environ["PUBSUB_EMULATOR_HOST"]).unary_unary(
        "/google.pubsub.v1.Publisher/Publish",
        request_serializer=PublishRequest.SerializeToString,
        response_deserializer=PublishResponse.FromString,
    )


@functions_framework.aio.http
async def accept(request: Request) -> Response:
    if request.method != "POST":
        return Response(status_code=204)
    if _commit is None:
        _open()
    asked = json.loads(await request.body())
    ident, time, address, message = str(uuid.uuid4()), now(), asked["to"]["sms"], asked["message"]
    name = f"{DOCUMENTS}/notifications/{ident}"
    expires = at(time + 30 * 86_400)
    caller, shard, simulated = text("bench"), number(random.randrange(16)), Value(boolean_value=False)
    notification = {
        "channels": list_of(text("sms")),
        "message": text(message),
        "created_at": at(time),
        "expire_at": expires,
        "fingerprint": text(""),
        "shard": shard,
        "caller": caller,
        "simulated": simulated,
        "tags": map_of({key: text(value) for key, value in asked["tags"].items()}),
    }
    delivery = {
        "notification_id": text(ident),
        "channel": text("sms"),
        "address": text(address),
        "created_at": at(time),
        "caller": caller,
        "simulated": simulated,
        "shard": shard,
        "expire_at": expires,
        "traceparent": text(request.headers.get("traceparent", "")),
        "status": text("queued"),
        "attempts": list_of(),
        "round_start": number(0),
        "queued_at": at(time),
        "updated_at": at(time),
        "due_at": at(time + 60),
        "relays": number(0),
    }
    writes = [
        Write(update=Document(name=name, fields=notification), current_document=NEW),
        Write(update=Document(name=f"{name}/deliveries/sms", fields=delivery), current_document=NEW),
    ]
    committed = await _commit(CommitRequest(database=DATABASE, writes=writes), timeout=3, metadata=ROUTING)
    version = committed.write_results[1].update_time.ToNanoseconds()
    data = json.dumps({"id": ident, "address": address, "message": message, "version": version}).encode()
    pushed = PubsubMessage(data=data, attributes={"notification_id": ident, "channel": "sms"})
    await _publish(PublishRequest(topic=TOPIC, messages=[pushed]), timeout=5, metadata=TOPIC_ROUTING)
    answer = {
        "id": ident,
        "status": "queued",
        "message": message,
        "tags": asked["tags"],
        "created_at": time,
        "deliveries": [{"channel": "sms", "address": address, "status": "queued", "attempts": []}],
    }
    return Response(json.dumps(answer), 202, {"Location": f"/v1/notifications/{ident}"}, "application/json")
