"""What a page loads, kept compressed alone: every browser takes that, and it is the cheapest."""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response


@dataclass(frozen=True, slots=True)
class StaticFile:
    """body: compressed"""

    body: bytes = field(repr=False)
    headers: Mapping[str, str]

    def answer(self, request: Request) -> Response:
        """200, or 304 for who has it already."""
        known = request.headers.get("if-none-match") == self.headers["ETag"]
        return Response(b"" if known else self.body, 304 if known else 200, self.headers)


def static_file(content: bytes, media_type: str, cache_control: str) -> StaticFile:
    """It takes milliseconds: for a thread, once."""
    headers = {
        "Content-Type": media_type,
        "Content-Encoding": "gzip",
        "ETag": f'"{hashlib.sha256(content).hexdigest()[:32]}"',
        "Cache-Control": cache_control,
    }
    return StaticFile(gzip.compress(content, mtime=0), headers)
