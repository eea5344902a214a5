"""What Firestore bills for a document and its index entries: https://cloud.google.com/firestore/docs/storage-size

Which indexes there are, infra/indexes.yaml says: those of the queries, and of each field that it does not take out of
the automatic indexes an ascending and a descending one.
"""

from collections.abc import Mapping
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import yaml

_INFRA = Path(__file__).parent.parent / "infra"
_ENTRY = 32  # bytes of a document, and of an index entry, besides its parts


def stored_bytes(document: Any) -> int:
    return _name_bytes(document) + sum(_text(key) + _value(v) for key, v in document.fields.items()) + _ENTRY


def index_bytes(document: Any) -> dict[str, int]:
    """Entries and bytes: of the queries' indexes, of the automatic ones that are left, and of those taken out."""
    indexes, collection = _indexes(), document.name.split("/")[-2]
    name, parent, fields = _name_bytes(document), _parent_bytes(document), document.fields
    queries = []
    for index in indexes["composite"]:
        paths = [field.split() for field in index["fields"]]
        if index["collection"] == collection and all(path in fields for path, *_ in paths):
            # A collection group's index does without the parent's name.
            scope = parent if index["scope"] == "COLLECTION" else 0
            # Of a list that is looked into there is an entry for each value.
            values = [_each(fields[path]) if how == ["contains"] else [fields[path]] for path, *how in paths]
            queries += [name + scope + sum(map(_value, entry)) + _ENTRY for entry in product(*values)]
    without = {*indexes["unindexed"].get(collection, []), "expire_at"}
    leaves = [(key, name + parent + _text(key) + size + _ENTRY) for key, size in _leaves(fields)]
    left = [size for key, size in leaves if key.split(".")[0] not in without]
    taken_out = [size for key, size in leaves if key.split(".")[0] in without]
    return {
        "query_entries": len(queries),
        "query_bytes": sum(queries),
        "automatic_entries": 2 * len(left),
        "automatic_bytes": 2 * sum(left),
        "taken_out_entries": 2 * len(taken_out),
        "taken_out_bytes": 2 * sum(taken_out),
    }


@cache
def _indexes() -> Mapping[str, Any]:
    indexes: Mapping[str, Any] = yaml.safe_load((_INFRA / "indexes.yaml").read_text())
    return indexes


def _each(value: Any) -> list[Any]:
    return list(value.array_value.values)


def _leaves(fields: Mapping[str, Any], prefix: str = "") -> list[tuple[str, int]]:
    """Each field with an entry of its own: a map's are those in it, and an array counts here as one value."""
    leaves: list[tuple[str, int]] = []
    for key, value in fields.items():
        if value.WhichOneof("value_type") == "map_value":
            leaves += _leaves(value.map_value.fields, f"{prefix}{key}.")
        else:
            leaves.append((prefix + key, min(_value(value), 1500)))
    return leaves


def _name_bytes(document: Any) -> int:
    path = document.name.split("/documents/")[1].split("/")
    return sum(map(_text, path)) + 16


def _parent_bytes(document: Any) -> int:
    path = document.name.split("/documents/")[1].split("/")[:-2]
    return sum(map(_text, path)) + 16 if path else 0


def _text(text: str) -> int:
    return len(text.encode()) + 1


def _value(value: Any) -> int:
    kind = value.WhichOneof("value_type")
    match kind:
        case "string_value":
            return _text(value.string_value)
        case "null_value" | "boolean_value":
            return 1
        case "map_value":
            return sum(_text(key) + _value(item) for key, item in value.map_value.fields.items())
        case "array_value":
            return sum(map(_value, value.array_value.values))
        case _:
            return 8  # numbers and times
