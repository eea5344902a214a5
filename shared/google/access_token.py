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
        self._refreshing: asyncio.Task[None] | None = None

    async def get(self) -> str:
        """Raises Retryable."""
        if self._emulated:
            return _OF_EMULATORS
        if self._credentials is None or not self._credentials.valid:  # which ends some minutes before Google's end
            if self._refreshing is None or self._refreshing.done():
                self._refreshing = asyncio.create_task(asyncio.to_thread(self._refresh))
                self._refreshing.add_done_callback(_heard)
            await asyncio.shield(self._refreshing)  # whoever waits may go away meanwhile
        return str(self._credentials.token)

    def drop(self) -> None:
        """Forget it: Google refuses it."""
        self._credentials = None

    def _refresh(self) -> None:
        try:
            credentials, _ = google.auth.default(scopes=self._scopes)
            credentials.refresh(Request())  # type: ignore[no-untyped-call]
        except google.auth.exceptions.TransportError:
            raise Retryable("Google's token server could not be reached") from None
        except google.auth.exceptions.GoogleAuthError as error:
            text = f"Google gives this account no token ({type(error).__name__})"
            raise Retryable(text, credentials=True) from None
        self._credentials = credentials


def _heard(refreshing: "asyncio.Task[None]") -> None:
    """Of a failure, also where nobody waits any more."""
    if not refreshing.cancelled():
        refreshing.exception()
