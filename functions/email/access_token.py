"""The access token for a login by XOAUTH2: https://developers.google.com/workspace/gmail/imap/xoauth2-protocol

Fetched as RFC 6749 says, with a refresh token (Gmail) or as the application itself (Microsoft 365), and kept until it
is about to run out.
"""

import asyncio
import json
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp

from functions.email.smtp_server import OAuth
from shared.delivery.errors import Refused, Retryable, SendError
from shared.http.client import UNREADABLE, session

_REJECTED = frozenset({"invalid_grant", "invalid_client", "unauthorized_client"})  # RFC 6749, 5.2
_TOKEN = re.compile(r"[!-~]{1,16384}")  # RFC 6750, 2.1; Microsoft's have up to some 4,000 characters
_ERROR = re.compile(r"[a-z_]{1,40}")
_DEFAULT_SECONDS = 300.0  # when the answer does not say how long it is good
_LONGEST_SECONDS = 86_400.0
_MARGIN = 60.0  # seconds before its end in which a token is no longer used


class AccessToken:
    """Made in the running loop."""

    def __init__(self, oauth: OAuth, clock: Callable[[], float] = time.monotonic) -> None:
        """clock: seconds"""
        self._oauth = oauth
        self._clock = clock
        self._session = session("the token server")
        self._fetching = asyncio.Lock()
        self._token = ""
        self._good_until = 0.0

    async def get(self, seconds: float) -> tuple[str, bool]:
        """A token, and whether it was fetched for this call.

        Raises Retryable when there is none within so many seconds, or Refused.
        """
        try:
            async with asyncio.timeout(seconds), self._fetching:  # many mails at once wait for one answer
                if self._token and self._clock() < self._good_until:
                    return self._token, False
                await self._fetch()
                return self._token, True
        except TimeoutError:
            raise Retryable(f"the token server gave no answer within {seconds:.1f} s") from None

    def drop(self, token: str) -> None:
        """Forget a token that the mail server refuses: it may have been revoked before its time."""
        if self._token == token:
            self._token = ""

    async def _fetch(self) -> None:
        try:
            async with self._session.post(self._oauth.token_url, data=self._oauth.form) as answer:
                status, body = answer.status, await answer.read()
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Retryable(f"the token server gave no readable answer ({type(error).__name__})") from None
        document = _object(body)
        if status != 200:
            raise _refusal(status, document.get("error"))
        token = document.get("access_token")
        if not (isinstance(token, str) and _TOKEN.fullmatch(token)):
            raise Retryable("the token server answered 200 without a token")
        self._token = token
        self._good_until = self._clock() + _seconds(document.get("expires_in")) - _MARGIN

    async def aclose(self) -> None:
        await self._session.close()


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        document = json.loads(body)
    except UNREADABLE:
        return {}
    return document if isinstance(document, dict) else {}


def _seconds(expires_in: object) -> float:
    try:
        seconds = float(expires_in)  # type: ignore[arg-type] # some send a text
    except UNREADABLE:
        return _DEFAULT_SECONDS
    return min(seconds, _LONGEST_SECONDS) if seconds > 0 else _DEFAULT_SECONDS


def _refusal(status: int, error: object) -> SendError:
    """RFC 6749, 5.2. Nothing of a mail has left, whatever the status."""
    code = error if isinstance(error, str) and _ERROR.fullmatch(error) else None
    said = f"the token server answered {status}" + (f" ({code})" if code else "")
    if code in _REJECTED or status in {401, 403}:
        return Retryable(said, credentials=True)
    if status in {408, 429} or not 400 <= status < 500:
        return Retryable(said)
    return Refused(f"{said}: check SMTP_OAUTH_TOKEN_URL, SMTP_OAUTH_CLIENT_ID and SMTP_OAUTH_SCOPE")
