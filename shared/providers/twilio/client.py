"""How Twilio is called: by its SDK's async client, over a session of ours.

The account's settings, and what an answer, or none, means.
"""

import logging
from collections.abc import Awaitable, Mapping
from contextvars import ContextVar
from typing import Any, Self

import aiohttp
from pydantic import Field, SecretStr, model_validator
from twilio.base.exceptions import TwilioException, TwilioRestException, TwilioServiceException
from twilio.http import AsyncHttpClient
from twilio.http.response import Response
from twilio.rest import Client

from shared.delivery.errors import SendError, Throttled, Unknown
from shared.http.client import UNREADABLE, of_client_error, seconds, session
from shared.providers.twilio.codes import NO_OTHERS, Meanings, of_code
from shared.runtime.settings import BaseUrl, HttpUrl, Settings


class AccountSettings(Settings):
    """With an API key the account's token is not needed: a restricted key can send, and nothing else."""

    twilio_account_sid: str = Field(pattern=r"^AC[0-9a-fA-F]{32}$")
    twilio_api_key_sid: str | None = Field(default=None, pattern=r"^SK[0-9a-fA-F]{32}$")
    twilio_api_key_secret: SecretStr | None = None
    twilio_auth_token: SecretStr | None = None
    twilio_base_url: HttpUrl = "https://api.twilio.com"
    public_url: BaseUrl | None = None
    """Of the gateway, where Twilio is to report what became of a message; None: nowhere."""

    @model_validator(mode="after")
    def _credentials_are_whole(self) -> Self:
        for name, other in (("sid", "secret"), ("secret", "sid")):
            missing = f"twilio_api_key_{name}"
            if getattr(self, missing) is None and getattr(self, f"twilio_api_key_{other}") is not None:
                raise ValueError(f"{missing.upper()} is missing beside TWILIO_API_KEY_{other.upper()}")
        if self.twilio_api_key_secret is None and self.twilio_auth_token is None:
            raise ValueError("TWILIO_API_KEY_SID and TWILIO_API_KEY_SECRET must be set, or TWILIO_AUTH_TOKEN")
        return self

    def credentials(self) -> tuple[str, str]:
        """The name and the password of each call."""
        secret = self.twilio_api_key_secret or self.twilio_auth_token
        assert secret is not None  # noqa: S101 - one of the two is there
        return self.twilio_api_key_sid or self.twilio_account_sid, secret.get_secret_value()


class Account:
    """sender_setting: the setting that an operator has to change where the sender is at fault
    meanings: of codes that only this channel meets
    """

    def __init__(self, settings: AccountSettings, sender_setting: str, meanings: Meanings = NO_OTHERS) -> None:
        self._http = _HttpClient()
        self.client = Client(*settings.credentials(), settings.twilio_account_sid, http_client=self._http)
        self.client.api.base_url = settings.twilio_base_url
        self._sender_setting = sender_setting
        self._meanings = meanings
        self._public_url = settings.public_url

    async def made(self, creating: Awaitable[Any], notification_id: str) -> str:
        """The id of what is made. Raises SendError."""
        mark(notification_id)
        try:
            made = await creating
        except (TwilioRestException, TwilioServiceException) as refused:
            raise self._of_answer(refused) from None
        except aiohttp.ClientError as error:
            raise of_client_error("Twilio", error) from None
        except (TwilioException, OSError, *UNREADABLE) as error:
            # The SDK reads an answer that is not Twilio's with whatever error its parsing meets.
            raise Unknown(f"no readable answer from Twilio ({type(error).__name__})") from None
        if not isinstance(made.sid, str):
            raise Unknown("Twilio's answer has no message id")
        return made.sid

    def callback(self, receipts: str, notification_id: str) -> str | None:
        """Where Twilio reports to, as /v1/receipts names the provider; None: nowhere.

        The fragment is for Twilio alone: five retries, whatever failed, where its default is one, if no connection can
        be made (https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides).
        """
        if self._public_url is None:
            return None
        path = f"/v1/receipts/{receipts}?notification_id={notification_id}#rc=5&rp=all"
        return self._public_url.rstrip("/") + path

    async def aclose(self) -> None:
        await self._http.session.close()

    def _of_answer(self, refused: TwilioRestException | TwilioServiceException) -> SendError:
        """The newer shape (RFC 9457) takes even its status from the body, so it may be anything."""
        if not isinstance(refused.status, int):
            return Unknown("no readable answer from Twilio (its status is no number)")
        return of_code(refused.status, refused.code, self._sender_setting, self._meanings)


def mark(notification_id: str) -> None:
    """The next calls of this task are about that notification."""
    _NOTIFICATION_ID.set(notification_id)


_NOTIFICATION_ID: ContextVar[str] = ContextVar("notification_id")


class _HttpClient(AsyncHttpClient):  # type: ignore[misc] # the SDK has no types
    """The SDK's hole for an HTTP client: its own one reads answers of any length and logs what it sends."""

    def __init__(self) -> None:
        super().__init__(logging.getLogger(__name__), True, None)
        self.session = session("Twilio")

    async def request(  # noqa: PLR0913, PLR0917 - the SDK's signature
        self,
        method: str,
        url: str,
        params: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,
        allow_redirects: bool = False,
    ) -> Response:
        async with self.session.request(
            method,
            url,
            params=params,
            data=data,
            headers={
                **(headers or {}),
                **({"Authorization": aiohttp.encode_basic_auth(*auth)} if auth else {}),
                "X-Hark-Notification-Id": _NOTIFICATION_ID.get(),
            },
            allow_redirects=allow_redirects,
        ) as answer:
            if answer.status == 429:
                # The SDK's exception carries no headers.
                raise Throttled("Twilio answered 429", retry_after=seconds(answer.headers.get("Retry-After")))
            return Response(answer.status, await answer.text(), answer.headers)
