"""Checks that any text from outside passes before it is stored or sent."""

import re

# Of C1, too, where \x9b begins a terminal's commands; \x85 is a line end.
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]")
_SURROGATES = re.compile(r"[\ud800-\udfff]")
_LINE_ENDS = re.compile("[\\n\\r\\x0b\\x0c\\x1c-\\x1e\\x85\\u2028\\u2029]")


def printable(text: str) -> str:
    """Text without control characters but tab and line ends. Raises ValueError."""
    if _CONTROLS.search(text):
        raise ValueError("must not contain control characters")
    if _SURROGATES.search(text):
        raise ValueError("must not contain lone surrogates")
    return text


def one_line(text: str) -> str:
    """Printable text without any of Unicode's line ends. Raises ValueError."""
    if _LINE_ENDS.search(text):
        raise ValueError("must not contain line breaks")
    return printable(text)
