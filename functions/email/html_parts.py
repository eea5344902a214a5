"""What is made of a mail's HTML: its style sheets written into the elements, and its text.

Many mail programs leave style sheets out. Both libraries are loaded for who sends HTML alone, read nothing but what
they are given, and get no more than they can work off in a moment: they stop everything else in the process.
"""

import re

from shared.channels.text_checks import printable

LONGEST = 100_000  # bytes of UTF-8, with the styles in the elements
MOST_ELEMENTS = 4_000  # css-inline goes down as deep as they are nested, and 8,000 deep the stack ends
_MOST_MATCHES = 40_000_000  # elements times bytes of style sheets: a quarter of a second at the worst
_MOST_PROPERTIES = 120  # their number times that of declarations is what merging costs; few mails have 60

_ELEMENT = re.compile("<[A-Za-z]")
_STYLE = re.compile(r"<style\b.*?(?:</style[\s/>]|\Z)", re.IGNORECASE | re.DOTALL)
_PROPERTY = re.compile(r"([\w-]+)\s*:")


def checked(html: str) -> str:
    """HTML that can be looked at. Raises ValueError."""
    if not html.strip():
        raise ValueError("must not be blank")
    if len(printable(html).encode()) > LONGEST:
        raise ValueError(f"must have at most {LONGEST} bytes of UTF-8")
    return html


def inlined(html: str) -> str:
    """The HTML with its style sheets in the elements' style attributes; what stays are @-rules, such as @media.

    Without a style sheet it is the HTML as it was. Raises ValueError.
    """
    sheets = _STYLE.findall(html)
    if not sheets:
        return html
    elements = _elements(html)
    if elements * sum(map(len, sheets)) > _MOST_MATCHES:
        raise ValueError("has more style sheets than can be inlined into so many elements")
    if len({name for sheet in sheets for name in _PROPERTY.findall(sheet)}) > _MOST_PROPERTIES:
        raise ValueError(f"has more than {_MOST_PROPERTIES} different properties in its style sheets")
    import css_inline  # noqa: PLC0415

    inliner = css_inline.CSSInliner(load_remote_stylesheets=False, keep_at_rules=True)
    try:
        made: str = inliner.inline(html)
    except (css_inline.InlineError, ValueError):
        raise ValueError("has a style sheet that cannot be inlined") from None
    if len(made.encode()) > LONGEST:
        raise ValueError(f"must have at most {LONGEST} bytes of UTF-8 with its style sheets inlined")
    return made


def text_of(html: str) -> str:
    """Its text, with links and images in brackets. Raises ValueError when it has none, or too much."""
    _elements(html)
    from inscriptis import get_text  # noqa: PLC0415
    from inscriptis.model.config import ParserConfig  # noqa: PLC0415

    made: str = get_text(html, ParserConfig(display_links=True, display_images=True)).strip("\n")
    if not made.strip():
        raise ValueError("has no text to make the plain part of: give a message, too")
    if len(made.encode("utf-8", "surrogatepass")) > LONGEST:
        raise ValueError(f"has a text of more than {LONGEST} bytes of UTF-8: give a message, too")
    try:
        return printable(made)
    except ValueError as wrong:
        raise ValueError(f"its text {wrong}: give a message, too") from None


def _elements(html: str) -> int:
    found = len(_ELEMENT.findall(html))
    if found > MOST_ELEMENTS:
        raise ValueError(f"must have at most {MOST_ELEMENTS} elements")
    return found
