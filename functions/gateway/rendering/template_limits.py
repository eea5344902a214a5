"""What a template may cost: it is written by somebody else, and its data by anybody.

python-liquid bounds loops, nesting, output and variables, but not what one filter makes of what it is given, nor time.
So every filter's values are bounded before and after it, and each node that is rendered asks for the time.
"""

import re
import time
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from decimal import Decimal
from functools import wraps
from typing import Any

from liquid import Environment, RenderContext
from liquid.exceptions import LiquidValueError, ResourceLimitError
from liquid.template import BoundTemplate
from liquid.undefined import is_undefined

CPU_SECONDS = 0.025
"""Of all parts of one rendering, together. What may be parsed takes as long again."""
LONGEST_TEXT = 100_000  # characters of a template's text
LONGEST_MARKUP = 10_000  # characters of it between {{ }} and {% %}
MOST_TAGS = 800
LONGEST_OUTPUT = 200_000  # bytes of a rendered part
LONGEST_STRING = 100_000  # characters, of what a filter is given and makes
LONGEST_LIST = 1000
_LARGEST_NUMBER = 10**15
_NUMBER = re.compile(r"\s*-?\d{1,15}(\.\d{1,15})?\s*")
# The lexer looks for the end of each of these through all of the rest.
_TO_THE_END = re.compile(r"\{%-?\s*(?:raw|comment|doc)\b")
_MOST_TO_THE_END = 10
_MOST_PARENTHESES = 300  # the parser takes the square of those that are open

_ends_at: ContextVar[float] = ContextVar("ends_at")


class OverLimit(ResourceLimitError):
    """A template that costs more than one may."""


def begin() -> None:
    """From now on the time runs, of this context's rendering."""
    _ends_at.set(time.thread_time() + CPU_SECONDS)


def check_time() -> None:
    if time.thread_time() > _ends_at.get():
        raise OverLimit(f"takes more than {CPU_SECONDS * 1000:g} ms", token=None)


class TimedContext(RenderContext):
    """Each node asks for the tags that are disabled before it is rendered: there the time is looked at."""

    @property
    def disabled_tags(self) -> list[str]:
        check_time()
        return []

    @disabled_tags.setter
    def disabled_tags(self, _: list[str]) -> None: ...


class TimedTemplate(BoundTemplate):
    context_class = TimedContext


class LimitedEnvironment(Environment):
    template_class = TimedTemplate
    block_nesting_limit = 20
    context_depth_limit = 20
    loop_iteration_limit = 10_000
    local_namespace_limit = 1_000_000
    output_stream_limit = LONGEST_OUTPUT


def check_source(text: str) -> None:
    """What parsing it may cost. Raises ValueError."""
    if len(text) > LONGEST_TEXT:
        raise ValueError(f"must have at most {LONGEST_TEXT} characters")
    tags = markup = at = 0
    while (begins := min((i for i in (text.find("{{", at), text.find("{%", at)) if i >= 0), default=-1)) >= 0:
        ends = text.find("}}" if text[begins + 1] == "{" else "%}", begins)
        if ends < 0:  # the lexer would look for it from each of them
            raise ValueError("has a tag that does not end")
        at = ends + 2
        tags, markup = tags + 1, markup + at - begins
        if tags > MOST_TAGS or markup > LONGEST_MARKUP:
            raise ValueError(f"must have at most {MOST_TAGS} tags, and {LONGEST_MARKUP} characters in them")
    if text.count("(") > _MOST_PARENTHESES:
        raise ValueError(f"must have at most {_MOST_PARENTHESES} opening parentheses")
    if len(_TO_THE_END.findall(text)) > _MOST_TO_THE_END:
        raise ValueError(f"must have at most {_MOST_TO_THE_END} of raw, comment and doc")


def bounded(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    """A filter whose values are bounded."""
    estimate = _GROWS.get(name)
    numbers = name in _OF_NUMBERS

    @wraps(call)
    def limited(value: Any, *args: Any, **named: Any) -> Any:
        check_time()
        if name != "default":
            gone = [each for each in (value, *args, *named.values()) if is_undefined(each)]
            if gone:
                return "".join(map(str, gone))  # which notes that they are missing
        given = [_checked(each, numbers=numbers) for each in (value, *args)]
        if estimate is not None and estimate(*given) > LONGEST_STRING:
            raise OverLimit(f"{name} makes more than {LONGEST_STRING} characters", token=None)
        return _checked(call(*given, **named))

    return limited


def _checked(value: Any, *, numbers: bool = False) -> Any:
    match value:
        case bool() | None:
            return value
        case str():
            if numbers and not _NUMBER.fullmatch(value):
                raise LiquidValueError("takes a number", token=None)
            if len(value) > LONGEST_STRING:
                raise OverLimit(f"has a text of more than {LONGEST_STRING} characters", token=None)
        case int() | float() | Decimal():
            if not -_LARGEST_NUMBER < value < _LARGEST_NUMBER:
                raise OverLimit("has a number beyond 15 digits", token=None)
        case range() | list() | tuple():
            if len(value) > LONGEST_LIST:
                raise OverLimit(f"has a list of more than {LONGEST_LIST}", token=None)
            return list(value) if isinstance(value, range) else value
        case _ if isinstance(value, Iterable) and hasattr(value, "__next__"):
            return _checked([item for item, _ in zip(value, range(LONGEST_LIST + 1), strict=False)])
    return value


def _length(value: Any) -> int:
    return len(value) if isinstance(value, str) else sum(map(_length, value)) if isinstance(value, list) else 20


def _of_replace(text: Any, old: Any = "", new: Any = "", *_: Any) -> int:
    count = text.count(old) if isinstance(text, str) and isinstance(old, str) else 0
    return _length(text) + count * _length(new)


def _of_join(items: Any, separator: Any = " ", *_: Any) -> int:
    return _length(items) + (len(items) if isinstance(items, list | str) else 1) * _length(separator)


_GROWS: dict[str, Callable[..., int]] = {"replace": _of_replace, "join": _of_join}
"""The filters whose results grow faster than by what they are given, and how long they get."""
_OF_NUMBERS = frozenset(
    {"abs", "at_least", "at_most", "ceil", "divided_by", "floor", "minus", "modulo", "plus", "round", "times"}
)
