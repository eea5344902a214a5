"""Answers in JSON, and others that are as large."""

from collections.abc import Mapping
from typing import Any

from pydantic_core import to_json
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from functions.gateway.web.problem_details import JSON_HEADERS

PIECE = 64 * 1024  # bytes of an answer


class _InPieces(Response):
    """Each piece waits until the connection has taken those before. An answer in one is with the connection at once,
    whether the client takes it or not, and so is done with too early for what counts the answers that are not.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        for start in range(0, len(self.body), PIECE):
            end = start + PIECE
            await send({"type": "http.response.body", "body": self.body[start:end], "more_body": end < len(self.body)})


def json_answer(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return large_answer(to_json(content), "application/json", status, headers)


def large_answer(body: bytes, media_type: str, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    answer = _InPieces if len(body) > PIECE else Response
    return answer(body, status, {**JSON_HEADERS, **(headers or {})}, media_type)
