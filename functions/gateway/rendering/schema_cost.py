"""What judging data by a JSON Schema takes, counted before it is done: nothing can stop it once it has begun.

Schemas that refer to themselves or to others take exponential time (`anyOf` of twice the same `$ref`, thirty deep), and
an `enum` of thousands is compared with each of thousands of values. So, level by level of the data: how many keywords
are looked at for one value of this level at most, times how many values there are.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from functions.gateway.web.template_data import DEEPEST

MOST_STEPS = 100_000  # about 20 ms
MOST_PATTERN_STEPS = 15_000  # characters that patterns look at; each takes up to 2 microseconds
MOST_STEPS_A_VALUE = 5000
MOST_PATTERNS = 50
_MOST_SCHEMA_VALUES = 3000
_MOST_SCHEMA_LEVELS = 60
_MOST_COUNTED = 3000  # schemas, each once for each level
# Bytes of a compiled pattern, and how many steps it takes for a character.
SMALL_PATTERN, LARGE_PATTERN = 10_000, 100_000
_LARGE_PATTERNS_STEPS = 6

_LISTS = ("allOf", "anyOf", "oneOf")
_SAME_VALUE = ("not", "if", "then", "else")
_EACH_INSIDE = (
    "additionalProperties",
    "propertyNames",
    "items",
    "contains",
    "unevaluatedItems",
    "unevaluatedProperties",
)
_AGAIN = ("unevaluatedItems", "unevaluatedProperties")
"""They look once more at what the keywords beside them looked at."""
_REFUSED = ("$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$anchor", "dependencies")
DIALECT = "https://json-schema.org/draft/2020-12/schema"

Schema = Any  # an object, true or false


@dataclass(frozen=True, slots=True)
class Steps:
    """Of one value: keywords looked at, and patterns matched."""

    keywords: int = 0
    patterns: int = 0

    def __add__(self, other: "Steps") -> "Steps":
        return Steps(self.keywords + other.keywords, self.patterns + other.patterns)

    def most(self, other: "Steps") -> "Steps":
        return Steps(max(self.keywords, other.keywords), max(self.patterns, other.patterns))


def check_size(schema: Mapping[str, Any]) -> None:
    """Of any JSON that is to be a schema. Raises ValueError."""
    levels = [len(level) for level in _levels(schema)]
    if sum(levels) > _MOST_SCHEMA_VALUES or len(levels) > _MOST_SCHEMA_LEVELS:
        raise ValueError(f"must have at most {_MOST_SCHEMA_VALUES} values and names in {_MOST_SCHEMA_LEVELS} levels")
    if str(schema.get("$schema", DIALECT)).rstrip("#") != DIALECT:
        raise ValueError(f"must be of {DIALECT}")


def steps_by_level(schema: Mapping[str, Any], compiles: Callable[[str, int], bool]) -> Sequence[Steps]:
    """For a value at each level of the data, its root first. Raises ValueError when they are too many, or without end.

    schema: one that JSON Schema's own schema takes; compiles: whether a pattern does, to at most so many bytes
    """
    counting = _Counting(schema, compiles)
    found: list[Steps] = []
    # Where no schema looks at a level, none does below it.
    while len(found) < DEEPEST + 2 and (not found or found[-1].keywords):
        found.append(counting.steps(schema, len(found)))
    if max(max(steps.keywords, steps.patterns) for steps in found) > MOST_STEPS_A_VALUE:
        raise ValueError(f"must not look at one value more than {MOST_STEPS_A_VALUE} times")
    return found


def steps_of(by_level: Sequence[Steps], data: Any) -> Steps:
    """To judge this data; patterns: in characters."""
    total = Steps()
    for level, steps in zip(_levels(data), by_level, strict=False):
        characters = sum(len(value) for value in level if isinstance(value, str))
        total += Steps(steps.keywords * len(level), steps.patterns * characters)
    return total


def size_of(data: Any) -> int:
    """About how many bytes a copy of it takes."""
    return sum(30 + (len(value) if isinstance(value, str) else 0) for level in _levels(data) for value in level)


def _levels(value: Any) -> Iterator[Sequence[Any]]:
    """A name stands on the level of its value, too: `propertyNames` looks at it."""
    level = [value]
    while level:
        yield level
        level = [inner for each in level if isinstance(each, dict | list) for inner in _inside(each)]


def _inside(value: dict[str, Any] | list[Any]) -> Sequence[Any]:
    return value if isinstance(value, list) else [*value, *value.values()]


class _Counting:
    def __init__(self, root: Mapping[str, Any], compiles: Callable[[str, int], bool]) -> None:
        self._root = root
        self._compiles = compiles
        self._patterns: dict[str, int] = {}
        self._known: dict[tuple[int, int], Steps] = {}
        self._open: set[tuple[int, int]] = set()

    def steps(self, schema: Schema, level: int) -> Steps:
        """At one value so many levels below the one that this schema is for."""
        if not isinstance(schema, Mapping):
            return Steps(1 if level == 0 else 0)
        key = (id(schema), level)
        if key in self._known:
            return self._known[key]
        if key in self._open:
            raise ValueError("must not refer to itself for the same value")
        if len(self._known) >= _MOST_COUNTED:
            raise ValueError("has too many schemas in it for so many levels of data")
        self._open.add(key)
        found = self._own(schema) if level == 0 else self._below(schema, level - 1)
        same = sum((self.steps(each, level) for each in self._of_same_value(schema)), Steps())
        found += same + (same if any(name in schema for name in _AGAIN) else Steps())
        self._open.discard(key)
        if found.keywords > MOST_STEPS_A_VALUE:
            raise ValueError(f"must not look at one value more than {MOST_STEPS_A_VALUE} times")
        self._known[key] = found
        return found

    def _own(self, schema: Mapping[str, Any]) -> Steps:
        for name in _REFUSED:
            if name in schema:
                raise ValueError(f"must not have {name}; $ref takes #/$defs/name")
        if "$id" in schema and schema is not self._root:
            raise ValueError("must not have $id within it; $ref takes #/$defs/name")
        listed = [schema[name] for name in ("enum", "const", "required", "dependentRequired") if name in schema]
        many = sum(len(level) for each in listed for level in _levels(each))
        named = sum(len(schema[name]) for name in ("properties", "patternProperties") if _is_map(schema, name))
        return Steps(max(len(schema), 1) + many + named, self._pattern(schema["pattern"]) if "pattern" in schema else 0)

    def _pattern(self, pattern: str) -> int:
        if pattern not in self._patterns:
            if len(self._patterns) == MOST_PATTERNS:
                raise ValueError(f"must have at most {MOST_PATTERNS} patterns")
            if not self._compiles(pattern, LARGE_PATTERN):
                raise ValueError(
                    f"must not have the pattern {pattern[:40]}: it looks back or ahead, or is too large; "
                    "write + and maxLength in place of {1,1000}"
                )
            self._patterns[pattern] = 1 if self._compiles(pattern, SMALL_PATTERN) else _LARGE_PATTERNS_STEPS
        return self._patterns[pattern]

    def _of_same_value(self, schema: Mapping[str, Any]) -> Iterator[Schema]:
        for name in _LISTS:
            yield from schema.get(name, ())
        yield from (schema[name] for name in _SAME_VALUE if name in schema)
        if _is_map(schema, "dependentSchemas"):
            yield from schema["dependentSchemas"].values()
        if "$ref" in schema:
            yield self._target(schema["$ref"])

    def _below(self, schema: Mapping[str, Any], level: int) -> Steps:
        """One value has one name, and one place in a list: of those with names and places only one looks at it."""
        found = Steps()
        by_name = list(schema["properties"].values()) if _is_map(schema, "properties") else []
        for one in (by_name, schema.get("prefixItems", [])):
            most = Steps()
            for each in one:
                most = most.most(self.steps(each, level))
            found += most
        if _is_map(schema, "patternProperties"):
            patterns = schema["patternProperties"]
            found += sum((self.steps(each, level) for each in patterns.values()), Steps())
            found += Steps(patterns=sum(map(self._pattern, patterns)) if level == 0 else 0)
        return found + sum((self.steps(schema[name], level) for name in _EACH_INSIDE if name in schema), Steps())

    def _target(self, reference: Any) -> Schema:
        if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
            raise ValueError("must refer to nothing outside it; $ref takes #/$defs/name")
        found: Any = self._root
        for part in reference.split("/")[1:]:
            name = part.replace("~1", "/").replace("~0", "~")
            found = found.get(name) if isinstance(found, Mapping) else None
        if not isinstance(found, Mapping | bool):
            raise ValueError(f"refers to {reference[:80]}, which is not in it")
        return found


def _is_map(schema: Mapping[str, Any], name: str) -> bool:
    return isinstance(schema.get(name), Mapping)
