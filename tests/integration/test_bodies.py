"""`read_body`: a body is read whole, or refused by its size or its time, whatever the client goes on to say."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response

from functions.gateway.web.problem_details import Problem
from functions.gateway.web.request_bodies import read_body
from shared.http import request_body
from tests.integration.gateway import problem

LIMIT = 1000
SECONDS = 0.3


@pytest.fixture(autouse=True)
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_body, "SECONDS", SECONDS)


async def app(scope: Any, receive: Any, send: Any) -> None:
    try:
        response = Response(await read_body(Request(scope, receive), LIMIT))
    except Problem as refused:
        response = refused.response()
    await response(scope, receive, send)


async def post(body: Any, **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway") as client:
        return await client.post("/", content=body, headers=headers)


async def drip(pause: float) -> AsyncIterator[bytes]:
    while True:
        yield b"x"
        await asyncio.sleep(pause)


@pytest.mark.parametrize("size", [0, 1, LIMIT])
async def test_a_body_within_the_limit_is_read_whole(size: int) -> None:
    assert (await post(b"x" * size)).content == b"x" * size


async def test_a_length_over_the_limit_is_refused_before_the_body() -> None:
    details = problem(await post(drip(0), **{"Content-Length": "10000000000"}), 413)
    assert details["detail"] == f"the body is larger than {LIMIT} bytes"


async def test_a_body_over_the_limit_is_not_read_on() -> None:
    taken = itertools.count()

    async def endless() -> AsyncIterator[bytes]:
        while True:
            next(taken)
            yield b"x" * 100

    answer = await post(endless())
    problem(answer, 413)
    assert answer.headers["connection"] == "close"
    assert next(taken) <= LIMIT // 100 + 2


@pytest.mark.parametrize("pause", [0.01, 60])
async def test_a_body_that_does_not_arrive_in_time_is_refused(pause: float) -> None:
    began = time.monotonic()
    answer = await post(drip(pause))
    assert SECONDS <= time.monotonic() - began < SECONDS + 2
    assert problem(answer, 408)["detail"] == f"the body did not arrive within {SECONDS} s"
    assert answer.headers["connection"] == "close"
