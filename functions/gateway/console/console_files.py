"""The files of the console, as they are served. They stand in `static/` as they are written: nothing builds them."""

import html
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from functions.gateway.web.static_files import StaticFile, static_file

FOLDER = Path(__file__).parent / "static"
PAGE = "index.html"

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; frame-ancestors 'none'; form-action 'none'"
)
HEADERS = {"Content-Security-Policy": POLICY, "Cache-Control": "no-cache"}

_MEDIA_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
_LAB = "{lab_url}"


@dataclass(frozen=True, slots=True)
class ConsoleFiles:
    """page: what /console answers; files: by their paths below it"""

    page: str
    files: Mapping[str, StaticFile]


def load(lab_url: str | None) -> ConsoleFiles:
    """For a thread, once, at the first request for one: no cold start reads them.

    A browser asks each time whether a file is still the same: modules of two versions would not fit each other.
    """
    page = (FOLDER / PAGE).read_text(encoding="utf-8").replace(_LAB, html.escape(lab_url or ""))
    found = {path: FOLDER / path for path in names()}
    return ConsoleFiles(
        page,
        {name: static_file(path.read_bytes(), _MEDIA_TYPES[path.suffix], "no-cache") for name, path in found.items()},
    )


def names() -> list[str]:
    """Of all files but the page."""
    paths = (path for path in sorted(FOLDER.rglob("*")) if path.suffix in _MEDIA_TYPES)
    return [path.relative_to(FOLDER).as_posix() for path in paths]
