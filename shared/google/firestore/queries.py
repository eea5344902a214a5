"""Firestore's structured queries, in the few forms that the store needs."""

from collections.abc import Sequence
from typing import Any

from shared.delivery.store import SHARDS
from shared.google.firestore.rpc import Cursor, StructuredQuery, Value
from shared.google.firestore.value_encoding import encode

_ASCENDING, _DESCENDING = 1, 2
_LESS_THAN, _AT_LEAST, _EQUAL, _CONTAINS, _IN = 1, 4, 5, 7, 8
_AND = 1
_AFTER_ANY_NAME = "\x7f"  # sorts after every character that a recipient's or a list's name can have

_Filter = StructuredQuery.Filter
_FieldFilter = StructuredQuery.FieldFilter


def equal(field: str, value: Any) -> Any:
    return _filter(field, _EQUAL, encode(value))


def given(**values: str | int | None) -> list[Any]:
    """Fields that equal these values, but for those that are None."""
    return [equal(field, value) for field, value in values.items() if value is not None]


def contains(field: str, value: Any) -> Any:
    """A list that has this value in it."""
    return _filter(field, _CONTAINS, encode(value))


def before(field: str, value: Any) -> Any:
    return _filter(field, _LESS_THAN, encode(value))


def from_on(field: str, value: Any) -> Any:
    return _filter(field, _AT_LEAST, encode(value))


def any_of(field: str, values: Sequence[Any]) -> Any:
    return _filter(field, _IN, encode(values))


def any_shard() -> Any:
    return any_of("shard", range(SHARDS))


def select(  # noqa: PLR0913 - the parts of a query, each named where it is asked
    collection: str,
    *,
    filters: Sequence[Any] = (),
    order: str | None = None,
    descending: bool = False,
    limit: int | None = None,
    group: bool = False,
    after: Sequence[Any] = (),
    fields: Sequence[str] = (),
) -> Any:
    """A query ordered by `order` (if any) and by name, starting after the Values `after`.

    group: over all collections of that name, wherever they stand
    fields: of the documents, those that are wanted; all by default
    limit: of documents; of a page, `pages.first` sets it
    """
    query = StructuredQuery()
    if limit is not None:
        query.limit.value = limit
    for field in fields:
        query.select.fields.add(field_path=field)
    query.from_.add(collection_id=collection, all_descendants=group)
    if filters:
        query.where.CopyFrom(_Filter(composite_filter=StructuredQuery.CompositeFilter(op=_AND, filters=filters)))
    direction = _DESCENDING if descending else _ASCENDING
    for path in (order, "__name__"):
        if path:
            query.order_by.add(field={"field_path": path}, direction=direction)
    if after:
        query.start_at.CopyFrom(Cursor(values=after, before=False))
    return query


def within(query: Any, first: Any, end: Any) -> Any:
    """The query, of the values from `first` on (unless it starts later) and before `end`."""
    if not query.HasField("start_at"):
        query.start_at.CopyFrom(Cursor(values=[first], before=True))
    query.end_at.CopyFrom(Cursor(values=[end], before=True))
    return query


def beginning_with(query: Any, folder: str, prefix: str) -> Any:
    """The query by name, of the documents `folder`/… whose names begin with the prefix; "" is all of them."""
    name = f"{folder}/{prefix}"
    return within(query, reference(name), reference(name + _AFTER_ANY_NAME)) if prefix else query


def following(query: Any, document: Any) -> Any:
    """The query, of what comes after this Document, which it has found."""
    paths = [order.field.field_path for order in query.order_by]
    values = [reference(document.name) if path == "__name__" else document.fields[path] for path in paths]
    query.start_at.CopyFrom(Cursor(values=values, before=False))
    return query


def reference(name: str) -> Any:
    return Value(reference_value=name)


def _filter(field: str, op: int, value: Any) -> Any:
    return _Filter(field_filter=_FieldFilter(field={"field_path": field}, op=op, value=value))
