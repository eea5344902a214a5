"""Twilio, by its SDK's async client."""

import logging
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any

import aiohttp
from pydantic import Field, SecretStr
from twilio.base.exceptions import TwilioException, TwilioRestException, TwilioServiceException
from twilio.http import AsyncHttpClient
from twilio.http.response import Response
from twilio.rest import Client

from shared.errors import Permanent, Retryable, SendError, Throttled, Unknown
from shared.http import UNREADABLE, of_client_error, of_status, seconds, session
from shared.provider import Outgoing, Provider
from shared.settings import BaseUrl, HttpUrl, Settings, load

_NOT_OURS_TO_SEND = "credentials"

CODES: Mapping[int, type[SendError] | str] = {
    # https://www.twilio.com/docs/api/errors. What is not here goes by its HTTP status.
    20003: _NOT_OURS_TO_SEND,  # authentication failed
    20005: _NOT_OURS_TO_SEND,  # account not active
    20006: _NOT_OURS_TO_SEND,  # access denied
    20404: _NOT_OURS_TO_SEND,  # the account in the URL is not there
    20429: Throttled,  # too many requests
    21211: Permanent,  # invalid 'To'
    21212: _NOT_OURS_TO_SEND,  # invalid 'From': TWILIO_FROM is wrong, an operator fixes it
    21214: Permanent,  # 'To' cannot be reached
    21217: Permanent,  # number does not look valid
    21265: Permanent,  # 'To' must not be a short code
    21408: _NOT_OURS_TO_SEND,  # the account may not send to this region
    21601: _NOT_OURS_TO_SEND,  # 'From' cannot send messages
    21602: Permanent,  # no body
    21603: _NOT_OURS_TO_SEND,  # no 'From'
    21604: Permanent,  # no 'To'
    21606: _NOT_OURS_TO_SEND,  # 'From' is not ours
    21608: _NOT_OURS_TO_SEND,  # a trial account sends only to verified numbers
    21609: _NOT_OURS_TO_SEND,  # invalid 'StatusCallback': PUBLIC_URL is wrong, an operator fixes it
    21610: Permanent,  # the person has unsubscribed
    21611: Throttled,  # 'From' has its queue full
    21612: Permanent,  # 'To' is not reachable from 'From'
    21614: Permanent,  # 'To' is no mobile number
    21617: Permanent,  # body longer than 1,600
    21660: _NOT_OURS_TO_SEND,  # 'From' belongs to another account
    21703: _NOT_OURS_TO_SEND,  # the messaging service has no number
    30001: Throttled,  # queue overflow
    30003: Permanent,  # handset unreachable
    30006: Permanent,  # landline or unreachable carrier
    63038: Throttled,  # the account's daily limit
}


class TwilioSettings(Settings):
    twilio_account_sid: str = Field(pattern=r"^AC[0-9a-fA-F]{32}$")
    twilio_auth_token: SecretStr
    twilio_from: str
    """A number in E.164, a messaging service's id (MG…), or a sender's name."""
    twilio_base_url: HttpUrl = "https://api.twilio.com"
    public_url: BaseUrl | None = None
    """Of the gateway, where Twilio is to report what became of a message; None: nowhere."""


class TwilioProvider:
    name = "twilio"

    def __init__(self, settings: TwilioSettings) -> None:
        self._http = _HttpClient()
        self._client = Client(
            settings.twilio_account_sid, settings.twilio_auth_token.get_secret_value(), http_client=self._http
        )
        self._client.api.base_url = settings.twilio_base_url
        sender = "messaging_service_sid" if settings.twilio_from.startswith("MG") else "from_"
        self._sender = {sender: settings.twilio_from}
        self._public_url = settings.public_url

    async def send(self, outgoing: Outgoing) -> str | None:
        _NOTIFICATION_ID.set(outgoing.notification_id)
        try:
            message = await self._client.messages.create_async(
                to=outgoing.address, body=outgoing.text, **self._sender, **self._callback(outgoing)
            )
        except (TwilioRestException, TwilioServiceException) as refused:
            raise _of_code(refused) from None
        except aiohttp.ClientError as error:
            raise of_client_error("Twilio", error) from None
        except (TwilioException, OSError, *UNREADABLE) as error:
            # The SDK reads an answer that is not Twilio's with whatever error its parsing meets.
            raise Unknown(f"no readable answer from Twilio ({type(error).__name__})") from None
        if not isinstance(message.sid, str):
            raise Unknown("Twilio's answer has no message id")
        return message.sid

    async def aclose(self) -> None:
        await self._http.session.close()

    def _callback(self, outgoing: Outgoing) -> Mapping[str, str]:
        """Where Twilio reports to. The fragment is for Twilio alone: five retries, whatever failed, where its default
        is one, if no connection can be made (https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides).
        """
        if self._public_url is None:
            return {}
        path = f"/v1/receipts/twilio?notification_id={outgoing.notification_id}#rc=5&rp=all"
        return {"status_callback": self._public_url.rstrip("/") + path}


def provider() -> Callable[[], Provider]:
    settings = load(TwilioSettings)
    return lambda: TwilioProvider(settings)


def _of_code(refused: TwilioRestException | TwilioServiceException) -> SendError:
    """The newer shape (RFC 9457) takes even its status from the body, so it may be anything."""
    if not isinstance(refused.status, int):
        return Unknown("no readable answer from Twilio (its status is no number)")
    kind = CODES.get(refused.code) if isinstance(refused.code, int) else None
    text = f"Twilio answered {refused.status} ({refused.code})"
    if kind is None:
        return of_status("Twilio", refused.status, refused.code if isinstance(refused.code, int) else None)
    if isinstance(kind, str):
        return Retryable(text, credentials=True)
    return kind(text)


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
