"""What the page's forms, and a mail program's one click, say."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from urllib.parse import parse_qsl

ONE_CLICK = ("List-Unsubscribe", "One-Click")
"""RFC 8058, 3.2: the whole of such a request's body."""
AGAIN = ("resubscribe", "1")
CHOOSING = ("choices", "1")
WAS, WANTED = "was", "want"

SHORT = 4 * 1024  # bytes of a body, but of one with choices
LONG = 64 * 1024
_MOST_FIELDS = 1000
_BOUNDARY = re.compile(r';[ \t]*boundary="?([^";]+)', re.IGNORECASE)
_NAME = re.compile(r'^content-disposition:[ \t]*form-data;[ \t]*name="([^"\r\n]*)"', re.IGNORECASE | re.MULTILINE)

Pair = tuple[str, str]
"""A channel, and a category over it."""


class Asked(Enum):
    UNSUBSCRIBE = ONE_CLICK
    SUBSCRIBE_AGAIN = AGAIN


@dataclass(frozen=True, slots=True)
class Chosen:
    """The pairs that were ticked when the page was made, and those that are ticked now.

    What is the same in both was not touched, and is left as it may be by then.
    """

    was: frozenset[Pair]
    wanted: frozenset[Pair]


def written(pair: Pair) -> str:
    """No channel's name has a slash."""
    return "/".join(pair)


def read(content_type: str, body: bytes) -> Asked | Chosen | None:
    """None for what is no form of the page's."""
    fields = _fields(content_type, body)
    if fields is None:
        return None
    if CHOOSING in fields:
        return _chosen([field for field in fields if field != CHOOSING])
    if len(body) > SHORT or len(fields) != 1:
        return None
    return next((asked for asked in Asked if asked.value == fields[0]), None)


def _chosen(fields: Sequence[Pair]) -> Chosen | None:
    pairs: dict[str, set[Pair]] = {WAS: set(), WANTED: set()}
    for name, value in fields:
        channel, slash, category = value.partition("/")
        if name not in pairs or not slash:
            return None
        pairs[name].add((channel, category))
    return Chosen(frozenset(pairs[WAS]), frozenset(pairs[WANTED]))


def _fields(content_type: str, body: bytes) -> Sequence[Pair] | None:
    """Names and values. Mail programs send either type (RFC 8058, 3.2), and some of them none."""
    kind = content_type.partition(";")[0].strip().lower()
    try:
        if kind in {"", "application/x-www-form-urlencoded"}:
            return parse_qsl(
                body.strip().decode(), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS
            )
        if kind == "multipart/form-data" and len(body) <= SHORT:
            return _of_parts(content_type, body)
    except ValueError:
        pass
    return None


def _of_parts(content_type: str, body: bytes) -> Sequence[Pair]:
    """RFC 7578. Raises ValueError."""
    boundary = _BOUNDARY.search(content_type)
    if boundary is None:
        raise ValueError("it does not say what is between its parts")
    _, *parts = (b"\r\n" + body).split(b"\r\n--" + boundary[1].encode("latin-1"))
    fields = []
    for part in parts:
        if part.startswith(b"--"):
            break  # the end: what follows is none of it
        head, _, value = part.partition(b"\r\n\r\n")
        name = _NAME.search(head.decode())
        if name is None:
            raise ValueError("a part that is no field")
        fields.append((name[1], value.decode()))
    return fields
