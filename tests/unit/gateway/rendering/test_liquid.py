"""Texts in Liquid: what people write, filters in their locale, and what is missing."""

from typing import Any

import pytest

from functions.gateway.rendering.liquid_filters import babel_locale, person, person_of
from functions.gateway.rendering.liquid_rendering import Text, noting_what_is_missing
from functions.gateway.rendering.template_limits import begin
from functions.gateway.rendering.template_model import fallbacks


def rendered(source: str, locale: str = "en", zone: str | None = None, *, escaped: bool = False, **data: Any) -> str:
    person.set(person_of([locale], zone))
    assert noting_what_is_missing() == []
    begin()
    return Text(source, escaped=escaped).render(data)


def missing(source: str, **data: object) -> list[str]:
    person.set(person_of(["en"], None))
    found = noting_what_is_missing()
    begin()
    Text(source, escaped=False).render(data)
    return found


@pytest.mark.parametrize(
    ("source", "locale", "text"),
    [
        ("{{ at | date }}", "en", "Dec 24, 2026"),
        ("{{ at | date: 'long' }}", "de", "24. Dezember 2026"),
        ("{{ at | datetime: 'short' }}", "de-AT", "24.12.26, 23:30"),
        ("{{ day | date: 'short' }}", "de", "01.03.26"),
        ("{{ n | number }}", "de", "1.234,5"),
        ("{{ n | number: 2 }}", "en", "1,234.50"),
        ("{{ 0.19 | percent }}", "en", "19%"),
        ("{{ n | money: 'JPY' }}", "en", "¥1,234"),
        ("{{ 1 | plural: one: 'parcel', other: 'parcels' }}", "en", "parcel"),
        ("{{ 5 | plural: one: 'a', few: 'b', many: 'c', other: 'd' }}", "pl", "c"),
        ("{{ 2 | plural: one: 'a', few: 'b', many: 'c', other: 'd' }}", "pl", "b"),
    ],
)
def test_a_filter_writes_as_people_do_there(source: str, locale: str, text: str) -> None:
    data: dict[str, Any] = {"at": "2026-12-24T23:30:00Z", "day": "2026-03-01", "n": 1234.5}
    assert rendered(source, locale, None, escaped=False, **data) == text


def test_a_day_is_the_same_day_wherever_the_person_is() -> None:
    for zone in ("America/New_York", "Asia/Tokyo"):
        assert rendered("{{ at | datetime: 'short' }}", "en-GB", zone, at="2028-02-29") == "29/02/2028, 00:00"


def test_a_time_is_that_of_the_persons_zone() -> None:
    source = "{{ at | datetime: 'short' }}"
    assert rendered(source, "de", "Europe/Vienna", at="2026-12-24T23:30:00Z") == "25.12.26, 00:30"
    assert rendered(source, "de", "Europe/Vienna", at=1_774_745_999) == "29.03.26, 01:59"
    assert rendered(source, "de", "Europe/Vienna", at=1_774_746_000) == "29.03.26, 03:00"


def test_data_is_escaped_and_the_authors_markup_is_not() -> None:
    assert rendered("<b>{{ a }}</b>", escaped=True, a="<&>") == "<b>&lt;&amp;&gt;</b>"
    assert rendered("<b>{{ a | append: '<i>' }}</b>", escaped=True, a="<") == "<b>&lt;<i></b>"
    assert rendered("{{ a }}", a="<&>") == "<&>"


def test_each_variable_that_is_not_there_is_named() -> None:
    assert missing("{{ a }}{{ b.c }}{{ d | upcase }}{% if e %}{% endif %}{% for x in f %}{% endfor %}", b={}) == [
        "a",
        "b.c",
        "d",
        "e",
        "f",
    ]
    assert missing("{{ a | default: 'x' }}{% if true %}{% else %}{{ b }}{% endif %}") == []


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("{{ a", "does not end"),
        ("{% if a %}", "end"),
        ("{% nothing %}", "nothing"),
        ("{{ a | nothing }}", "there is no filter nothing"),
        ("{% render 'a' %}", "render"),
        ("x" * 100_001, "at most 100000 characters"),
        ("{{ a }}" * 801, "at most 800 tags"),
        ("{% raw %}" * 11, "at most 10"),
        ("{% if a %}" * 21 + "{% endif %}" * 21, "nesting"),
    ],
)
def test_what_is_no_template_says_why(source: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Text(source, escaped=False)


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("{{ 'x' | money: 'EUR' }}", "number"),
        ("{{ 1 | money: 'XXXX' }}", "currency"),
        ("{{ 1 | money }}", "currency"),
        ("{{ 'x' | date }}", "time"),
        ("{{ 1 | date: 'huge' }}", "style"),
        ("{{ 1 | number: 7 }}", "decimals"),
        ("{{ 2 | plural: one: 'x' }}", "other"),
        ("{{ (1..1001) | join }}", "list of more than 1000"),
        ("{% for i in (1..10001) %}{% endfor %}", "range of more than 10000"),
        ("{% for i in (1..101) %}{% for j in (1..100) %}{% endfor %}{% endfor %}", "loop iteration limit"),
    ],
)
def test_what_cannot_be_rendered_says_why(source: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        rendered(source, a=1)


@pytest.mark.parametrize(
    ("wanted", "there", "chosen"),
    [
        ("de-AT", ["en", "de", "de-AT"], "de-AT"),
        ("de-AT", ["en", "de"], "de"),
        ("de_at", ["en", "de-AT"], "de-AT"),
        ("zh-Hant-TW", ["en", "zh-Hant", "zh"], "zh-Hant"),
        ("fr", ["en", "de"], "en"),
        ("den", ["en", "de"], "en"),
    ],
)
def test_a_locale_falls_back(wanted: str, there: list[str], chosen: str) -> None:
    assert fallbacks(wanted, "en", there) == chosen


@pytest.mark.parametrize("tag", ["xx", "e", "", "de-", "../de", "de\n"])
def test_what_is_no_locale(tag: str) -> None:
    with pytest.raises(ValueError, match="must be a locale"):
        babel_locale(tag)
