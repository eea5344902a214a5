"""Schemas that would cost much, each with the data that it wants."""

import random
from collections.abc import Mapping
from typing import Any

_COIN = random.Random(1)  # the same text each time
BITS = "".join(_COIN.choice("01") for _ in range(90_000))
_NODE = {"type": "object", "required": ["z"]}


def _nested(value: Any, name: str, times: int) -> Any:
    for _ in range(times):
        value = {name: value}
    return value


def _doubling(keyword: str, times: int) -> dict[str, Any]:
    """Each refers twice to the next."""
    defs: dict[str, Any] = {f"a{i}": {keyword: [{"$ref": f"#/$defs/a{i + 1}"}] * 2} for i in range(times)}
    return {"$defs": defs | {f"a{times}": {"type": "integer"}}, "$ref": "#/$defs/a0"}


def _unevaluated(times: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"properties": {"a": True}}
    for _ in range(times):
        schema = {"allOf": [schema], "unevaluatedProperties": True}
    return schema


def _of_s(schema: Any) -> dict[str, Any]:
    return {"properties": {"s": schema}}


REFUSED: Mapping[str, dict[str, Any]] = {
    "itself": {"$ref": "#"},
    "itself, not": {"not": {"$ref": "#"}},
    "itself, of anyOf": {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]},
    "itself, by another": {
        "$defs": {"a": {"allOf": [{"$ref": "#/$defs/b"}]}, "b": {"$ref": "#/$defs/a"}},
        "$ref": "#/$defs/a",
    },
    **{f"doubling {keyword}": _doubling(keyword, 30) for keyword in ("anyOf", "allOf", "oneOf")},
    "doubling a level": {"anyOf": [{"properties": {"c": {"$ref": "#"}}, **_NODE}] * 3},
    "doubling items": {"allOf": [{"items": {"$ref": "#"}}, {"contains": {"$ref": "#"}}]},
    "doubling names": {"patternProperties": {"a": {"$ref": "#"}, "b": {"$ref": "#"}}},
    "a tree of many": {"properties": {f"a{i}": {"$ref": "#"} for i in range(700)}},
    "unevaluated": _unevaluated(20),
    "elsewhere": {"$ref": "https://example.com/a.json"},
    "elsewhere, on this machine": {"$ref": "file:///etc/passwd"},
    "nowhere": {"$ref": "#/$defs/a"},
    "an id within": {"properties": {"a": {"$id": "https://example.com/", "$ref": "b"}}},
    "dynamic": {"$dynamicAnchor": "a", "anyOf": [{"$dynamicRef": "#a"}]},
    "deep": _nested({"type": "integer"}, "not", 150),
    "long": {"enum": [str(i) for i in range(20_000)]},
    "many": {"allOf": [{"type": "string"}] * 4000},
    "many patterns": {"allOf": [{"pattern": f"^{i}$"} for i in range(60)]},
    "a huge pattern": _of_s({"pattern": "((a{100}){100}){100}"}),
    "a pattern that looks back": _of_s({"pattern": r"(a)\1"}),
    "a pattern that looks ahead": _of_s({"pattern": "(?=a)"}),
    "another draft": {"$schema": "http://json-schema.org/draft-07/schema#"},
    "no schema": {"type": "nonsense"},
    "no schema within": {"properties": {"a": {"allOf": "x"}}},
}

JUDGED: Mapping[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "patterns": (_of_s({"pattern": "[01]*1[01]{400}[2-9a-z]"}), {"s": BITS}),
    "a small pattern": (_of_s({"pattern": "[01]*1[01]{30}[2-9a-z]"}), {"s": BITS[:14_900]}),
    "a larger pattern": (_of_s({"pattern": "[01]*1[01]{400}[2-9a-z]"}), {"s": BITS[:2400]}),
    "patterns of names": ({"patternProperties": {"[01]*1[01]{30}[2-9a-z]": {}}}, {BITS[:14_900]: 1}),
    "patterns of each": (
        _of_s({"items": {"allOf": [{"pattern": f"[01]*1[01]{{30}}{i}$"} for i in range(40)]}}),
        {"s": [BITS[i : i + 100] for i in range(900)]},
    ),
    "each is wrong": (_of_s({"items": {"type": "string"}}), {"s": [1] * 9000}),
    "each is wrong in many ways": (_of_s({"items": {"anyOf": [{"type": "string"}] * 50}}), {"s": [1] * 9000}),
    "all of it is wrong often": ({"allOf": [{"maxProperties": 1}] * 900}, {"a": 1, "s": [{"a": "b" * 20}] * 4000}),
    "enum": (_of_s({"items": {"enum": [str(i) for i in range(2900)]}}), {"s": ["x"] * 9000}),
    "enum of objects": (_of_s({"items": {"enum": [{"a": i} for i in range(900)]}}), {"s": [{"a": -1}] * 3000}),
    "required": (_of_s({"items": {"required": [f"a{i}" for i in range(2900)]}}), {"s": [{}] * 9000}),
    "properties": (_of_s({"items": {"properties": {f"a{i}": True for i in range(1400)}}}), {"s": [{}] * 9000}),
    "unique": (_of_s({"uniqueItems": True}), {"s": [{"a": [i]} for i in range(3000)]}),
    "a tree": ({"properties": {"c": {"items": {"$ref": "#"}}}, **_NODE}, {"c": [{"c": [{"c": []}] * 20}] * 100}),
    "unevaluated": (_unevaluated(6), {f"a{i}": 1 for i in range(9000)}),
}
