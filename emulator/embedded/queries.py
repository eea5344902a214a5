"""Which documents a structured query finds, and in which order: as Firestore has it, as far as Hark asks.

https://cloud.google.com/firestore/docs/concepts/data-types#value_type_ordering
"""

import bisect
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from shared.google.firestore.rpc import StructuredQuery, Value

_Operator = StructuredQuery.FieldFilter
_PARTS = re.compile(r"`((?:[^`\\]|\\.)*)`|([^.`]+)")  # of a field's path
NAME = "__name__"
_IN_LIST = " contains"  # behind the path of a list, of which an index has each value
_REFERENCE = 6  # the rank of the type
_BEHIND_ANY_TEXT = b"\xff"  # which no UTF-8 has


class Unsupported(Exception):
    """A query that Hark does not make."""


class Index:
    """The documents that have all of these fields, by the fields' values and then by name: what a query finds stands
    together in one of them, as in Firestore's composite indexes, so it costs what it finds and not what is on record.
    """

    def __init__(self, paths: Sequence[str], documents: Iterable[Any]) -> None:
        self._paths = paths
        self._entries = sorted(entry for d in documents for entry in self._of(d))

    def change(self, before: Any | None, after: Any | None) -> None:
        """One document of its collection; None: it is not there."""
        old, new = (set() if d is None else self._of(d) for d in (before, after))
        for entry in old - new:
            del self._entries[bisect.bisect_left(self._entries, entry)]
        for entry in new - old:
            bisect.insort(self._entries, entry)

    def found(self, query: Any, under: str) -> Iterator[str]:
        """Names in the query's order, all that it finds and more: the other filters are for whoever takes them.

        under: a collection's name with a /, or "" for all collections of the query's
        """
        start, end = self._within(query, under)
        descending = query.order_by[0].direction == StructuredQuery.DESCENDING
        for at in range(end - 1, start - 1, -1) if descending else range(start, end):
            yield b"/".join(self._entries[at][-1][1]).decode()

    def _within(self, query: Any, under: str) -> tuple[int, int]:
        equals = _equals(query)
        said = tuple(equals[path] for path in sorted(equals))
        starts, ends = [self._place(said)], [self._place(said, behind=True)]
        if len(query.order_by) == 1:
            folder = _name_key(under)
            starts.append(self._place((*said, (_REFERENCE, folder))))
            ends.append(self._place((*said, (_REFERENCE, (*folder[:-1], _BEHIND_ANY_TEXT)))))
        descending = query.order_by[0].direction == StructuredQuery.DESCENDING
        for name, side in (("start_at", ends if descending else starts), ("end_at", starts if descending else ends)):
            if query.HasField(name):
                cursor = getattr(query, name)
                at = (*said, *map(_key, cursor.values))
                side.append(self._place(at, behind=cursor.before == descending))
        first = query.order_by[0].field.field_path
        bounds = [f for f in _filters(query) if f.field.field_path == first]
        for op, side in ((_Operator.LESS_THAN, ends), (_Operator.GREATER_THAN_OR_EQUAL, starts)):
            side += [self._place((*said, _key(bound.value))) for bound in bounds if bound.op == op]
        return max(starts), min(ends)

    def _place(self, values: tuple[Any, ...], *, behind: bool = False) -> int:
        """Of the first entry that begins with these or with what is more; behind all that begin with them."""
        bisected = bisect.bisect_right if behind else bisect.bisect_left
        return bisected(self._entries, values, key=lambda entry: entry[: len(values)])

    def _of(self, document: Any) -> set[tuple[Any, ...]]:
        """A document's entries: one; none without one of the fields; of a list as many as it has values."""
        keys = [_keys_at(document, path) for path in self._paths]
        return {(*each, (_REFERENCE, _name_key(document.name))) for each in itertools.product(*keys)}


def indexed_by(query: Any) -> tuple[str, ...]:
    """The fields of the index that the query takes. Raises Unsupported."""
    orders = [order.field.field_path for order in query.order_by]
    if orders[-1:] != [NAME] or len({order.direction for order in query.order_by}) > 1:
        raise Unsupported("an order that does not end with the name, all one way")
    return (*sorted(_equals(query)), *orders[:-1])


def matches(query: Any) -> Callable[[Any], bool]:
    """Whether a document has what the filters ask for. Raises Unsupported."""
    conditions = [_condition(each) for each in _filters(query)]
    return lambda document: all(condition(document) for condition in conditions)


def selected(query: Any, document: Any) -> Any:
    """What the query wants of the document."""
    wanted = [field.field_path for field in query.select.fields]
    return _with_only(document, wanted) if wanted else document


def _equals(query: Any) -> dict[str, tuple[int, Any]]:
    """By the path of an index, what stands there in all that the query finds."""
    equal = {f.field.field_path: _key(f.value) for f in _filters(query) if f.op == _Operator.EQUAL}
    within = {f.field.field_path + _IN_LIST: _key(f.value) for f in _filters(query) if f.op == _Operator.ARRAY_CONTAINS}
    return equal | within


def _keys_at(document: Any, path: str) -> Sequence[tuple[int, Any]]:
    value = field(document, path.removesuffix(_IN_LIST))
    if value is None:
        return []
    return [_key(value)] if path == path.removesuffix(_IN_LIST) else [_key(each) for each in value.array_value.values]


def _filters(query: Any) -> list[Any]:
    """Of the fields. Raises Unsupported."""
    match query.where.WhichOneof("filter_type"):
        case None:
            return []
        case "composite_filter" if query.where.composite_filter.op == StructuredQuery.CompositeFilter.AND:
            asked = query.where.composite_filter.filters
            if all(each.WhichOneof("filter_type") == "field_filter" for each in asked):
                return [each.field_filter for each in asked]
    raise Unsupported("a filter that is not made of fields' filters, all of which hold")


def _name_key(name: str) -> tuple[bytes, ...]:
    return tuple(part.encode() for part in name.split("/"))


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


def _condition(asked: Any) -> Callable[[Any], bool]:
    path = asked.field.field_path
    match asked.op:
        case _Operator.EQUAL:
            wanted = {_key(asked.value)}
        case _Operator.IN:
            wanted = {_key(value) for value in asked.value.array_value.values}
        # An inequality finds values of its own type alone.
        case _Operator.LESS_THAN:
            bound = _key(asked.value)
            return lambda document: (key := _key_at(document, path)) is not None and key[0] == bound[0] and key < bound
        case _Operator.GREATER_THAN_OR_EQUAL:
            least = _key(asked.value)
            return lambda document: (key := _key_at(document, path)) is not None and key[0] == least[0] and key >= least
        case _Operator.ARRAY_CONTAINS:
            value = _key(asked.value)
            return lambda document: value in _keys_at(document, path + _IN_LIST)
        case other:
            raise Unsupported(f"the operator {other}")
    return lambda document: _key_at(document, path) in wanted


def _key_at(document: Any, path: str) -> tuple[int, Any] | None:
    value = field(document, path)
    return None if value is None else _key(value)


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
            return _REFERENCE, _name_key(value.reference_value)
        case "array_value":
            return 8, tuple(_key(each) for each in value.array_value.values)
        case "map_value":
            return 9, tuple((name, _key(each)) for name, each in sorted(value.map_value.fields.items()))
        case other:
            raise Unsupported(f"a value of the type {other}")
