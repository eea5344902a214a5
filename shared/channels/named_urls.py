"""Addresses that are names of URLs: whoever has such a URL can post there, so it is a secret, and on no record.

A channel's function has the URLs, in a secret of "name=url" with blanks or line ends between. The gateway has the names
alone, where the operator says them: then one that is none of them is refused at once.
"""

import re
from collections.abc import Callable, Collection, Mapping
from typing import Annotated
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from pydantic import AfterValidator, SecretStr

from shared.channels.declaration import Screen
from shared.channels.text_checks import one_line
from shared.delivery.errors import Refused
from shared.runtime.settings import http_url, is_private

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


def normalise(address: str) -> str:
    """In lower case. Raises ValueError."""
    name = one_line(address).strip().lower()
    if not NAME.fullmatch(name):
        raise ValueError("must be a name: 1 to 63 of a-z 0-9 . _ - that begin with a letter or digit")
    return name


Name = Annotated[str, AfterValidator(normalise)]


def private(url: str) -> str:
    """An http URL to where nobody on the way can read it. Raises ValueError."""
    if not is_private(http_url(url)):
        raise ValueError("must be https: whoever is on the way could post there, too")
    return url


def urls(text: SecretStr, checked: Callable[[str], str] = private) -> Mapping[str, SecretStr]:
    """By name. checked: raises ValueError without the URL, as this does"""
    found: dict[str, SecretStr] = {}
    for number, pair in enumerate(text.get_secret_value().split(), 1):
        name, there, url = pair.partition("=")
        if not there or not NAME.fullmatch(name):
            raise ValueError(f"must be name=url with blanks between: entry {number} has no name (a-z 0-9 . _ -)")
        if name in found:
            raise ValueError(f"names {name} twice")
        try:
            found[name] = SecretStr(checked(url))
        except ValueError as wrong:
            raise ValueError(f"{name} {wrong}") from None
    return found


def _checked(text: SecretStr) -> SecretStr:
    urls(text)
    return text


Urls = Annotated[SecretStr, AfterValidator(_checked)]
"""Of a setting: what `urls` can read."""


def url_of(known: Mapping[str, SecretStr], name: str, setting: str) -> str:
    """Raises Refused: an operator has to name it. setting: where they are"""
    if name not in known:
        raise Refused(f"{setting} has no URL by that name: add it, deploy, then replay")
    return known[name].get_secret_value()


def with_query(url: str, **more: str) -> str:
    """The URL with these parameters in the place of its own by these names."""
    parts = urlsplit(url)
    kept = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name not in more]
    return urlunsplit(parts._replace(query=urlencode([*kept, *more.items()])))


def screen(names: Collection[str], setting: str) -> Screen:
    """names: those that there are; empty: whoever asks is not told before it is sent. setting: where they are"""
    return Screen(refusal=_refusal(names, setting), most_per_hour=None, setting="")


def _refusal(names: Collection[str], setting: str) -> Callable[[str], str | None]:
    def refusal(address: str) -> str | None:
        return None if not names or address in names else f"{setting} does not name it"

    return refusal
