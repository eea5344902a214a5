"""Apprise (https://appriseit.com/): a hundred services, each by a URL that says all of it and is a secret."""

import asyncio
import json
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Self

from pydantic import AfterValidator, BeforeValidator, SecretStr, model_validator

from functions.apprise.notifying import Said, notify, target
from shared.channels import named_urls
from shared.delivery.errors import Retryable, Unknown
from shared.http.client import UNREADABLE, of_status
from shared.runtime.settings import Settings, listed, load
from shared.sending.provider import Outgoing, Provider

TRIED = (*("form", "forms", "gotify", "gotifys", "json", "jsons", "mmost", "mmosts", "ntfy", "ntfys", "xml", "xmls"),)
"""The schemes that tests/contract/test_apprise_provider.py has sent by."""
_AT_ONCE = 8  # calls; each is a process
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://.")


def _schemes(names: tuple[str, ...]) -> tuple[str, ...]:
    if not all(re.fullmatch(r"[a-z][a-z0-9+.-]*", name) for name in names):
        raise ValueError("must be schemes of Apprise URLs with commas between, like json,ntfys")
    return names


class AppriseSettings(Settings):
    apprise_urls: SecretStr
    apprise_schemes: Annotated[tuple[str, ...], BeforeValidator(listed), AfterValidator(_schemes)] = TRIED

    @model_validator(mode="after")
    def _each_is_one_target(self) -> Self:
        named_urls.urls(self.apprise_urls, self.checked)
        return self

    def checked(self, url: str) -> str:
        """Raises ValueError."""
        scheme = _SCHEME.match(url)
        if scheme is None or scheme[1] not in self.apprise_schemes:
            raise ValueError("has a scheme that APPRISE_SCHEMES does not name")
        target(url)
        return url


class AppriseProvider:
    name = "apprise"

    def __init__(self, settings: AppriseSettings) -> None:
        self._urls = named_urls.urls(settings.apprise_urls, settings.checked)
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def send(self, outgoing: Outgoing) -> str | None:
        url = named_urls.url_of(self._urls, outgoing.address, "APPRISE_URLS")
        try:
            await asyncio.wait_for(self._places.acquire(), outgoing.timeout / 2)
        except TimeoutError:
            raise Retryable(f"{_AT_ONCE} calls are under way, and none has ended") from None
        try:
            said = await self._said(url, outgoing)
        finally:
            self._places.release()
        if said is None:
            raise Unknown("Apprise's process ended without a word")
        if said.accepted:
            return None
        if said.unreached:
            raise Retryable("the service could not be reached")
        if said.status is not None:
            raise of_status("the service", said.status)
        raise Unknown("Apprise says no, and not why")

    async def _said(self, url: str, outgoing: Outgoing) -> Said | None:
        """None: its process died."""
        about = {"url": url, "title": outgoing.subject or "", "body": outgoing.text}
        asked = json.dumps({**about, "notification_id": outgoing.notification_id}).encode()
        pipe = asyncio.subprocess.PIPE
        # In a session of its own: whoever stops the function lets what is under way end.
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", notify.__module__), stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True
            )
        except OSError as error:
            raise Retryable(f"no process could be started ({type(error).__name__})") from None
        try:
            answer, _ = await process.communicate(asked)  # what it says on stderr may hold anything
        finally:
            with suppress(ProcessLookupError):  # it has ended
                process.kill()
            await asyncio.shield(process.wait())
        with suppress(*UNREADABLE):
            return Said(**json.loads(answer))
        return None

    async def aclose(self) -> None:
        """Each call has ended its process."""


def provider() -> Callable[[], Provider]:
    settings = load(AppriseSettings)
    return lambda: AppriseProvider(settings)
