"""Between Python values and Firestore's: None, bool, int, str, datetime, and lists and maps of these."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf.struct_pb2 import NULL_VALUE

from shared.firestore.rpc import Value

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def encode(value: Any) -> Any:
    """A Value. Raises TypeError for a type that no record of ours holds."""
    match value:
        case None:
            return Value(null_value=NULL_VALUE)
        case bool():
            return Value(boolean_value=value)
        case int():
            return Value(integer_value=value)
        case str():
            return Value(string_value=value)
        case datetime():
            encoded = Value()
            encoded.timestamp_value.FromDatetime(value)
            return encoded
        case Mapping():
            encoded = Value()
            encoded.map_value.SetInParent()
            for key, item in value.items():
                encoded.map_value.fields[key].CopyFrom(encode(item))
            return encoded
        case Sequence():
            encoded = Value()
            encoded.array_value.SetInParent()
            encoded.array_value.values.extend(encode(item) for item in value)
            return encoded
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
