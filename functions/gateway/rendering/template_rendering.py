"""What a version of a template makes of data, for one person, over each channel.

This module loads Liquid, Babel and JSON Schema: whoever uses no template does not import it.
"""

from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from functions.gateway.rendering.data_schema import DataSchema
from functions.gateway.rendering.liquid_filters import person, person_of
from functions.gateway.rendering.liquid_rendering import Text, noting_what_is_missing
from functions.gateway.rendering.template_limits import (
    LONGEST_MARKUP,
    LONGEST_TEXT,
    MOST_PARTS,
    MOST_TAGS,
    begin,
    check_source,
    has_tags,
)
from functions.gateway.rendering.template_model import TemplateVersion, chosen_locale, shortened, wanted_locale
from functions.gateway.web.problem_details import FieldError, field_error
from shared.channels.content import content_of
from shared.channels.declaration import Channel
from shared.delivery.model import Recipient

_KEPT = 200  # versions, parsed
K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Rendered:
    """locale: whose texts they are; content: by channel, its parts

    missing: variables that the texts ask for and that are not there; wrong: what else keeps it from being sent
    """

    locale: str
    content: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    missing: Sequence[str] = ()
    wrong: Sequence[FieldError] = ()


class Renderer:
    """Keeps what it has parsed: a version never changes. channels: by name, for what of their parts is markup"""

    def __init__(self, channels: Mapping[str, Channel]) -> None:
        self._channels = channels
        self._schemas: OrderedDict[tuple[str, int], DataSchema] = OrderedDict()
        self._parsed: OrderedDict[tuple[str, int, str], Mapping[str, Any]] = OrderedDict()

    def render(
        self,
        version: TemplateVersion,
        data: Mapping[str, Any],
        *,
        locale: str | None,
        recipient: Recipient | None,
        names: Collection[str] | None = None,
    ) -> Rendered:
        """locale: as asked for; None: the recipient's, or the template's default one
        names: of the channels that it is wanted for; None: of all
        """
        wanted = wanted_locale(version, locale, recipient)
        chosen = chosen_locale(version, wanted)
        try:
            wrong = [] if version.schema is None else self._schema(version, version.schema).misfits(data)
            texts = self._texts(version, chosen)
        except ValueError as error:  # what was taken when it was published, and is no longer
            wrong = [field_error("template", f"version {version.number} must be published anew: {error}")]
        if wrong:
            return Rendered(chosen, wrong=wrong)
        locales = [*shortened(wanted), chosen, version.default_locale]
        person.set(person_of(locales, recipient.time_zone if recipient else None))
        missing = noting_what_is_missing()
        begin()
        content = {}
        for channel, parts in texts.items():
            if names is not None and channel not in names:
                continue
            try:
                content[channel] = {name: _filled(part, _variables(data, recipient)) for name, part in parts.items()}
            except ValueError as error:
                wrong.append(field_error("template", f"version {version.number}, {chosen}.{channel}: {error}"))
        return Rendered(chosen, content, tuple(missing), tuple(wrong))

    def _schema(self, version: TemplateVersion, schema: Mapping[str, Any]) -> DataSchema:
        return _kept(self._schemas, (version.name, version.number), lambda: DataSchema(schema))

    def _texts(self, version: TemplateVersion, locale: str) -> Mapping[str, Any]:
        return _kept(self._parsed, (version.name, version.number, locale), lambda: self._parse(version.locales[locale]))

    def _parse(self, texts: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
        channels = {name: parts for name, parts in texts.items() if name in self._channels}
        return {
            name: {part: _parsed(value, escapes(self._channels[name], part)) for part, value in parts.items()}
            for name, parts in channels.items()
        }


def _kept(cache: OrderedDict[K, V], key: K, make: Callable[[], V]) -> V:
    """Those used last."""
    if key not in cache:
        cache[key] = make()
        if len(cache) > _KEPT:
            cache.popitem(last=False)
    cache.move_to_end(key)
    return cache[key]


def escapes(channel: Channel, part: str) -> str | None:
    """How data is escaped in this part, as the channel's content declares."""
    return content_of(channel).escapes.get(part)


@dataclass(frozen=True, slots=True)
class _Leaf:
    text: Text
    escape: str | None


def _parsed(value: Any, escape: str | None) -> Any:
    """With each text in it parsed. Raises ValueError."""
    match value:
        case str() if has_tags(value) or len(value) > LONGEST_TEXT:
            return _Leaf(Text(value, escaped=escape is not None), escape)
        case list():
            return [_parsed(item, escape) for item in value]
        case dict():
            return {key: _parsed(item, escape) for key, item in value.items()}
    return value


def _filled(value: Any, variables: Mapping[str, Any]) -> Any:
    match value:
        case _Leaf():
            text = value.text.render(variables)
            # Of HTML's entities some markup knows but those of & < >.
            return text.replace("&#34;", '"').replace("&#39;", "'") if value.escape == "angles" else text
        case list():
            return [_filled(item, variables) for item in value]
        case dict():
            return {key: _filled(item, variables) for key, item in value.items()}
    return value


def _variables(data: Mapping[str, Any], recipient: Recipient | None) -> dict[str, Any]:
    """`order` is data's; so is `data.order`, where a name is one of the two others."""
    of_person = {} if recipient is None else {"name": recipient.name, **_known(recipient)}
    return {**data, "data": data, "recipient": of_person}


def _known(recipient: Recipient) -> dict[str, Any]:
    known = {"locale": recipient.locale, "time_zone": recipient.time_zone, "attributes": dict(recipient.attributes)}
    return {name: value for name, value in known.items() if value is not None}


def check_texts(channel: Channel, parts: Mapping[str, Any], place: str) -> list[FieldError]:
    """What is wrong with the texts of a new version, for one channel in one locale."""
    wrong: list[FieldError] = []
    for part, value in parts.items():
        for where, text in _leaves(value, f"{place}.{part}"):
            try:
                _parsed(text, escapes(channel, part))
            except ValueError as error:
                wrong.append(field_error(where, str(error)))
    return wrong


def costs_too_much(locales: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether all its texts together have more tags than two may: each is parsed when it is published."""
    if _more_than(locales, MOST_PARTS):
        return True
    texts = [text for _, text in _leaves(locales, "") if has_tags(text)]
    tags = markup = 0
    for text in texts:
        with suppress(ValueError):  # which is said of that text, and it is not parsed
            more_tags, more_markup = check_source(text)
            tags, markup = tags + more_tags, markup + more_markup
    return tags > 2 * MOST_TAGS or markup > 2 * LONGEST_MARKUP or sum(map(len, texts)) > 2 * LONGEST_TEXT


def _more_than(value: Any, most: int) -> bool:
    count, level = 0, [value]
    while level and count <= most:
        count += len(level)
        inner = [each.values() if isinstance(each, Mapping) else each for each in level]
        level = [v for each in inner if not isinstance(each, str) and isinstance(each, Collection) for v in each]
    return count > most


def _leaves(value: Any, place: str) -> Iterator[tuple[str, str]]:
    match value:
        case str():
            yield place, value
        case list():
            for i, item in enumerate(value):
                yield from _leaves(item, f"{place}.{i}")
        case dict():
            for key, item in value.items():
                yield from _leaves(item, f"{place}.{key}")
