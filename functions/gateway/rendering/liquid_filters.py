"""Dates, numbers, money and plurals as people write them: in the person's locale and time zone, by Babel.

`{{ at | date: "long" }}`, `{{ at | time }}`, `{{ at | datetime: "short" }}` take a time of RFC 3339, a day
("2026-12-24") or seconds since 1970; styles are short, medium, long and full. `{{ n | number }}`, `{{ n | number: 2 }}`
(decimals), `{{ 0.19 | percent }}`, `{{ price | money: "EUR" }}`, `{{ n | plural: one: "parcel", other: "parcels" }}`.
"""

from collections.abc import Hashable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel import Locale, UnknownLocaleError, dates, numbers
from liquid.exceptions import LiquidValueError
from liquid.filter import sequence_filter
from liquid.undefined import is_undefined

STYLES = ("short", "medium", "long", "full")
_MOST_DECIMALS = 6


@dataclass(frozen=True, slots=True)
class Person:
    """For whom it is written."""

    locale: Locale
    zone: tzinfo


_LOADED: set[str] = set()
person: ContextVar[Person] = ContextVar("person")


def person_of(locales: Sequence[str], time_zone: str | None) -> Person:
    """locales: from the best one on; Babel may not know them all. time_zone: a name that was checked when it came in"""
    found = _loaded(next((locale for locale in map(_known, locales) if locale is not None), Locale("en")))
    return Person(found, UTC if time_zone is None else _zone(time_zone))


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # this system's database has it no longer
        return UTC


def _known(tag: str) -> Locale | None:
    try:
        return babel_locale(tag)
    except ValueError:
        return None


def _loaded(locale: Locale) -> Locale:
    """With its data, and with what is common to all: a twentieth of a second, once a process, that no text is to be
    charged with.
    """
    if str(locale) not in _LOADED:
        at = datetime(2026, 1, 1, tzinfo=UTC)
        dates.format_datetime(at, "full", locale=locale)
        numbers.format_currency(1, "EUR", locale=locale)
        numbers.format_percent(1, locale=locale)
        locale.plural_form(1)
        _LOADED.add(str(locale))
    return locale


@lru_cache(maxsize=1000)  # parsing one takes longer than a short text
def babel_locale(tag: str) -> Locale:
    """Of a BCP 47 tag. Raises ValueError."""
    try:
        return Locale.parse(tag.replace("_", "-"), sep="-")
    except (UnknownLocaleError, ValueError, TypeError):
        raise ValueError("must be a locale, as en or de-AT") from None


def _date(value: Any, style: str = "medium") -> str:
    at, them = _moment(value), person.get()
    day = at.astimezone(them.zone) if isinstance(at, datetime) else at
    return dates.format_date(day, _style(style), locale=them.locale)


def _time(value: Any, style: str = "short") -> str:
    them = person.get()
    return dates.format_time(_instant(value), _style(style), tzinfo=them.zone, locale=them.locale)


def _datetime(value: Any, style: str = "medium") -> str:
    them = person.get()
    return dates.format_datetime(_instant(value), _style(style), tzinfo=them.zone, locale=them.locale)


def _number(value: Any, decimals: Any = None) -> str:
    amount, locale = _decimal(value), person.get().locale
    if decimals is None:
        return numbers.format_decimal(amount, locale=locale)
    places = int(_decimal(decimals))
    if not 0 <= places <= _MOST_DECIMALS:
        raise LiquidValueError(f"takes 0 to {_MOST_DECIMALS} decimals", token=None)
    pattern = "#,##0" + ("." + "0" * places if places else "")
    return numbers.format_decimal(amount, format=pattern, locale=locale)


def _percent(value: Any) -> str:
    return numbers.format_percent(_decimal(value), locale=person.get().locale)


def _money(value: Any, currency: Any = None) -> str:
    if not isinstance(currency, str) or not numbers.is_currency(currency.upper()):
        raise LiquidValueError("money takes a currency of ISO 4217, as money: 'EUR'", token=None)
    return numbers.format_currency(_decimal(value), currency.upper(), locale=person.get().locale)


def _plural(value: Any, **forms: Any) -> str:
    """By the locale's own rules: zero, one, two, few, many, other."""
    form = person.get().locale.plural_form(abs(_decimal(value)))
    text = forms.get(form, forms.get("other"))
    if text is None or is_undefined(text):
        raise LiquidValueError("plural takes a text for other, as plural: one: 'parcel', other: 'parcels'", token=None)
    return str(text)


@sequence_filter
def _uniq(sequence: Any, key: Any = None) -> list[Any]:
    """Liquid's own compares each with each."""
    seen: dict[Hashable, Any] = {}
    for item in sequence:
        if key is not None and not isinstance(item, Mapping):
            raise LiquidValueError("uniq takes a list of objects where it is given a key", token=None)
        seen.setdefault(_hashable(item if key is None else item.get(key)), item)
    return list(seen.values())


def _hashable(value: Any) -> Hashable:
    """Equal for values that are."""
    match value:
        case Mapping():
            return ("object", frozenset((name, _hashable(item)) for name, item in value.items()))
        case list() | tuple():
            return ("list", *map(_hashable, value))
    return value if isinstance(value, Hashable) else str(value)


FILTERS = {
    "date": _date,
    "time": _time,
    "datetime": _datetime,
    "number": _number,
    "percent": _percent,
    "money": _money,
    "plural": _plural,
    "uniq": _uniq,
}


def _moment(value: Any) -> datetime | date:
    if isinstance(value, datetime | date):
        return value
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
        text = str(value)
        if len(text) == len("2026-12-24"):
            return date.fromisoformat(text)
        at = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        raise LiquidValueError("takes a time, as 2026-12-24T18:00:00Z", token=None) from None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def _instant(value: Any) -> datetime:
    """Of a day its beginning where the person is."""
    at = _moment(value)
    return at if isinstance(at, datetime) else datetime(at.year, at.month, at.day, tzinfo=person.get().zone)


def _style(style: Any) -> Any:
    if style not in STYLES:
        raise LiquidValueError(f"takes a style of {', '.join(STYLES)}", token=None)
    return style


def _decimal(value: Any) -> Decimal:
    try:
        amount = Decimal(str(value).strip())
    except InvalidOperation:
        raise LiquidValueError("takes a number", token=None) from None
    if not amount.is_finite() or abs(amount.adjusted()) > 15:
        raise LiquidValueError("takes a number of at most 15 digits", token=None)
    return amount
