"""Whether a notification's data fits its template's JSON Schema (2020-12)."""

from collections.abc import Mapping
from itertools import islice
from typing import Any

import jsonschema_rs

from functions.gateway.rendering import schema_cost
from functions.gateway.web.problem_details import FieldError, field_error

_MOST_ERRORS = 20
# Each error has a copy of the value that it is about, and so has, of `anyOf`, one for each of its schemas: 2 kB each.
_MOST_STEPS_FOR_PLACES = 5000
_MOST_COPIED = 2_000_000  # bytes


class DataSchema:
    """A template's schema. What judging takes is known before it begins."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        """Raises ValueError when it is no JSON Schema, refers to another document, or takes too long.

        Patterns are of the kind that takes no longer than the text is long: no look-around, no back-references.
        """
        schema_cost.check_size(schema)
        try:
            jsonschema_rs.meta.validate(dict(schema))
            self._steps = schema_cost.steps_by_level(schema, _compiles)
            self._judge = _validator(schema, schema_cost.LARGE_PATTERN)
        except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, TypeError):
            raise ValueError(f"must be a JSON Schema ({schema_cost.DIALECT})") from None

    def misfits(self, data: Mapping[str, Any]) -> list[FieldError]:
        """Where the data does not fit, without what it holds."""
        steps = schema_cost.steps_of(self._steps, data)
        if steps.keywords > schema_cost.MOST_STEPS:
            return [field_error("data", "has too many values for the template's schema")]
        if steps.patterns > schema_cost.MOST_PATTERN_STEPS:
            return [field_error("data", "has too much text for the patterns of the template's schema")]
        if self._judge.is_valid(dict(data)):
            return []
        copied = schema_cost.size_of(data) * sum(each.keywords for each in self._steps)
        if steps.keywords > _MOST_STEPS_FOR_PLACES or copied > _MOST_COPIED:
            return [field_error("data", "does not fit the template's schema")]
        found: list[FieldError] = []
        for error in islice(self._judge.iter_errors(dict(data)), _MOST_ERRORS):
            rule = "/".join(str(part) for part in error.schema_path)
            place = ".".join(["data", *(str(part) for part in error.instance_path)])
            found.append(field_error(place, f"does not fit the template's schema ({rule})"))
        return found


def _validator(schema: Mapping[str, Any], longest_pattern: int) -> Any:
    return jsonschema_rs.Draft202012Validator(
        dict(schema),
        validate_formats=False,
        retriever=_nowhere,
        pattern_options=jsonschema_rs.RegexOptions(size_limit=longest_pattern),
    )


def _compiles(pattern: str, size: int) -> bool:
    try:
        _validator({"pattern": pattern}, size)
    except jsonschema_rs.ValidationError:
        return False
    return True


def _nowhere(_: str) -> Any:
    raise ValueError("a schema refers to nothing outside it")
