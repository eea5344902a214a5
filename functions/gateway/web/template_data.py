"""What a template's variables are made of, as it comes in: bounded, since templates walk through it again and again."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field

DEEPEST = 20
MOST_VALUES = 10_000


def bounded(data: dict[str, Any]) -> dict[str, Any]:
    """Raises ValueError for data of too many levels or values."""
    count = 0
    level: list[Any] = [data]
    for _ in range(DEEPEST):
        values = [v for each in level for v in (each.values() if isinstance(each, dict) else each)]
        count += len(values)
        if count > MOST_VALUES:
            raise ValueError(f"must have at most {MOST_VALUES} values")
        level = [v for v in values if isinstance(v, dict | list)]
        if not level:
            return data
    raise ValueError(f"must have at most {DEEPEST} levels")


TemplateData = Annotated[
    dict[str, Any], AfterValidator(bounded), Field(description="What the template's variables are.")
]
