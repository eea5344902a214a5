"""Between Python values and Firestore's: None, bool, int, float, str, bytes, datetime, and lists and maps of these."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf.struct_pb2 import NULL_VALUE

from shared.google.firestore.rpc import Value

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = 24 * 60 * 60


def encode(value: Any) -> Any:
    """A Value. Raises TypeError for a type that no record of ours holds."""
    encoded = Value()
    put(encoded, value)
    return encoded


def put(target: Any, value: Any) -> None:
    """The same into a Value where it is to stand: making one to copy it there takes four times as long (2026-11)."""
    match value:
        case str():
            target.string_value = value
        case bytes():
            target.bytes_value = value
        case bool():
            target.boolean_value = value
        case int():
            target.integer_value = value
        case float():
            target.double_value = value
        case datetime():
            since = value - _EPOCH
            timestamp = target.timestamp_value
            timestamp.SetInParent()
            timestamp.seconds = since.days * _DAY + since.seconds
            timestamp.nanos = since.microseconds * 1000
        case None:
            target.null_value = NULL_VALUE
        case Mapping():
            target.map_value.SetInParent()
            fields = target.map_value.fields
            for key, item in value.items():
                put(fields[key], item)
        case Sequence():
            target.array_value.SetInParent()
            values = target.array_value.values
            for item in value:
                put(values.add(), item)
        case _:
            raise TypeError(f"no record holds a {type(value).__name__}")


def decode(value: Any) -> Any:
    """The Python value; times are aware, in UTC."""
    kind = value.WhichOneof("value_type")
    match kind:
        case "null_value":
            return None
        case "timestamp_value":
            return to_datetime(value.timestamp_value)
        case "map_value":
            return {key: decode(item) for key, item in value.map_value.fields.items()}
        case "array_value":
            return [decode(item) for item in value.array_value.values]
        case _:
            return getattr(value, kind)


def to_datetime(timestamp: Any) -> datetime:
    return _EPOCH + timedelta(seconds=timestamp.seconds, microseconds=timestamp.nanos // 1000)
