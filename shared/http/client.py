"""What the providers that are called over HTTP share: a session with bounded answers, and the meaning of a status."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import aiohttp

from shared.delivery.errors import Refused, Retryable, SendError, Throttled, Unknown
from shared.runtime import failpoints
from shared.runtime.failpoints import Failpoint

ANSWER_LIMIT = 256 * 1024  # bytes; most providers' answers are a few thousand, a message repeated in one included
_LARGE_AT_ONCE = 4  # answers beyond that limit, where a provider may give one: each of them fills memory
_LONGEST_PAUSE = 86_400.0  # seconds; what is longer is no time to plan with

UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, RecursionError)
"""What reading an answer that is not the provider's can raise: wrong types, charsets, bytes, nesting."""


class _BoundedResponse(aiohttp.ClientResponse):
    """Reads at most `largest` bytes: an endless answer must not fill the memory before the deadline ends it."""

    largest: ClassVar[int]
    large_at_once: ClassVar[asyncio.Semaphore]

    async def read(self) -> bytes:
        if self._body is None:
            body = bytearray()
            await self._read_up_to(ANSWER_LIMIT, body)
            if ANSWER_LIMIT < len(body) <= self.largest:
                async with self.large_at_once:
                    await self._read_up_to(self.largest, body)
            if len(body) > self.largest:
                self.close()
                raise aiohttp.ClientPayloadError("the answer is larger than any of the provider's")
            self._body = bytes(body)
        return self._body

    async def _read_up_to(self, limit: int, body: bytearray) -> None:
        """Until the end, or until it is more than the limit."""
        async for chunk in self.content.iter_any():
            body += chunk
            if len(body) > limit:
                return


def session(
    provider: str, largest_answer: int = ANSWER_LIMIT, resolver: aiohttp.abc.AbstractResolver | None = None
) -> aiohttp.ClientSession:
    """A session without a time limit of its own (the pipeline sets one on each call), made in the running loop.

    It raises SendError instead of following a redirect: a POST that came back as a GET's 200 would look like
    success, and the message and our token are for nobody else. Some providers' SDKs have no switch for that.

    largest_answer: in bytes; what is longer is no answer of the provider's, and raises aiohttp.ClientPayloadError
    resolver: of a session to many hosts, whose names it judges; None: the provider's own is asked for as usual
    """

    async def no_redirect(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        answer = await handler(request)
        if 300 <= answer.status < 400:
            answer.close()
            raise of_status(provider, answer.status)
        return answer

    class Bounded(_BoundedResponse):
        largest = largest_answer
        large_at_once = asyncio.Semaphore(_LARGE_AT_ONCE)

    return aiohttp.ClientSession(
        response_class=Bounded,
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=10),
        middlewares=(no_redirect,),
        connector=None if resolver is None else aiohttp.TCPConnector(resolver=resolver),
        cookie_jar=aiohttp.DummyCookieJar(),
        trace_configs=[_when_sent()] if failpoints.armed(Failpoint.REQUEST_SENT) else None,
    )


def _when_sent() -> aiohttp.TraceConfig:
    """aiohttp says a chunk just before it writes it, in one step with writing it."""

    async def leaving(*_: object) -> None:
        asyncio.get_running_loop().call_soon(failpoints.reached, Failpoint.REQUEST_SENT)

    config = aiohttp.TraceConfig()
    config.on_request_chunk_sent.append(leaving)
    return config


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """body: what it was, when it is JSON; None when it is not, or there is none"""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def retry_after(self) -> str | None:
        return header(self.headers, "Retry-After")


async def post_json(
    session: aiohttp.ClientSession,
    provider: str,
    url: str,
    document: Mapping[str, Any],
    notification_id: str,
    headers: Mapping[str, str] | None = None,
) -> HttpAnswer:
    """As `post`."""
    all_headers = {"Content-Type": "application/json", **(headers or {})}
    return await post(
        session, provider, url, json.dumps(document, ensure_ascii=False).encode(), notification_id, all_headers
    )


async def post(
    session: aiohttp.ClientSession,
    provider: str,
    url: str,
    body: bytes,
    notification_id: str,
    headers: Mapping[str, str],
) -> HttpAnswer:
    """What the provider answers, whatever its status. Raises SendError where no whole answer came.

    notification_id: goes along in a header, by which the lab and whoever looks at the traffic know what it is for
    """
    all_headers = {"X-Hark-Notification-Id": notification_id, **headers}
    try:
        async with session.post(url, data=body, headers=all_headers, allow_redirects=False) as answer:
            read = await answer.read()
            return HttpAnswer(answer.status, answer.headers, _json(read))
    except aiohttp.ClientError as error:
        raise of_client_error(provider, error) from None
    except (OSError, *UNREADABLE) as error:
        raise Unknown(f"no readable answer from {provider} ({type(error).__name__})") from None


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def of_status(provider: str, status: int, code: str | int | None = None, retry_after: str | None = None) -> SendError:
    """The error that an HTTP status means where the provider says nothing more exact.

    A 2xx comes here only when it could not be read. 503 is a refusal; the other 5xx do not say whether the
    request had an effect (RFC 9110, 15.6). Any other 4xx is a refusal whose reason we do not know: that the message is
    at fault only the provider's own table can say, so whoever finds the reason can send it again.
    """
    text = f"{provider} answered {status}" + (f" ({code})" if code else "")
    if status == 429:
        return Throttled(text, retry_after=seconds(retry_after))
    if status in {401, 403}:
        return Retryable(text, credentials=True)
    if status == 503:
        return Retryable(text)
    if status >= 500:
        return Unknown(text)
    if status == 408 or 300 <= status < 400:
        return Retryable(text)
    if status >= 400:
        return Refused(f"{text}, which is not a reason we know: find it in its documentation, mend it and replay")
    return Unknown(f"{text}, unreadable")


def of_client_error(provider: str, error: Exception) -> SendError:
    """The error that a failure of the connection means: known not to have left, or not known."""
    if isinstance(error, aiohttp.InvalidURL):
        return Refused(f"the URL of {provider} cannot be called")
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        return Retryable(f"{provider} could not be reached ({type(error).__name__})")
    return Unknown(f"no readable answer from {provider} ({type(error).__name__})")


def seconds(retry_after: str | None) -> float | None:
    """A Retry-After header's seconds, a day at most; None for a missing, an unreadable or a negative one."""
    try:
        value = float(retry_after or "")
    except ValueError:
        return None
    return min(value, _LONGEST_PAUSE) if 0 <= value < float("inf") else None


def header(headers: Mapping[str, str], name: str) -> str | None:
    """A header by its name in any case, from mappings that do not fold it themselves."""
    return next((value for key, value in headers.items() if key.lower() == name.lower()), None)
