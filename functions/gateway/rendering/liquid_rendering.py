"""Rendering one text in Liquid, and what was asked for and was not there."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any

from liquid import Mode
from liquid.exceptions import LiquidError
from liquid.undefined import StrictDefaultUndefined

from functions.gateway.rendering.liquid_filters import FILTERS
from functions.gateway.rendering.template_limits import LimitedEnvironment, bounded, check_source, limit_ranges

_MOST_MISSING = 20
_missing: ContextVar[list[str]] = ContextVar("missing")

# Filters of Liquid's own. Not here: those that decode (base64, URLs), that say their input is safe, and `strip_html`,
# whose expressions take the square of a text's length.
_ALLOWED = (
    *("abs", "at_least", "at_most", "ceil", "divided_by", "floor", "minus", "modulo", "plus", "round", "times"),
    *("append", "capitalize", "downcase", "escape", "escape_once", "lstrip", "newline_to_br", "prepend", "remove"),
    *("remove_first", "replace", "replace_first", "rstrip", "slice", "split", "squish", "strip", "strip_newlines"),
    *("truncate", "truncatewords", "upcase", "url_encode"),
    *(
        "compact",
        "concat",
        "default",
        "first",
        "join",
        "last",
        "map",
        "reverse",
        "size",
        "sort",
        "sum",
        "where",
    ),
)
_FILTER_NAMES = frozenset({*_ALLOWED, *FILTERS})
_TAGS_LEFT_OUT = ("include", "render")
"""They would load another template."""


class _Missing(StrictDefaultUndefined):
    """A variable that is not there: noted wherever its value is asked for, and nothing else happens."""

    __slots__ = ()

    def __getattribute__(self, name: str) -> Any:
        return object.__getattribute__(self, name)

    def _noted(self) -> None:
        found = _missing.get()
        # The library's hint has the whole path: "order.total is undefined".
        hint = self.hint or ""
        name = (hint if hint.endswith(" is undefined") else str(self.name)).removesuffix(" is undefined").strip("'")
        if name not in found and len(found) < _MOST_MISSING:
            found.append(name)

    def __str__(self) -> str:
        self._noted()
        return ""

    def __contains__(self, _: object) -> bool:
        self._noted()
        return False

    def __eq__(self, _: object) -> bool:
        self._noted()
        return False

    def __getitem__(self, _: Any) -> Any:
        self._noted()
        return self

    def __len__(self) -> int:
        self._noted()
        return 0

    def __iter__(self) -> Iterator[Any]:
        self._noted()
        return iter(())

    def __bool__(self) -> bool:
        self._noted()
        return False

    def __int__(self) -> int:
        self._noted()
        return 0

    def __hash__(self) -> int:
        self._noted()
        return 0

    def __reversed__(self) -> Iterable[Any]:
        self._noted()
        return ()

    def __liquid__(self) -> object:
        self._noted()
        return None

    def poke(self) -> bool:
        self._noted()
        return True


def _environment(*, autoescape: bool) -> LimitedEnvironment:
    made = LimitedEnvironment(undefined=_Missing, autoescape=autoescape, tolerance=Mode.STRICT, strict_filters=True)
    for tag in _TAGS_LEFT_OUT:
        made.tags.pop(tag)
    own: Mapping[str, Callable[..., Any]] = {name: made.filters[name] for name in _ALLOWED} | FILTERS
    made.filters.clear()
    for name, call in own.items():
        made.add_filter(name, bounded(name, call))
    return made


_ENVIRONMENTS = {escaped: _environment(autoescape=escaped) for escaped in (False, True)}


class Text:
    """A text in Liquid, parsed. escaped: whether what comes from data is escaped for HTML"""

    def __init__(self, source: str, *, escaped: bool) -> None:
        """Raises ValueError with what is wrong with it."""
        check_source(source)
        try:
            self._template = _ENVIRONMENTS[escaped].from_string(source)
            limit_ranges(self._template)
            unknown = sorted(set(self._template.analyze(include_partials=False).filters) - set(_FILTER_NAMES))
        except (LiquidError, RecursionError, ValueError) as error:
            raise ValueError(_said(error)) from None
        if unknown:
            raise ValueError(f"there is no filter {unknown[0]}; there are {', '.join(sorted(_FILTER_NAMES))}")

    def render(self, variables: Mapping[str, Any]) -> str:
        """Raises ValueError when it costs too much, or a filter takes no such value."""
        try:
            return str(self._template.render(variables))
        except (LiquidError, ArithmeticError, RecursionError, TypeError, ValueError, LookupError) as error:
            raise ValueError(_said(error)) from None


def noting_what_is_missing() -> list[str]:
    """The list that names every variable which is asked for from now on, in this context, and is not there."""
    found: list[str] = []
    _missing.set(found)
    return found


def _said(error: Exception) -> str:
    """Without what a value holds: a message of the library's own may quote the template, which is its author's."""
    if isinstance(error, LiquidError):
        return str(error.args[0]) if error.args else type(error).__name__
    return f"cannot be rendered ({type(error).__name__})"
