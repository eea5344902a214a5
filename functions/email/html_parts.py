"""What is made of a mail's HTML: its style sheets written into the elements, and its text.

Many mail programs leave style sheets out. Both libraries are loaded for who sends HTML alone, and read nothing but what
they are given. Inlining has no bound of its own: each rule may look at each element's ancestors, and it goes down as
deep as the elements are nested, 8,000 deep to the stack's end. So what is large goes into a process that can be ended.
"""

import contextlib
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

from shared.channels.text_checks import printable

LONGEST = 100_000  # bytes of UTF-8, with the styles in the elements
MOST_ELEMENTS = 4_000

# Elements squared times bytes of style sheets, and the other way round: within both, all selectors and all properties
# take a quarter of a second at the worst (2026-11). A process of its own takes 50 ms and more.
_QUICK_TO_MATCH = 150_000_000
_QUICK_TO_MERGE = 15_000_000_000
_SECONDS = 2.0  # in a process of its own
_APART = f"""
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (2**29, 2**29))
sys.path.insert(0, sys.argv[1])
import css_inline
made = css_inline.CSSInliner(load_remote_stylesheets=False, keep_at_rules=True).inline(sys.stdin.buffer.read().decode())
sys.stdout.buffer.write(made.encode()[:{LONGEST + 4}])
"""

_ELEMENT = re.compile("<[A-Za-z]")
_STYLE = re.compile(r"<style\b.*?(?:</style[\s/>]|\Z)", re.IGNORECASE | re.DOTALL)


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
    elements, size = _elements(html), sum(map(len, sheets))
    quick = elements**2 * size <= _QUICK_TO_MATCH and elements * size**2 <= _QUICK_TO_MERGE
    made = _here(html) if quick else _apart(html)
    if len(made.encode()) > LONGEST:
        raise ValueError(f"must have at most {LONGEST} bytes of UTF-8 with its style sheets inlined")
    return made


def _here(html: str) -> str:
    import css_inline  # noqa: PLC0415

    try:
        made: str = css_inline.CSSInliner(load_remote_stylesheets=False, keep_at_rules=True).inline(html)
    except (css_inline.InlineError, ValueError):
        raise ValueError("has a style sheet that cannot be inlined") from None
    return made


def _apart(html: str) -> str:
    found = importlib.util.find_spec("css_inline")
    folder = Path(found.origin if found and found.origin else "").parents[1]
    try:
        done = subprocess.run(  # noqa: S603 - what it runs stands above
            [sys.executable, "-c", _APART, str(folder)],
            input=html.encode(),
            capture_output=True,
            timeout=_SECONDS,
            check=True,
        )
    except subprocess.TimeoutExpired:
        raise ValueError("has style sheets that take too long to be inlined") from None
    except subprocess.CalledProcessError:
        raise ValueError("has a style sheet that cannot be inlined") from None
    return done.stdout.decode(errors="replace")


def text_of(html: str) -> str:
    """Its text, with links and images in brackets. Raises ValueError when it has none, or too much."""
    _elements(html)
    _check_depth(html)
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


def _check_depth(html: str) -> None:
    """libxml2 reads HTML to 255 levels, and leaves out what comes behind. Raises ValueError."""
    from lxml import etree  # type: ignore[import-untyped]  # noqa: PLC0415

    parser = etree.HTMLParser(recover=True, encoding="utf-8")
    with contextlib.suppress(etree.LxmlError):
        etree.fromstring(html.encode("utf-8", "surrogatepass"), parser)
    if any("depth" in error.message for error in parser.error_log):
        raise ValueError("is nested too deep to make the plain part of: give a message, too")


def _elements(html: str) -> int:
    found = len(_ELEMENT.findall(html))
    if found > MOST_ELEMENTS:
        raise ValueError(f"must have at most {MOST_ELEMENTS} elements")
    return found
