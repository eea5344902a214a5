"""A template and its versions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from shared.delivery.model import Recipient
from shared.delivery.store import Page

Parts = Mapping[str, Any]
"""By part of a channel's content, a text in Liquid; or a value of JSON with such texts in it."""


@dataclass(frozen=True, slots=True)
class Template:
    """A name, and which of its versions is the latest.

    archived_at: no new notification is made of it since
    version: of the record as read
    """

    name: str
    latest: int
    created_at: datetime
    updated_at: datetime
    updated_by: str
    archived_at: datetime | None = None
    version: int | None = None


@dataclass(frozen=True, slots=True)
class TemplateVersion:
    """Never changed once it is written.

    schema: JSON Schema of the data, None: there is none; locales: by locale and channel, the parts
    """

    name: str
    number: int
    default_locale: str
    locales: Mapping[str, Mapping[str, Parts]]
    schema: Mapping[str, Any] | None
    created_at: datetime
    created_by: str


class TemplateStore(Protocol):
    """Any method may raise StoreUnavailable; a write may have landed all the same."""

    async def template(self, name: str) -> Template | None: ...

    async def template_version(self, name: str, number: int) -> TemplateVersion | None: ...

    async def templates(self, *, limit: int, after: str | None) -> Page[Template, str]:
        """By name, those after `after`."""
        ...

    async def publish(self, template: Template, version: TemplateVersion) -> None:
        """Write a version and that it is the latest, or neither, if the template's record still has its `version`;
        None: there is none yet. Raises AlreadyExists or Conflict when another was faster.
        """
        ...

    async def archive(self, template: Template) -> None:
        """Write the template. Raises Conflict or NotFound when its record has another `version`."""
        ...


def body_of(version: TemplateVersion) -> dict[str, Any]:
    """What was published."""
    return {
        "schema": version.schema,
        "default_locale": version.default_locale,
        "locales": {locale: dict(channels) for locale, channels in version.locales.items()},
    }


def wanted_locale(version: TemplateVersion, asked: str | None, recipient: Recipient | None) -> str:
    """As asked for; else the recipient's, else the template's default one."""
    return asked or (recipient.locale if recipient else None) or version.default_locale


def chosen_locale(version: TemplateVersion, wanted: str) -> str:
    """The one whose texts it has for this one."""
    return fallbacks(wanted, version.default_locale, list(version.locales))


def fallbacks(wanted: str, default: str, there: Sequence[str]) -> str:
    """The best of the locales that are there: de-AT, then de, then the default one."""
    by_tag = {same_locale(locale): locale for locale in there}
    return next((by_tag[tag] for tag in shortened(wanted) if tag in by_tag), default)


def shortened(locale: str) -> Sequence[str]:
    """de-at, de"""
    parts = same_locale(locale).split("-")
    return ["-".join(parts[:length]) for length in range(len(parts), 0, -1)]


def same_locale(locale: str) -> str:
    """One spelling of those that mean the same: de-AT, de_AT, DE-at."""
    return locale.replace("_", "-").lower()
