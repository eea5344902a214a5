"""What a template may cost: it is written by somebody else, and its data by anybody.

python-liquid bounds loops, nesting, output and variables, but not what one filter makes of what it is given, nor a
range that is no loop's, nor time. So every filter's values are bounded before and after it, every range is, and each
node that is rendered and each variable that is looked up asks for the time. The data is bounded where it comes in
(`functions/gateway/web/template_data.py`), so nothing between two looks at the time is long.
"""

import gc
import re
import time
from collections.abc import Callable, Iterable, Mapping, ValuesView
from contextvars import ContextVar
from decimal import Decimal
from functools import wraps
from typing import Any

from liquid import Environment, Node, RenderContext, Token
from liquid.builtin.expressions.primitive import RangeLiteral
from liquid.exceptions import LiquidValueError, ResourceLimitError
from liquid.expression import Expression
from liquid.limits import to_int
from liquid.template import BoundTemplate
from liquid.undefined import UNDEFINED, is_undefined

CPU_SECONDS = 0.025
"""Of all parts of one rendering, together. What may be parsed takes as long again."""
LONGEST_TEXT = 100_000  # characters of a template's text
LONGEST_MARKUP = 10_000  # characters of it between {{ }} and {% %}
MOST_TAGS = 800
MOST_PARTS = 10_000  # of a version: texts, and what else there is in them and beside them
LONGEST_OUTPUT = 200_000  # bytes of a rendered part
LONGEST_STRING = 100_000  # characters, of what a filter is given and makes
LONGEST_LIST = 1000
LONGEST_RANGE = 10_000
MOST_IN_LIST = 10_000  # of a list's values and those in them, as often as they are in it; sorting compares them all
_TEXT_OF_ONE = 1000  # characters that count as one more of them
_LARGEST_NUMBER = 10**15
_NUMBER = re.compile(r"\s*-?\d{1,15}(\.\d{1,15})?\s*")
# The lexer looks for the end of each of these through all of the rest.
_TO_THE_END = re.compile(r"\{%-?\s*(?:raw|comment|doc)\b")
_MOST_TO_THE_END = 10
_MOST_PARENTHESES = 300  # the parser takes the square of those that are open

_time: ContextVar["_Time"] = ContextVar("time")


class OverLimit(ResourceLimitError):
    """A template that costs more than one may."""


class _Time:
    """Of one rendering. When all garbage was collected meanwhile, it has its time once more: of a large process that
    takes longer than a rendering may, and is nobody's template's.
    """

    def __init__(self) -> None:
        self.ends_at = time.thread_time() + CPU_SECONDS
        self.collections: int | None = _collections()

    def is_over(self) -> bool:
        if time.thread_time() <= self.ends_at:
            return False
        if self.collections in {None, _collections()}:
            return True
        self.collections, self.ends_at = None, time.thread_time() + CPU_SECONDS
        return False


def _collections() -> int:
    """How many there have been of all garbage. (A callback of `gc` would be called anywhere, also at a stack's end,
    where no function of Python's can be.)
    """
    oldest: int = gc.get_stats()[-1]["collections"]
    return oldest


def begin() -> None:
    """From now on the time runs, of this context's rendering."""
    _time.set(_Time())


def check_time() -> None:
    if _time.get().is_over():
        raise OverLimit(f"takes more than {CPU_SECONDS * 1000:g} ms", token=None)


class TimedContext(RenderContext):
    """Each node asks for the tags that are disabled before it is rendered: there the time is looked at."""

    def get(self, path: list[object], *, token: Token | None, default: object = UNDEFINED) -> object:
        """One tag may compare hundreds of variables."""
        check_time()
        return super().get(path, token=token, default=default)

    @property
    def disabled_tags(self) -> list[str]:
        check_time()
        return []

    @disabled_tags.setter
    def disabled_tags(self, _: list[str]) -> None: ...


class TimedTemplate(BoundTemplate):
    context_class = TimedContext


class RangeEnd(Expression):
    """The last of a range that is not too long: some things walk through one that no loop is made of, as `contains`."""

    __slots__ = ("start", "stop")

    def __init__(self, range_: RangeLiteral) -> None:
        super().__init__(range_.token)
        self.start, self.stop = range_.start, range_.stop

    def evaluate(self, context: RenderContext) -> object:
        check_time()
        last = self.stop.evaluate(context)
        if _whole(last) - _whole(self.start.evaluate(context)) >= LONGEST_RANGE:
            raise OverLimit(f"has a range of more than {LONGEST_RANGE}", token=None)
        return last

    def children(self) -> list[Expression]:
        return [self.stop]


def _whole(value: object) -> int:
    """As a range takes its ends."""
    try:
        return to_int(value)
    except (ValueError, TypeError):
        return 0


def limit_ranges(template: BoundTemplate) -> None:
    """Of a template that was just parsed, wherever they stand in it."""
    context = RenderContext(template)
    nodes: list[Node] = list(template.nodes)
    while nodes:
        node = nodes.pop()
        nodes.extend(node.children(context, include_partials=False))
        expressions = list(node.expressions())
        while expressions:
            expression = expressions.pop()
            expressions.extend(expression.children())
            if isinstance(expression, RangeLiteral):
                expression.stop = RangeEnd(expression)


class LimitedEnvironment(Environment):
    template_class = TimedTemplate
    block_nesting_limit = 20
    context_depth_limit = 20
    loop_iteration_limit = 10_000
    local_namespace_limit = 1_000_000
    output_stream_limit = LONGEST_OUTPUT


def check_source(text: str) -> tuple[int, int]:
    """Its tags, and the characters in them: what parsing it takes. Raises ValueError when it is too much."""
    if len(text) > LONGEST_TEXT:
        raise ValueError(f"must have at most {LONGEST_TEXT} characters")
    tags = markup = at = 0
    while (begins := min((i for i in (text.find("{{", at), text.find("{%", at)) if i >= 0), default=-1)) >= 0:
        ends = text.find("}}" if text[begins + 1] == "{" else "%}", begins)
        if ends < 0:  # the lexer would look for it from each of them
            raise ValueError("has a tag that does not end")
        at = ends + 2
        # Each line of {% liquid %} is one more.
        tags, markup = tags + 1 + text.count("\n", begins, at), markup + at - begins
        if tags > MOST_TAGS or markup > LONGEST_MARKUP:
            raise ValueError(f"must have at most {MOST_TAGS} tags, and {LONGEST_MARKUP} characters in them")
    if text.count("(") > _MOST_PARENTHESES:
        raise ValueError(f"must have at most {_MOST_PARENTHESES} opening parentheses")
    if len(_TO_THE_END.findall(text)) > _MOST_TO_THE_END:
        raise ValueError(f"must have at most {_MOST_TO_THE_END} of raw, comment and doc")
    return tags, markup


def has_tags(text: str) -> bool:
    return "{{" in text or "{%" in text


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
            if isinstance(value, range):
                return list(value)
            _check_all_of_it(value)
        case _ if isinstance(value, Iterable) and hasattr(value, "__next__"):
            return _checked([item for item, _ in zip(value, range(LONGEST_LIST + 1), strict=False)])
    return value


def _check_all_of_it(values: Iterable[Any]) -> None:
    """Counted level by level, and no further than the limit."""
    count, level = 0, list(values)
    while level:
        count += len(level) + sum(len(each) // _TEXT_OF_ONE for each in level if isinstance(each, str))
        if count > MOST_IN_LIST:
            raise OverLimit(f"has a list with more than {MOST_IN_LIST} values in it, or too much text", token=None)
        inner = [each.values() if isinstance(each, Mapping) else each for each in level]
        level = [value for each in inner if isinstance(each, list | tuple | ValuesView) for value in each]


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
