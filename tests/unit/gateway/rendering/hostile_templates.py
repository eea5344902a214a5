"""Two hundred templates that would cost much, each with the data that it wants."""

from collections.abc import Iterator
from typing import Any

_LONG = "ab" * 50_000
_MANY = [{"n": i, "name": f"item {i}"} for i in range(1000)]
DATA: dict[str, Any] = {"s": _LONG, "l": _MANY, "n": 10**14, "m": {"a": {"b": {"c": 1}}}, "markup": "<&\"'>" * 20_000}


def templates() -> Iterator[str]:
    yield from _loops()
    yield from _growing()
    yield from _numbers()
    yield from _parsing()
    yield from _attributes()
    yield from _filters()
    yield from _dates()


def _loops() -> Iterator[str]:
    for size in (999, 9_999, 10_001, 10**6, 10**9, 10**15, 10**30):
        for body in ("", "x", "{{ i }}", "{% if i == 1 %}{% endif %}", "{% assign a = i %}"):
            yield f"{{% for i in (1..{size}) %}}{body}{{% endfor %}}"
    for depth in (2, 3, 5, 19):
        for size in (10, 100, 1000):
            head = "".join(f"{{% for i{d} in (1..{size}) %}}" for d in range(depth))
            yield head + "{{ l.size }}" + "{% endfor %}" * depth
    for loop in ("tablerow i in (1..9999)", "for i in l reversed", "for i in l limit: 999 offset: 1", "for i in s"):
        end = "endtablerow" if loop.startswith("tablerow") else "endfor"
        yield f"{{% {loop} %}}{{{{ i }}}}{{{{ i.name | upcase | append: s }}}}{{% {end} %}}"
    yield "{% for i in l %}{% for j in l %}{% if i.name == j.name %}x{% endif %}{% endfor %}{% endfor %}"
    yield "{% for i in (1..9999) %}{% cycle 'a', 'b' %}{% ifchanged %}{% increment c %}{% endifchanged %}{% endfor %}"


def _growing() -> Iterator[str]:
    for filters in (
        "replace: 'a', s",
        "replace: '', s",
        "replace_first: 'a', s",
        "append: s",
        "prepend: s",
        "split: '' | join: s",
        "split: 'a' | reverse | join: s",
        "newline_to_br",
        "escape",
        "url_encode",
    ):
        for times in (1, 3, 10):
            yield "{{ s | " + " | ".join([filters] * times) + " }}"
    for body in ("append: x", "prepend: x", "replace: 'a', x"):
        yield "{% assign x = 'aaaaaaaaaa' %}" + f"{{% assign x = x | {body} %}}" * 60 + "{{ x }}"
    yield "{% capture x %}{{ s }}{{ s }}{% endcapture %}" * 20 + "{{ x }}"
    yield "{% for i in (1..9999) %}{{ s }}{% endfor %}"
    yield "{{ s }}" * 900
    yield "{% assign a = l %}" + "{% assign a = a | concat: a %}" * 30 + "{{ a | size }}"


def _numbers() -> Iterator[str]:
    for op in ("times", "plus", "minus", "divided_by", "modulo", "at_most", "at_least"):
        for operand in ("n", "1e308", "'1e999999999'", "'9' | append: s", "99999999999999999999999999999"):
            yield "{{ n | " + " | ".join([f"{op}: {operand}"] * 3) + " }}"
    for number in ("'1e99999999'", "1e308", "'" + "9" * 5000 + "'", "s", "n"):
        yield f"{{{{ {number} | ceil }}}}{{{{ {number} | round: 999999999 }}}}{{{{ {number} | abs | floor }}}}"
        yield f"{{{{ {number} | number: 6 }}}}"
        yield f"{{{{ {number} | money: 'EUR' }}}}"


def _parsing() -> Iterator[str]:
    yield "{{" * 9_000
    yield "{{" * 9_000 + "}}"
    yield "{%" * 9_000 + "%}"
    yield "{{ " + "(" * 9_000 + " }}"
    yield "{{ a" + "[0]" * 6_000 + " }}"
    yield "{{ a" + ".b" * 9_000 + " }}"
    yield "{{ s | " + " | ".join(["upcase"] * 2_000) + " }}"
    yield "{% if " + " and ".join(["a"] * 3_000) + " %}x{% endif %}"
    yield "{% if " + " or ".join(["s contains 'c'"] * 1_000) + " %}x{% endif %}"
    for tag in ("raw", "comment", "doc", "if a", "for i in l", "case a", "capture x", "unless a", "tablerow i in l"):
        yield f"{{% {tag} %}}" * 900
        yield f"{{% {tag} %}}" * 21 + "".join(f"{{% end{tag.split()[0]} %}}" for _ in range(21))
    yield "{% liquid " + "\n echo s" * 2_000 + " %}"
    yield "{% case s %}" + "{% when 'x' %}y" * 900 + "{% endcase %}"
    yield "{{ '" + "x" * 19_000 + "' }}"
    yield "{%" + " " * 19_000 + "%}"
    yield "x" * 100_001
    yield "{{- -}}" * 900
    yield "{% # " + "a" * 19_000 + " %}"


def _attributes() -> Iterator[str]:
    for path in (
        "s.__class__.__mro__",
        "s.format",
        "l.__len__",
        "m.__init__.__globals__",
        "m['__class__']",
        "recipient.__dict__",
        "data.data.data",
        "forloop.parentloop.parentloop",
        "m.a.b.c.d.e",
        "l[99999999999999999999]",
        "l.first.last.size",
    ):
        yield f"{{{{ {path} }}}}"
    for tag in ("include 's'", "render 's'", "extends 's'", "import 's'", "layout 's'"):
        yield f"{{% {tag} %}}"
    for name in ("safe", "strip_html", "base64_decode", "url_decode", "date_to_string", "eval", "json", "escapejs"):
        yield f"{{{{ markup | {name} }}}}"


def _filters() -> Iterator[str]:
    for chain in (
        "sort: 'name' | map: 'name' | join: ', '",
        "where: 'name', 'x' | size",
        "uniq | size",
        "map: 'name' | uniq | sort | reverse | join",
        "sum: 'n'",
        "concat: l | concat: l",
        "sort | first",
        "compact: 'name' | last",
        "slice: 0, 999999999",
    ):
        yield f"{{{{ l | {chain} }}}}"
        yield "{% for i in (1..50) %}{{ l | " + chain + " }}{% endfor %}"
    for chain in (
        "truncatewords: 9999",
        "split: ' ' | size",
        "squish",
        "strip_newlines",
        "capitalize | downcase",
        "size",
    ):
        yield f"{{{{ s | {chain} }}}}"
        yield "{% for i in (1..900) %}{{ s | " + chain + " }}{% endfor %}"
    yield "{% for i in l %}{{ i.name | replace: 'i', s | split: 'a' | join: s }}{% endfor %}"


def _dates() -> Iterator[str]:
    for value in ("s", "'9999-12-31T23:59:59-23:59'", "'0001-01-01'", "n", "1e300", "l", "m", "'%999999999d'"):
        yield f"{{{{ {value} | date: 'full' }}}}{{{{ {value} | datetime: s }}}}"
    yield "{% for i in (1..9999) %}{{ i | datetime: 'full' }}{% endfor %}"
    yield "{{ 1 | plural: one: s, other: s }}"
