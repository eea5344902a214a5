"""Which documents a structured query finds, and in which order: as Firestore has it, as far as Hark asks.

https://cloud.google.com/firestore/docs/concepts/data-types#value_type_ordering
"""

import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from shared.google.firestore.rpc import StructuredQuery, Value

_Operator = StructuredQuery.FieldFilter
_PARTS = re.compile(r"`((?:[^`\\]|\\.)*)`|([^.`]+)")  # of a field's path
NAME = "__name__"


class Unsupported(Exception):
    """A query that Hark does not make."""


def run(query: Any, documents: Iterable[Any]) -> list[Any]:
    """Of these Documents, those that match, in the query's order, within its cursors and its limit."""
    keep = _where(query.where) if query.HasField("where") else _everything
    orders = [(order.field.field_path, order.direction == StructuredQuery.DESCENDING) for order in query.order_by]
    # A document without a field that is asked for by its order is not found.
    found = [d for d in documents if keep(d) and all(field(d, path) is not None for path, _ in orders)]
    for path, descending in reversed(orders):
        found.sort(key=lambda d, path=path: _key(field(d, path)), reverse=descending)  # type: ignore[misc]
    if query.HasField("start_at"):
        found = [d for d in found if _compared(d, orders, query.start_at.values) >= int(not query.start_at.before)]
    if query.HasField("end_at"):
        found = [d for d in found if _compared(d, orders, query.end_at.values) <= -int(query.end_at.before)]
    found = found[: query.limit.value] if query.HasField("limit") else found
    return _selected(query, found)


def is_by_name(query: Any) -> bool:
    """Whether it is ordered by the documents' names, and by nothing else."""
    ascending = [order.direction != StructuredQuery.DESCENDING for order in query.order_by]
    return ascending == [True] and query.order_by[0].field.field_path == NAME


def run_by_name(query: Any, documents: Iterable[Any]) -> list[Any]:
    """As `run`, of documents in the order of their names: it looks at no more of them than it finds."""
    keep = _where(query.where) if query.HasField("where") else _everything
    orders = [(NAME, False)]
    if query.HasField("start_at"):
        start, least = query.start_at.values, int(not query.start_at.before)
        documents = itertools.dropwhile(lambda d: _compared(d, orders, start) < least, documents)
    if query.HasField("end_at"):
        end, most = query.end_at.values, -int(query.end_at.before)
        documents = itertools.takewhile(lambda d: _compared(d, orders, end) <= most, documents)
    limit = query.limit.value if query.HasField("limit") else None
    return _selected(query, list(itertools.islice(filter(keep, documents), limit)))


def name_key(name: str) -> tuple[bytes, ...]:
    """By which names are ordered."""
    return tuple(part.encode() for part in name.split("/"))


def _selected(query: Any, found: list[Any]) -> list[Any]:
    wanted = [field.field_path for field in query.select.fields]
    return [_with_only(document, wanted) for document in found] if wanted else found


def _with_only(document: Any, fields: Sequence[str]) -> Any:
    """The document with these fields, of those that are its own and no map's."""
    left = type(document)(name=document.name, create_time=document.create_time, update_time=document.update_time)
    for name in fields:
        if name in document.fields:
            left.fields[name].CopyFrom(document.fields[name])
    return left


def path_of(text: str) -> tuple[str, ...]:
    """A field's path in its parts: "a.`b c`" is a field of a map."""
    return tuple(re.sub(r"\\(.)", r"\1", quoted) or plain for quoted, plain in _PARTS.findall(text))


def field(document: Any, path: str) -> Any:
    """The Value there, or None."""
    if path == NAME:
        return Value(reference_value=document.name)
    fields = document.fields
    *outer, last = path_of(path) if "." in path or "`" in path else (path,)
    for part in outer:
        if part not in fields or not fields[part].HasField("map_value"):
            return None
        fields = fields[part].map_value.fields
    return fields[last] if last in fields else None  # noqa: SIM401 - a map of messages makes what `get` asks for


def _everything(_: Any) -> bool:
    return True


def _where(where: Any) -> Callable[[Any], bool]:
    match where.WhichOneof("filter_type"):
        case "composite_filter" if where.composite_filter.op == StructuredQuery.CompositeFilter.AND:
            conditions = [_where(each) for each in where.composite_filter.filters]
            return lambda document: all(condition(document) for condition in conditions)
        case "field_filter":
            return _condition(where.field_filter)
        case other:
            raise Unsupported(f"a filter of the type {other}")


def _condition(asked: Any) -> Callable[[Any], bool]:
    path = asked.field.field_path
    match asked.op:
        case _Operator.EQUAL:
            wanted = {_key(asked.value)}
        case _Operator.IN:
            wanted = {_key(value) for value in asked.value.array_value.values}
        case _Operator.LESS_THAN:
            bound = _key(asked.value)
            # An inequality finds values of its own type alone.
            return lambda document: (key := _key_at(document, path)) is not None and key[0] == bound[0] and key < bound
        case other:
            raise Unsupported(f"the operator {other}")
    return lambda document: _key_at(document, path) in wanted


def _key_at(document: Any, path: str) -> tuple[int, Any] | None:
    value = field(document, path)
    return None if value is None else _key(value)


def _compared(document: Any, orders: Sequence[tuple[str, bool]], values: Sequence[Any]) -> int:
    """Where a document is: -1 before the cursor, 0 at it, 1 behind it."""
    for (path, descending), value in zip(orders, values, strict=False):
        mine, bound = _key(field(document, path)), _key(value)
        if mine != bound:
            return -1 if (mine < bound) != descending else 1
    return 0


def _key(value: Any) -> tuple[int, Any]:
    """By which values are ordered: the rank of the type, and what orders those of one type."""
    match value.WhichOneof("value_type"):
        case "null_value":
            return 0, 0
        case "boolean_value":
            return 1, value.boolean_value
        case "integer_value":
            return 2, value.integer_value
        case "double_value":
            return 2, value.double_value
        case "timestamp_value":
            return 3, (value.timestamp_value.seconds, value.timestamp_value.nanos)
        case "string_value":
            return 4, value.string_value.encode()
        case "bytes_value":
            return 5, value.bytes_value
        case "reference_value":
            return 6, name_key(value.reference_value)
        case "array_value":
            return 8, tuple(_key(each) for each in value.array_value.values)
        case "map_value":
            return 9, tuple((name, _key(each)) for name, each in sorted(value.map_value.fields.items()))
        case other:
            raise Unsupported(f"a value of the type {other}")
