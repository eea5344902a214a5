"""Checks that any text from outside passes before it is stored or sent."""

import json
import re
from typing import Any

# Of C1, too, where \x9b begins a terminal's commands; \x85 is a line end.
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]")
_SURROGATES = re.compile(r"[\ud800-\udfff]")
# Blanks but line ends; marks that nobody sees and that come with what is copied: of direction, of no width, a BOM.
_AROUND = (
    "\t \xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
    "\u061c\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff"
)
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


def bare(text: str) -> str:
    """Text without the blanks and the invisible marks around it. Line ends are none of these: they stay, as errors."""
    return text.strip(_AROUND)


def json_bytes(value: Any) -> int:
    """How many bytes it has as JSON. Raises ValueError of what JSON cannot hold."""
    try:
        return len(json.dumps(value, ensure_ascii=False, allow_nan=False).encode())
    except ValueError:
        raise ValueError("must be what JSON can hold: finite numbers, and no lone surrogates") from None
