"""The JSON of /v1/categories, in and out."""

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from typing_extensions import TypedDict

from shared.channels.content import PRINTABLE, said
from shared.channels.text_checks import printable
from shared.delivery.model import CategoryClass
from shared.people.category import Category

Description = Annotated[str, StringConstraints(max_length=500), AfterValidator(printable), said(pattern=PRINTABLE)]


class CategoryRequest(BaseModel):
    """A category, whose class says what may stop its messages."""

    model_config = ConfigDict(strict=True, extra="forbid")

    class_: CategoryClass = Field(alias="class")
    description: Description = Field(default="", description="For people: what it is about.")
    max_per_day: Annotated[int, Field(ge=1, le=1_000)] | None = Field(
        default=None, description="Notifications of it that a person has on one day of theirs; null is no limit."
    )


CategoryJson = TypedDict(
    "CategoryJson",
    {
        "name": str,
        "class": CategoryClass,
        "description": str,
        "max_per_day": int | None,
        "created_at": datetime,
        "updated_at": datetime,
    },
)


class CategoriesJson(TypedDict):
    items: list[CategoryJson]
    next_cursor: str | None


def category_json(category: Category) -> CategoryJson:
    return {
        "name": category.name,
        "class": category.class_,
        "description": category.description,
        "max_per_day": category.max_per_day,
        "created_at": category.created_at,
        "updated_at": category.updated_at,
    }
