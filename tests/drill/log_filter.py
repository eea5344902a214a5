"""Which log entries a filter of Cloud Logging takes, as far as the metrics in infra/metrics.tf need its language.

https://cloud.google.com/logging/docs/view/logging-query-language: NOT binds closest, then OR, then AND; terms that
follow each other are ANDed. A comparison with a field that is not there is false.
"""

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

Entry = Mapping[str, Any]
Matches = Callable[[Entry], bool]

_TOKEN = re.compile(
    r'\s*(?:(?P<field>jsonPayload\.(\w+)(?P<op><=|>=|:|=|<|>)(?P<value>\*|"[^"]*"|[\d.]+))|(?P<word>[()]|\w+))'
)
_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}


def matcher(text: str) -> Matches:
    """It is asked with an entry's jsonPayload. Raises ValueError for what this does not know of the language."""
    tokens, at = [], 0
    while text[at:].strip():
        token = _TOKEN.match(text, at)
        if token is None:
            raise ValueError(f"not understood: {text[at:]}")
        tokens.append(token)
        at = token.end()
    tokens.reverse()
    matches = _all(tokens)
    if tokens:
        raise ValueError(f"not understood: {tokens[-1][0]}")
    return matches


def _all(tokens: list[re.Match[str]]) -> Matches:
    terms = [_any(tokens)]
    while tokens and tokens[-1]["word"] != ")":
        if tokens[-1]["word"] == "AND":
            tokens.pop()
        terms.append(_any(tokens))
    return lambda entry: all(term(entry) for term in terms)


def _any(tokens: list[re.Match[str]]) -> Matches:
    terms = [_term(tokens)]
    while tokens and tokens[-1]["word"] == "OR":
        tokens.pop()
        terms.append(_term(tokens))
    return lambda entry: any(term(entry) for term in terms)


def _term(tokens: list[re.Match[str]]) -> Matches:
    if not tokens:
        raise ValueError("it ends where a comparison is due")
    token = tokens.pop()
    if token["word"] == "NOT":
        negated = _term(tokens)
        return lambda entry: not negated(entry)
    if token["word"] == "(":
        inner = _all(tokens)
        if not tokens or tokens.pop()["word"] != ")":
            raise ValueError("a parenthesis is not closed")
        return inner
    if token["field"] is None:
        raise ValueError(f"not understood: {token[0]}")
    return _comparison(token[2], token["op"], token["value"])


def _comparison(name: str, op: str, value: str) -> Matches:
    if (op, value) == (":", "*"):
        return lambda entry: entry.get(name) is not None
    if op == "=":
        return lambda entry: entry.get(name) is not None and str(entry[name]) == value.strip('"')
    if op not in _COMPARE:
        raise ValueError(f"not understood: {name}{op}{value}")
    compare, bound = _COMPARE[op], float(value)
    return lambda entry: entry.get(name) is not None and compare(float(entry[name]), bound)
