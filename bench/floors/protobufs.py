"""Firestore's and Pub/Sub's messages by hand, and the channels to the emulators."""

import os
import time
from typing import Any

import grpc.aio
from google.cloud.firestore_v1.types import common, document, firestore, write

Document = document.Document.pb()
Value = document.Value.pb()
Write = write.Write.pb()
Precondition = common.Precondition.pb()
DocumentMask = common.DocumentMask.pb()
CommitRequest = firestore.CommitRequest.pb()
CommitResponse = firestore.CommitResponse.pb()

PROJECT = os.environ["GOOGLE_CLOUD_PROJECT"]
DATABASE = f"projects/{PROJECT}/databases/(default)"
DOCUMENTS = f"{DATABASE}/documents"
ROUTING = (("google-cloud-resource-prefix", DATABASE), ("x-goog-request-params", f"database={DATABASE}"))


def text(value: str) -> Any:
    return Value(string_value=value)


def number(value: int) -> Any:
    return Value(integer_value=value)


def at(seconds: float) -> Any:
    value = Value()
    value.timestamp_value.FromNanoseconds(int(seconds * 1_000_000) * 1000)
    return value


def list_of(*items: Any) -> Any:
    value = Value()
    value.array_value.values.extend(items)
    return value


def map_of(fields: dict[str, Any]) -> Any:
    value = Value()
    value.map_value.SetInParent()
    for name, item in fields.items():
        value.map_value.fields[name].CopyFrom(item)
    return value


def now() -> float:
    return time.time()


def open_commit() -> Any:
    """Firestore's Commit. Called within the running loop."""
    channel = grpc.aio.insecure_channel(os.environ["FIRESTORE_EMULATOR_HOST"])
    return channel.unary_unary(
        "/google.firestore.v1.Firestore/Commit",
        request_serializer=CommitRequest.SerializeToString,
        response_deserializer=CommitResponse.FromString,
    )
