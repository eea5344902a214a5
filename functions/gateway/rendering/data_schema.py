"""Whether a notification's data fits its template's JSON Schema (2020-12)."""

from collections.abc import Mapping
from typing import Any

import jsonschema_rs

from functions.gateway.web.problem_details import FieldError, field_error

_MOST_ERRORS = 20


def validator(schema: Mapping[str, Any]) -> Any:
    """Raises ValueError when it is no JSON Schema, or refers to another document.

    Patterns are of the kind that takes no longer than the text is long: no look-around, no back-references.
    """
    try:
        return jsonschema_rs.Draft202012Validator(
            dict(schema), retriever=_nowhere, pattern_options=jsonschema_rs.RegexOptions(size_limit=100_000)
        )
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError, TypeError):
        raise ValueError("must be a JSON Schema (2020-12) that refers to nothing outside it") from None


def _nowhere(_: str) -> Any:
    raise ValueError("a schema refers to nothing outside it")


def misfits(judge: Any, data: Mapping[str, Any]) -> list[FieldError]:
    """Where the data does not fit, without what it holds."""
    found: list[FieldError] = []
    for error in judge.iter_errors(dict(data)):
        rule = "/".join(str(part) for part in error.schema_path)
        place = ".".join(["data", *(str(part) for part in error.instance_path)])
        found.append(field_error(place, f"does not fit the template's schema ({rule})"))
        if len(found) == _MOST_ERRORS:
            break
    return found
