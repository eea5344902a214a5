"""Two hundred templates that would cost much, each with the data that it wants."""

from collections.abc import Iterator
from typing import Any

_LONG = "ab" * 50_000
_MANY = [{"n": i, "name": f"item {i}"} for i in range(1000)]
_ALIKE = [[str(i) for i in range(1200)] for _ in range(2)]  # equal, and not the same
DATA: dict[str, Any] = {
    **{"s": _LONG, "l": _MANY, "n": 10**14, "m": {"a": {"b": {"c": 1}}}, "markup": "<&\"'>" * 20_000},
    **{"alike": _ALIKE, "one": [{"k": _ALIKE[0]}], "other": _ALIKE[1]},
}
DIGITS: dict[str, Any] = {
    "ones": "1." + "0" * 90_000,
    "nines": "0." + "9" * 90_000,
    "blanks": " " * 90_000 + "x",
    "instant": "2026-12-24T18:00:00." + "9" * 90_000,
}


def templates() -> Iterator[str]:
    yield from _loops()
    yield from _growing()
    yield from _numbers()
    yield from _parsing()
    yield from _attributes()
    yield from _filters()
    yield from _dates()
    yield from _ranges()
    yield from _comparisons()


def digits() -> Iterator[str]:
    """With DIGITS."""
    for value in DIGITS:
        for filters in (
            "number",
            "number: 6",
            "percent",
            "money: 'EUR'",
            "plural: other: 'x'",
            "date",
            "datetime",
            "time",
        ):
            yield f"{{{{ {value} | {filters} }}}}"
        yield f"{{{{ {value} | times: 2 | round: 5 | ceil }}}}"


def _ranges() -> Iterator[str]:
    """What walks through one that no loop is made of."""
    far = f"(1..{10**12})"
    for test in (
        f"{far} contains 'a'",
        f"{far} contains 2.5",
        f"{far} == l",
        "(1..m) contains 'a'",
        "('1'..n) contains s",
    ):
        yield f"{{% if {test} %}}x{{% endif %}}"
        yield f"{{% unless false or {test} %}}x{{% endunless %}}"
        yield f"{{% if false %}}{{% elsif {test} %}}x{{% endif %}}"
    for tail in ("reversed", "limit: 2", f"offset: {10**11} limit: 2", "reversed limit: 2"):
        yield f"{{% for i in {far} {tail} %}}x{{% endfor %}}"
        yield f"{{% tablerow i in {far} {tail} cols: 2 %}}x{{% endtablerow %}}"
    for filters in ("join", "size", "concat: l", "last", "append: 'a'", "default: 'a'"):
        yield f"{{{{ {far} | {filters} }}}}"
    yield f"{{{{ l | concat: {far} }}}}"
    yield f"{{{{ 1 | plural: other: {far} }}}}"
    yield f"{{% case 'a' %}}{{% when {far} %}}x{{% endcase %}}"
    yield f"{{% case {far} %}}{{% when 'a' %}}x{{% endcase %}}"
    yield f"{{% cycle {far}, 'a' %}}"
    yield f"{{% echo {far} %}}"
    yield f"{{% assign x = {far} %}}{{% if x contains 'a' %}}x{{% endif %}}{{{{ x }}}}"
    yield f"{{% liquid\nassign x = {far}\nif x contains 'a'\necho 1\nendif %}}"
    yield "{% if " + " or ".join(["(1..9999) contains 'a'"] * 300) + " %}x{% endif %}"


def _comparisons() -> Iterator[str]:
    """Hundreds in one tag."""
    for test in (
        "l contains 'a'",
        "alike[0] == other",
        "s contains 'aa'",
        "alike == alike",
        "l != alike",
        "l == blank",
    ):
        yield "{% if " + " or ".join([f"false and {test}", test] * 90) + " %}x{% endif %}"
    grown = "{% assign a = one %}" + "{% assign a = a | concat: a %}" * 9
    for filters in (
        "sort: 'k'",
        "where: 'k', other",
        "uniq",
        "uniq: 'k'",
        "map: 'k'",
        "map: 'k' | sort",
        "join",
        "sum",
    ):
        yield grown + "{{ a | " + filters + " | size }}"
    yield "{% case alike %}" + "{% when other, l, alike %}x" * 300 + "{% endcase %}"
    yield "{% liquid " + "\n echo l" * 700 + " %}"
    yield "{% for i in (1..9999) %}{% cycle l, alike %}{% endfor %}"


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
