"""A template's schema: what it says of data, and that neither it nor the data can make judging long or large."""

import time
import tracemalloc
from collections.abc import Mapping
from typing import Any

import pytest

from functions.gateway.rendering import schema_cost
from functions.gateway.rendering.data_schema import DataSchema
from functions.gateway.web.template_data import bounded
from tests.unit.gateway.rendering.costs import BYTES, CPU_SECONDS, best
from tests.unit.gateway.rendering.hostile_schemas import BITS, JUDGED, REFUSED

ORDER = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "https://example.com/order.json",
    "$defs": {"line": {"type": "object", "required": ["sku"], "properties": {"sku": {"pattern": "^[A-Z]{2}[0-9]+$"}}}},
    "type": "object",
    "required": ["order"],
    "properties": {
        "order": {"type": "integer", "minimum": 1},
        "lines": {"type": "array", "items": {"$ref": "#/$defs/line"}, "maxItems": 100},
        "gift": {"oneOf": [{"type": "boolean"}, {"type": "string", "maxLength": 100}]},
    },
    "additionalProperties": False,
}


def places(data: Mapping[str, Any], schema: Mapping[str, Any] = ORDER) -> dict[str, str]:
    return {error["field"]: error["message"] for error in DataSchema(schema).misfits(data)}


def seconds(schema: Mapping[str, Any], data: Mapping[str, Any]) -> float:
    judge = DataSchema(schema)
    began = time.thread_time()
    judge.misfits(data)
    return time.thread_time() - began


def test_what_fits_is_not_spoken_of() -> None:
    assert places({"order": 42, "lines": [{"sku": "AB1"}] * 100, "gift": "for you"}) == {}


@pytest.mark.parametrize(
    ("data", "place", "rule"),
    [
        ({}, "data", "required"),
        ({"order": "secret"}, "data.order", "properties/order/type"),
        ({"order": 1, "lines": [{"sku": "AB1"}, {"sku": "secret"}]}, "data.lines.1.sku", "pattern"),
        ({"order": 1, "lines": [{}]}, "data.lines.0", "required"),
        ({"order": 1, "gift": 7}, "data.gift", "oneOf"),
        ({"order": 1, "secret": 7}, "data", "additionalProperties"),
    ],
)
def test_what_does_not_fit_is_named_without_what_it_holds(data: Mapping[str, Any], place: str, rule: str) -> None:
    found = places(data)
    assert list(found) == [place]
    assert rule in found[place]
    assert "secret" not in found[place]


def test_a_schema_may_refer_to_itself_for_what_is_inside() -> None:
    tree = {"type": "object", "required": ["name"], "properties": {"below": {"type": "array", "items": {"$ref": "#"}}}}
    assert places({"name": 1, "below": [{"name": 1, "below": [{"name": 1}]}]}, tree) == {}
    assert list(places({"name": 1, "below": [{"name": 1, "below": [{}]}]}, tree)) == ["data.below.0.below.0"]


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"^\p{L}+$", "Zoë"),
        (r"^https://[^\s]+$", "https://example.com/"),
        (r"^[^\x00-\x1f]+$", "Zoë"),
        (r"^\w+@\w+\.\w+$", "a@example.com"),
        (r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", "6ba95bd8-6a68-49cb-a4fb-9d8f2ac7c1b4"),
    ],
)
def test_patterns_that_people_write_are_taken(pattern: str, text: str) -> None:
    schema = {"properties": {"a": {"pattern": pattern}}}
    assert places({"a": text}, schema) == {}
    assert list(places({"a": "\n"}, schema)) == ["data.a"]


def test_a_pattern_that_is_too_large_says_what_to_write() -> None:
    with pytest.raises(ValueError, match="maxLength in place of"):
        DataSchema({"pattern": r"^\p{L}{1,500}$"})


@pytest.mark.parametrize("schema", REFUSED.values(), ids=REFUSED)
def test_what_could_take_long_is_no_schema_of_a_template(schema: Mapping[str, Any]) -> None:
    def refused() -> float:
        began = time.thread_time()
        with pytest.raises(ValueError, match=r"must|refers|too many"):
            DataSchema(schema)
        return time.thread_time() - began

    assert best(refused) <= CPU_SECONDS


@pytest.mark.parametrize(("schema", "data"), JUDGED.values(), ids=JUDGED)
def test_judging_costs_little(schema: Mapping[str, Any], data: dict[str, Any]) -> None:
    assert bounded(data) == data
    assert best(lambda: seconds(schema, data)) <= CPU_SECONDS


@pytest.mark.parametrize(("schema", "data"), JUDGED.values(), ids=JUDGED)
def test_judging_takes_little_memory(schema: Mapping[str, Any], data: dict[str, Any]) -> None:
    """Of Python's alone, whose errors are what is large: one has a copy of what it is about."""
    judge = DataSchema(schema)
    tracemalloc.start()
    try:
        judge.misfits(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= BYTES


def test_data_that_would_take_long_is_refused_with_why() -> None:
    pattern = {"properties": {"s": {"pattern": "^[01]+$"}}}
    assert places({"s": BITS[:14_000]}, pattern) == {}
    assert places({"s": BITS}, pattern) == {"data": "has too much text for the patterns of the template's schema"}
    assert places(*reversed(JUDGED["enum"])) == {"data": "has too many values for the template's schema"}


def test_text_that_no_pattern_looks_at_may_be_long() -> None:
    schema = {"properties": {"of": {"properties": {"sku": {"pattern": "^[A-Z]+$"}}}}}
    assert places({"text": BITS, "of": {"sku": "AB"}}, schema) == {}


def test_steps_are_counted_level_by_level() -> None:
    schema = {"properties": {"a": {"items": {"anyOf": [{"type": "string", "maxLength": 3}, {"type": "null"}]}}}}
    steps = schema_cost.steps_by_level(schema, lambda *_: True)
    assert [each.keywords for each in steps] == [2, 1, 1 + 2 + 1, 0]
    assert schema_cost.steps_of(steps, {"a": ["x"] * 10}).keywords == 2 + 1 * 2 + 4 * 10
