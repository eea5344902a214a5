"""An access token of this process's own account, for Google's services that are called over HTTP.

google-auth's own clients block; so it is asked in a thread, and one refresh is for all that wait. Beside an emulator of
Google's there is no account, and a token that Google's emulators take from everybody.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import google.auth
import google.auth.exceptions
from google.auth.transport.requests import Request

from shared.delivery.errors import Retryable

_OF_EMULATORS = "owner"


class GoogleAccessToken:
    """scopes: of OAuth; emulated: whether this runs beside emulators"""

    def __init__(self, scopes: Sequence[str], *, emulated: bool) -> None:
        self._scopes = scopes
        self._emulated = emulated
        self._credentials: Any = None
        self._refreshing: asyncio.Task[Any] | None = None

    async def get(self, seconds: float) -> str:
        """Raises Retryable, also where there is none within so many seconds."""
        if self._emulated:
            return _OF_EMULATORS
        credentials = self._credentials
        if credentials is None or not credentials.valid:  # which ends some minutes before Google's end
            if self._refreshing is None or self._refreshing.done():
                self._refreshing = asyncio.create_task(asyncio.to_thread(self._refreshed))
                self._refreshing.add_done_callback(_heard)
            try:
                async with asyncio.timeout(seconds):
                    credentials = await asyncio.shield(self._refreshing)  # whoever waits may go away meanwhile
            except TimeoutError:
                raise Retryable("Google's token server gave no answer in time") from None
            self._credentials = credentials
        return str(credentials.token)

    def drop(self, token: str) -> None:
        """Forget it: Google refuses it. Another one stays."""
        if self._credentials is not None and self._credentials.token == token:
            self._credentials = None

    def _refreshed(self) -> Any:
        """Credentials. Raises Retryable."""
        try:
            credentials, _ = google.auth.default(scopes=self._scopes)
            credentials.refresh(Request())  # type: ignore[no-untyped-call]
        except google.auth.exceptions.TransportError:
            raise Retryable("Google's token server could not be reached") from None
        except Exception as error:
            text = f"Google gives this account no token ({type(error).__name__})"
            raise Retryable(text, credentials=True) from None
        return credentials


def _heard(refreshing: "asyncio.Task[Any]") -> None:
    """Of a failure, also where nobody waits any more."""
    if not refreshing.cancelled():
        refreshing.exception()
