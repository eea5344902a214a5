"""The fields that several routes take and give, and what they must be."""

import re
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar, cast

from pydantic import AfterValidator, GetCoreSchemaHandler, StringConstraints
from pydantic_core.core_schema import CoreSchema, no_info_before_validator_function
from typing_extensions import TypeAliasType

from functions.gateway.web.problem_details import field_error, invalid
from shared.channels.content import said

NAME = r"^[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}$"
PLAIN_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"  # of what is no person: a template, a category
LOCALE = r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8}){0,3}$"
NOTIFICATION_ID = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
LONGEST_ADDRESS = 2048  # of a browser that takes push messages, the longest there is; each channel judges its own
S = TypeVar("S", bound=str)


def recipient_name(text: str) -> str:
    """A name that can stand in a path and as a document's id. Raises ValueError."""
    if not re.fullmatch(NAME, text):
        raise ValueError("must be 1 to 128 of A-Z a-z 0-9 . _ @ + - and begin with a letter or digit")
    return text


def plain_name(text: str) -> str:
    """The same of what is no person. Raises ValueError."""
    if not re.fullmatch(PLAIN_NAME, text):
        raise ValueError("must be 1 to 128 of A-Z a-z 0-9 . _ - and begin with a letter or digit")
    return text


def check_plain_name(name: str) -> None:
    """Of a path. Problem 422."""
    try:
        plain_name(name)
    except ValueError as wrong:
        raise invalid(field_error("name", str(wrong))) from None


@dataclass(frozen=True, slots=True)
class Entries:
    """How many a list or an object has. Counted before any of them is looked at: a body has room for a hundred
    thousand wrong ones.
    """

    most: int
    least: int = 0

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        counted: dict[str, Any] = {**handler(source), "max_length": self.most}
        if self.least:
            counted["min_length"] = self.least
        return no_info_before_validator_function(self._few, cast(CoreSchema, counted))

    def _few(self, value: object) -> object:
        if isinstance(value, list | dict) and len(value) > self.most:
            raise ValueError(f"must have at most {self.most} entries")
        return value


def each_once(names: list[S]) -> list[S]:
    if len(set(names)) < len(names):
        raise ValueError("must not name one twice")
    return names


RecipientName = Annotated[str, AfterValidator(recipient_name), said(pattern=NAME)]
# Named, so that `openapi` can put in the channels that there are.
ChannelName = TypeAliasType("ChannelName", Annotated[str, StringConstraints(min_length=1, max_length=64)])
Address = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_ADDRESS)]
Addresses = TypeAliasType("Addresses", Annotated[dict[ChannelName, Address], Entries(20, least=1)])
Names = Annotated[list[S], Entries(20, least=1), AfterValidator(each_once), said(uniqueItems=True)]
ChannelNames = Names[ChannelName]
