"""The words that a notification is found by (`Notification.found_by`): its tags, and the template that it is made of.

They stand in one list, so that one index finds by any of them (docs/decisions/025-search.md).
"""

from collections.abc import Iterable, Mapping

from shared.delivery.model import TemplateUsed

MOST_TAGS = 10
"""Of a notification's tags, the first so many are words: each is two entries of indexes."""
_TAG = "tag:"


def words_of(tags: Mapping[str, str], template: TemplateUsed | None) -> tuple[str, ...]:
    tagged = [word_of_tag(f"{name}:{value}") for name, value in list(tags.items())[:MOST_TAGS]]
    if template is None:
        return tuple(tagged)
    return (*tagged, word_of_template(template.name), word_of_template(template.name, template.version))


def word_of_tag(tag: str) -> str:
    """tag: name:value"""
    return _TAG + tag


def word_of_template(name: str, version: int | None = None) -> str:
    return f"template:{name}" if version is None else f"template:{name}/{version}"


def without_tags(words: Iterable[str]) -> tuple[str, ...]:
    """A tag may name a person; a template does not."""
    return tuple(word for word in words if not word.startswith(_TAG))
