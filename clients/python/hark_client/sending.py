"""The one way of every request, and the two that send it.

A flow is a generator: it yields requests and pauses, and is sent the answers. All that the client decides (what is
tried again, what an answer means) is in flows; `Sender` and `AsyncSender` only do what they yield.
"""

import asyncio
import math
import time
import uuid
from collections.abc import Awaitable, Callable, Generator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Optional, TypeVar, Union
from urllib.parse import quote

import httpx
from pydantic_core import to_json

from hark_client import retries
from hark_client.answers import problem_of
from hark_client.errors import NoAnswer
from hark_client.retries import Retries
from hark_client.version import __version__

T = TypeVar("T")


@dataclass(frozen=True)
class Pause:
    seconds: float


Flow = Generator[Union[httpx.Request, Pause], Optional[httpx.Response], T]


@dataclass(frozen=True)
class Endpoint:
    """One method of one path of the API.

    is_repeatable: the same request again has the effect of one; takes_key: with its Idempotency-Key, which it takes
    removes: so a 404 after a try whose answer was lost says that it is done
    """

    method: str
    path: str
    is_repeatable: bool = True
    takes_key: bool = False
    removes: bool = False

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True)
class Sends:
    """What one call sends. path: by the names in the endpoint's; query: None is left out; text: instead of JSON

    within: seconds for all tries, where that is less than the client's own
    """

    path: Mapping[str, Union[str, int]] = field(default_factory=dict)
    query: Mapping[str, Any] = field(default_factory=dict)
    json: Any = None
    text: Optional[str] = None
    idempotency_key: Optional[str] = None
    within: float = math.inf


@dataclass(frozen=True)
class Gateway:
    """What the client calls: where, as whom, and with how much patience. timeout: seconds for one try"""

    url: str
    api_key: str = field(repr=False)
    timeout: float
    retries: Retries
    monotonic: Callable[[], float] = time.monotonic

    def request(self, endpoint: Endpoint, sends: Sends) -> httpx.Request:
        headers = {"Authorization": f"Bearer {self.api_key}", "User-Agent": f"hark-client/{__version__}"}
        content: Optional[bytes] = None
        if sends.json is not None:
            content, headers["Content-Type"] = to_json(sends.json), "application/json"
        elif sends.text is not None:
            content, headers["Content-Type"] = sends.text.encode(), "text/csv"
        if endpoint.takes_key:
            headers["Idempotency-Key"] = _header(sends.idempotency_key) or str(uuid.uuid4())
        filled = {name: _segment(name, str(value)) for name, value in sends.path.items()}
        url = self.url + endpoint.path.format_map(filled)
        query = {name: _text(value) for name, value in sends.query.items() if value is not None}
        return httpx.Request(endpoint.method, url, params=query or None, headers=headers, content=content)


def exchange(gateway: Gateway, endpoint: Endpoint, sends: Sends) -> Flow[httpx.Response]:
    """The answer of a request that went well. Raises Problem, NoAnswer.

    The request is made once, with its key, before the first try: each further one is the same.
    """
    request = gateway.request(endpoint, sends)
    give_up_at = gateway.monotonic() + min(gateway.retries.total, sends.within)
    tries, perhaps_done = 0, False
    while True:
        tries += 1
        left = give_up_at - gateway.monotonic()
        seconds = gateway.timeout if tries == 1 and left <= 0 else max(0.001, min(gateway.timeout, left))
        request.extensions["timeout"] = httpx.Timeout(seconds).as_dict()
        try:
            response = yield request
        except httpx.RequestError as error:
            # Its text may have what was sent; its type says what happened.
            lost = NoAnswer(f"{endpoint.name}: {type(error).__name__} after {_tries(tries)}")
            pause = gateway.retries.pause(tries, None)
            if not retries.may_repeat(error, endpoint.is_repeatable) or gateway.monotonic() + pause >= give_up_at:
                raise lost from error
            perhaps_done = perhaps_done or retries.may_have_arrived(error)
        else:
            assert response is not None  # noqa: S101 - what a request is answered with
            done_before = endpoint.removes and perhaps_done and response.status_code == 404
            if response.is_success or done_before:
                return response
            after = retries.retry_after(response, datetime.now(timezone.utc))
            pause = gateway.retries.pause(tries, after)
            repeats = response.status_code in retries.STATUSES
            repeats = repeats and (endpoint.is_repeatable or response.status_code == 429)
            if not repeats or gateway.monotonic() + pause >= give_up_at:
                raise problem_of(response, endpoint.name, after)
            perhaps_done = perhaps_done or response.status_code != 429
        yield Pause(pause)


class Sender:
    """Does what a flow yields, one after the other."""

    def __init__(self, http: httpx.Client, sleep: Callable[[float], None] = time.sleep) -> None:
        self.http = http
        self._sleep = sleep

    def run(self, flow: Flow[T]) -> T:
        """What the flow returns or raises."""
        try:
            step = next(flow)
            while True:
                if isinstance(step, Pause):
                    self._sleep(step.seconds)
                    step = flow.send(None)
                    continue
                try:
                    response = self.http.send(step)
                except httpx.RequestError as error:
                    step = flow.throw(error)
                else:
                    step = flow.send(response)
        except StopIteration as done:
            result: T = done.value
            return result


class AsyncSender:
    """The same for an event loop."""

    def __init__(self, http: httpx.AsyncClient, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self.http = http
        self._sleep = sleep

    async def run(self, flow: Flow[T]) -> T:
        """What the flow returns or raises."""
        try:
            step = next(flow)
            while True:
                if isinstance(step, Pause):
                    await self._sleep(step.seconds)
                    step = flow.send(None)
                    continue
                try:
                    response = await self.http.send(step)
                except httpx.RequestError as error:
                    step = flow.throw(error)
                else:
                    step = flow.send(response)
        except StopIteration as done:
            result: T = done.value
            return result


def _segment(name: str, value: str) -> str:
    """Raises ValueError for what a proxy would take for another path: without it a member's deletion is its list's."""
    if value in {"", ".", ".."}:
        raise ValueError(f"{name} must not be empty, '.' or '..'")
    return quote(value, safe="")


def _header(value: Optional[str]) -> Optional[str]:
    """Raises ValueError for what no header can carry."""
    if value is not None and not (value.isascii() and value.isprintable()):
        raise ValueError("idempotency_key must be printable ASCII")
    return value


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _tries(count: int) -> str:
    return "one try" if count == 1 else f"{count} tries"
