"""Twilio, by its SDK's async client."""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from datetime import datetime
from typing import Any, Self

import aiohttp
from pydantic import Field, SecretStr, model_validator
from twilio.base.exceptions import TwilioException, TwilioRestException, TwilioServiceException
from twilio.http import AsyncHttpClient
from twilio.http.response import Response
from twilio.rest import Client

from functions.sms.destinations import screen
from functions.sms.senders import Sender, is_service
from functions.sms.twilio_codes import of_code
from shared.delivery.errors import Refused, SendError, Throttled, Unknown
from shared.http.client import UNREADABLE, of_client_error, seconds, session
from shared.runtime.settings import BaseUrl, HttpUrl, Settings, load
from shared.sending.provider import Found, Outgoing, Provider, Sent

_NEWEST = 50  # of the messages to a number, when one is looked for


class TwilioSettings(Settings):
    """With an API key the account's token is not needed: a restricted key can send, and nothing else."""

    twilio_account_sid: str = Field(pattern=r"^AC[0-9a-fA-F]{32}$")
    twilio_api_key_sid: str | None = Field(default=None, pattern=r"^SK[0-9a-fA-F]{32}$")
    twilio_api_key_secret: SecretStr | None = None
    twilio_auth_token: SecretStr | None = None
    twilio_from: Sender
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


class TwilioProvider:
    """refusal: why nothing is sent to a number (`destinations.py`). The gateway has asked it before; it is asked again
    of what was accepted under other settings, or came past the gateway.
    """

    name = "twilio"

    def __init__(self, settings: TwilioSettings, refusal: Callable[[str], str | None] = lambda _: None) -> None:
        self._http = _HttpClient()
        self._client = Client(*settings.credentials(), settings.twilio_account_sid, http_client=self._http)
        self._client.api.base_url = settings.twilio_base_url
        sender = "messaging_service_sid" if is_service(settings.twilio_from) else "from_"
        self._sender = {sender: settings.twilio_from}
        # A service has picked the number by itself.
        self._from = {} if is_service(settings.twilio_from) else self._sender
        self._public_url = settings.public_url
        self._refusal = refusal

    async def send(self, outgoing: Outgoing) -> str | None:
        refusal = self._refusal(outgoing.address)
        if refusal is not None:
            raise Refused(refusal)
        _NOTIFICATION_ID.set(outgoing.notification_id)
        try:
            message = await self._client.messages.create_async(
                to=outgoing.address, body=outgoing.text, **self._sender, **self._callback(outgoing)
            )
        except (TwilioRestException, TwilioServiceException) as refused:
            raise _of_answer(refused) from None
        except aiohttp.ClientError as error:
            raise of_client_error("Twilio", error) from None
        except (TwilioException, OSError, *UNREADABLE) as error:
            # The SDK reads an answer that is not Twilio's with whatever error its parsing meets.
            raise Unknown(f"no readable answer from Twilio ({type(error).__name__})") from None
        if not isinstance(message.sid, str):
            raise Unknown("Twilio's answer has no message id")
        return message.sid

    async def find(self, outgoing: Outgoing, since: datetime) -> Sequence[Found] | None:
        """The newest messages to the number. The key needs the right to read them.

        Not filtered by DateSent, which a message has only once Twilio has handed it on.
        """
        _NOTIFICATION_ID.set(outgoing.notification_id)
        messages = await self._client.messages.list_async(
            to=outgoing.address, limit=_NEWEST, page_size=_NEWEST, **self._from
        )
        found = [message for message in messages if message.date_created and message.date_created >= since]
        if len(found) == _NEWEST:
            return None  # it may be among those before
        return [Found(Sent(m.sid), m.date_created) for m in found if m.body == outgoing.text]

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
    settings, refusal = load(TwilioSettings), screen().refusal
    return lambda: TwilioProvider(settings, refusal)


def _of_answer(refused: TwilioRestException | TwilioServiceException) -> SendError:
    """The newer shape (RFC 9457) takes even its status from the body, so it may be anything."""
    if not isinstance(refused.status, int):
        return Unknown("no readable answer from Twilio (its status is no number)")
    return of_code(refused.status, refused.code)


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
